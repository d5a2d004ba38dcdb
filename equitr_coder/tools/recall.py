"""Finding again what a long session no longer shows to its model."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.tools import output_id
from equitr_coder.ports import Excerpt, Memory, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments

_ALL_HERE = "Nothing was left out so far: all of this conversation stands above."
_NOTHING = "Nothing that was left out holds these words. Try other words or a name that stood in it."


class RecallArguments(Arguments):
    query: str = Field(min_length=1)


class Recall:
    spec = LazySpec("recall", RecallArguments)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def parse(self, arguments: Mapping[str, Any]) -> RecallArguments:
        return parse_arguments("recall", RecallArguments, arguments)

    def touches(self, _arguments: RecallArguments) -> Touches:
        return Touches()

    async def run(self, arguments: RecallArguments, _context: ToolContext) -> ToolResult:
        if self._memory.is_empty:
            return ToolResult(for_model=_ALL_HERE)
        found = await self._memory.find(arguments.query)
        return ToolResult(
            for_model=_shown(found),
            for_user=f"recalled {len(found)} excerpts",
            kept=tuple(dict.fromkeys(one.output for one in found)),
        )


def _shown(found: Sequence[Excerpt]) -> str:
    rows = (f'[{one.title}; read_file("output:{output_id(one.output)}") opens all of it]\n{one.text}' for one in found)
    return "\n\n".join(rows) or _NOTHING
