"""The supervisor hands a verdict on to the person."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments


class PassOnArguments(Arguments):
    why: str = Field(min_length=1, description="What the user has to weigh, in two or three sentences")


class PassOn:
    spec = LazySpec("pass_on", PassOnArguments)

    def parse(self, arguments: Mapping[str, Any]) -> PassOnArguments:
        return parse_arguments("pass_on", PassOnArguments, arguments)

    def touches(self, _arguments: PassOnArguments) -> Touches:
        return Touches()

    async def run(self, arguments: PassOnArguments, _context: ToolContext) -> ToolResult:
        why = arguments.why.strip()
        return ToolResult(
            for_model="The user decides.",
            for_user=f"handed on to the user: {why.partition(chr(10))[0][:160]}",
            ends=ToolEnd(kind="passed_on", summary=why),
        )
