"""Ending an attempt: the host takes the files as they are and checks them."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, parse_arguments, tool_spec


class HandInArguments(Arguments):
    summary: str = Field(min_length=1, description="What changed; then checks seen, what is open")


class HandIn:
    spec = tool_spec("hand_in", HandInArguments)

    def parse(self, arguments: Mapping[str, Any]) -> HandInArguments:
        return parse_arguments("hand_in", HandInArguments, arguments)

    def touches(self, _arguments: HandInArguments) -> Touches:
        return Touches()

    async def run(self, arguments: HandInArguments, _context: ToolContext) -> ToolResult:
        summary = arguments.summary.strip()
        return ToolResult(
            for_model="Handed in.",
            for_user=f"handed in: {summary.partition(chr(10))[0][:160]}",
            ends=ToolEnd(kind="handed_in", summary=summary),
        )
