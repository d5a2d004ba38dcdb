"""Ending an attempt: the host takes the files as they are and checks them."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import Overseer, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments

LOW_CONFIDENCE = 0.5
"""Below it the supervisor looks at the work before it is handed in."""


class HandInArguments(Arguments):
    summary: str = Field(min_length=1, description="What changed; then checks seen, what is open")
    confidence: float | None = Field(default=None, description="0 to 1; below 0.5 you get advice first")

    @field_validator("confidence")
    @classmethod
    def _share(cls, value: float | None) -> float | None:
        """Models give percentages as well."""
        share = value / 100 if value is not None and 1 < value <= 100 else value
        if share is not None and not 0 <= share <= 1:
            raise ValueError("should be between 0 and 1")
        return share


class HandIn:
    spec = LazySpec("hand_in", HandInArguments)

    def __init__(self, advisor: Overseer | None = None) -> None:
        """`advisor` gives a second opinion on work that its worker is unsure of."""
        self._advisor = advisor

    def parse(self, arguments: Mapping[str, Any]) -> HandInArguments:
        return parse_arguments("hand_in", HandInArguments, arguments)

    def touches(self, _arguments: HandInArguments) -> Touches:
        return Touches()

    async def run(self, arguments: HandInArguments, context: ToolContext) -> ToolResult:
        summary = arguments.summary.strip()
        said = await self._second_opinion(summary, arguments.confidence, context)
        if said is not None:
            return ToolResult(
                for_model=f"Not handed in yet: you are unsure, so the supervisor looked at it. It answers:\n{said}\n\n"
                "Do what it says, then call hand_in again.",
                for_user=f"unsure ({arguments.confidence:g}), so the supervisor was asked",
            )
        return ToolResult(
            for_model="Handed in.",
            for_user=f"handed in: {summary.partition(chr(10))[0][:160]}",
            ends=ToolEnd(kind="handed_in", summary=summary),
        )

    async def _second_opinion(self, summary: str, confidence: float | None, context: ToolContext) -> str | None:
        if self._advisor is None or confidence is None or confidence >= LOW_CONFIDENCE:
            return None
        return await self._advisor.second_opinion(context, summary, confidence)
