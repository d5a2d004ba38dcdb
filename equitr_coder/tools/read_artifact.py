"""What another task has published at a sync point, to the letter."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import Artifacts, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments

_WHOLE = 128_000
"""Bytes that reach the model uncut; what is longer would leave a small model no room to work in."""


class ReadArtifactArguments(Arguments):
    sync_point: str = Field(min_length=1, description="Its id, as in your task")


class ReadArtifact:
    spec = LazySpec("read_artifact", ReadArtifactArguments)

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def parse(self, arguments: Mapping[str, Any]) -> ReadArtifactArguments:
        return parse_arguments("read_artifact", ReadArtifactArguments, arguments)

    def touches(self, _arguments: ReadArtifactArguments) -> Touches:
        return Touches()

    async def run(self, arguments: ReadArtifactArguments, context: ToolContext) -> ToolResult:
        artifact = await self._artifacts.read(context, arguments.sync_point)
        return ToolResult(
            for_model=artifact.content,
            for_user=f"read {artifact.sync_point}, version {artifact.version}",
            is_whole=len(artifact.content.encode()) <= _WHOLE,
        )
