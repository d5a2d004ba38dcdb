from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.ids import AgentName, CallId, SessionId
from equitr_coder.ports import Tool, ToolContext, ToolResult
from equitr_coder.tools.read_file import ReadFile


class NoOutputs:
    """`ports.Outputs` of a session in which nothing is kept."""

    async def keep(self, text: str) -> str:
        raise AssertionError("no output is this long")

    async def open(self, output: str) -> str | None:
        return None


@dataclass
class Desk:
    """A folder with files, and what a session has seen of them."""

    workspace: LocalWorkspace
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.workspace.root

    def write(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(data)

    def content(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    async def read_all(self) -> None:
        for path in self.content():
            await self.call(ReadFile(self.workspace, NoOutputs()), {"path": path})

    async def call(self, tool: Tool, arguments: Mapping[str, Any]) -> ToolResult:
        parsed = tool.parse(arguments)
        tool.touches(parsed)
        context = ToolContext(
            session=SessionId("s"), agent=AgentName("a"), task=None, call=CallId("c"), seen=dict(self.seen)
        )
        result = await tool.run(parsed, context)
        self.seen.update(result.seen)
        return result


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(LocalWorkspace(tmp_path))
