"""Keeping a promise to other tasks: a version of the artifact that a sync point names."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import Artifacts, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments


def _as_text(value: Any) -> Any:
    """A JSON Schema sent as the object it is."""
    return json.dumps(value, ensure_ascii=False, indent=2) if isinstance(value, Mapping) else value


class PublishArtifactArguments(Arguments):
    sync_point: str = Field(min_length=1, description="Its id, as in your task")
    content: Annotated[str, BeforeValidator(_as_text)] = Field(
        min_length=1, description="All of it, not a path; a first line `# path.py` says where it is"
    )


class PublishArtifact:
    spec = LazySpec("publish_artifact", PublishArtifactArguments)

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def parse(self, arguments: Mapping[str, Any]) -> PublishArtifactArguments:
        return parse_arguments("publish_artifact", PublishArtifactArguments, arguments)

    def touches(self, _arguments: PublishArtifactArguments) -> Touches:
        return Touches()

    async def run(self, arguments: PublishArtifactArguments, context: ToolContext) -> ToolResult:
        told = await self._artifacts.publish(context, arguments.sync_point, arguments.content)
        return ToolResult(for_model=told, for_user=f"published {arguments.sync_point.strip()}")
