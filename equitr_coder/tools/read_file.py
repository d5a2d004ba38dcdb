"""Reading a file, or a long output that was kept, as numbered lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import Outputs, ToolContext, ToolResult, Workspace
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments
from equitr_coder.tools.excerpt import lines_of, numbered

_LINES = 800
_BYTES = 40_000
_OUTPUT = "output:"


class ReadFileArguments(Arguments):
    path: str = Field(min_length=1, description="File, or output:ID")
    offset: int = Field(default=1, ge=1, description="First line to show, from 1")
    limit: int = Field(default=_LINES, ge=1, description=f"Lines, at most {_LINES}")


class ReadFile:
    spec = LazySpec("read_file", ReadFileArguments)

    def __init__(self, workspace: Workspace, outputs: Outputs) -> None:
        self._workspace = workspace
        self._outputs = outputs

    def parse(self, arguments: Mapping[str, Any]) -> ReadFileArguments:
        return parse_arguments("read_file", ReadFileArguments, arguments)

    def touches(self, arguments: ReadFileArguments) -> Touches:
        if arguments.path.startswith(_OUTPUT):
            return Touches()
        return Touches(reads=(self._workspace.relative(arguments.path),))

    async def run(self, arguments: ReadFileArguments, _context: ToolContext) -> ToolResult:
        if arguments.path.startswith(_OUTPUT):
            return await self._read_output(arguments)
        path = self._workspace.relative(arguments.path)
        file = await self._workspace.read(path)
        shown = _page(path, lines_of(file.text), arguments)
        return ToolResult(for_model=shown, for_user=f"read {path}", seen={path: file.digest})

    async def _read_output(self, arguments: ReadFileArguments) -> ToolResult:
        text = await self._outputs.open(arguments.path.removeprefix(_OUTPUT))
        if text is None:
            raise ToolFailure(f"There is no kept output {arguments.path}. Run the command again to see what it prints.")
        shown = _page(arguments.path, lines_of(text), arguments)
        return ToolResult(for_model=shown, for_user=f"read {arguments.path}")


def _page(path: str, lines: Sequence[str], arguments: ReadFileArguments) -> str:
    if not lines:
        return f"[{path} is empty]"
    first = arguments.offset
    if first > len(lines):
        raise ToolFailure(f"{path} ends at line {len(lines)}; offset {first} is past it.")
    wanted = lines[first - 1 : first - 1 + min(arguments.limit, _LINES)]
    shown: list[str] = []
    size = 0
    for line in numbered(wanted, first):
        size += len(line.encode("utf-8", "surrogatepass")) + 1
        if shown and size > _BYTES:
            break
        shown.append(line)
    last = first + len(shown) - 1
    if last < len(lines):
        shown.append(f'[lines {first}-{last} of {len(lines)}; go on with read_file(path="{path}", offset={last + 1})]')
    return "\n".join(shown)
