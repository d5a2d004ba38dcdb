"""The reviewer's verdict."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, Texts, parse_arguments


class ReviewVerdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class ReviewArguments(Arguments):
    verdict: ReviewVerdict
    reasons: Texts = Field(
        default=(), description="For reject: up to five, each path:line, what is wrong, what would be right"
    )

    @field_validator("verdict", mode="before")
    @classmethod
    def _accept_participles(cls, value: Any) -> Any:
        text = value.strip().lower() if isinstance(value, str) else value
        return {"approved": "approve", "rejected": "reject"}.get(text, text) if isinstance(text, str) else text


class Review:
    spec = LazySpec("review", ReviewArguments)

    def parse(self, arguments: Mapping[str, Any]) -> ReviewArguments:
        return parse_arguments("review", ReviewArguments, arguments)

    def touches(self, _arguments: ReviewArguments) -> Touches:
        return Touches()

    async def run(self, arguments: ReviewArguments, _context: ToolContext) -> ToolResult:
        reasons = tuple(reason.strip() for reason in arguments.reasons if reason.strip())
        approved = arguments.verdict is ReviewVerdict.APPROVE
        if not approved and not reasons:
            raise ToolFailure("A rejection needs reasons: say what is wrong, where, and what would be right.")
        return ToolResult(
            for_model="The verdict is recorded.",
            for_user=f"{'approved' if approved else 'rejected'}: {'; '.join(reasons)[:160] or 'no remarks'}",
            ends=ToolEnd(kind="reviewed", approved=approved, reasons=reasons, summary="; ".join(reasons)),
        )
