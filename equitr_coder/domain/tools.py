"""How a tool ends its session."""

from typing import Literal

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.value import Value


class ToolEnd(Value):
    """A tool ended its session, with what it carries."""

    kind: Literal["handed_in", "plan_submitted", "reviewed", "passed_on"]
    summary: str = ""
    plan: Plan | None = None
    approved: bool | None = None
    reasons: tuple[str, ...] = ()


_OUTPUT_ID = 12


def output_id(digest: str) -> str:
    """How a model calls a kept output: `read_file("output:ID")` opens it."""
    return digest[:_OUTPUT_ID]
