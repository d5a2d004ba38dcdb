"""Where a line of code comes from, in words."""

from equitr_coder.domain.queries import WhyAnswer
from equitr_coder.presentation.figures import amount
from equitr_coder.presentation.text import Line, Tone, prose, shorten

_WIDTH = 100
_SHORT = 10


def why_lines(answer: WhyAnswer, *, width: int | None = None) -> list[Line]:
    """The line, then one row for each thing that is known of it."""
    room = max(40, (width or _WIDTH) - 14)
    lines = [Line(f"{answer.path}:{answer.line}  {prose(answer.text.strip())}", Tone.STRONG)]
    commit = f"commit {answer.commit[:_SHORT]}" if answer.commit else "not committed"
    if answer.by == "person":
        whom = f" by {answer.author}" if answer.author else ""
        return [*lines, Line(f"  No run of this workspace is known to have written it: {commit}{whom}")]
    rows = [("run", f"{answer.epic or answer.run} ({answer.run}), {commit}"), ("request", answer.request)]
    if answer.by == "host":
        rows.append(("written", "by the host: a planning document of the approved plan"))
    if answer.task is not None:
        rows.append(("task", f"{answer.task} {answer.title}, attempt {answer.attempt}"))
        rows += [("fulfils", text) for text in answer.covers]
    if answer.agent is not None:
        rows.append(("model", f"{answer.model} as {answer.agent}, by {answer.tool} (record {answer.seq})"))
        rows += [("prompt", answer.prompt), ("said", answer.said)]
    rows.append(("price", _price(answer)))
    rows.append(("receipt", _receipt(answer)))
    return lines + [Line(f"  {name:8}  {shorten(prose(text), room)}") for name, text in rows if text.strip()]


def _price(answer: WhyAnswer) -> str:
    parts = []
    if answer.call_usd is not None:
        parts.append(f"{amount(answer.call_usd, is_unpriced=False)} for the call")
    if answer.task_usd is not None:
        parts.append(f"{amount(answer.task_usd, is_unpriced=False)} for the whole {answer.by}")
    return ", ".join(parts)


def _receipt(answer: WhyAnswer) -> str:
    if answer.receipt is None:
        return "none: no check has proven it" if answer.by == "task" else ""
    checks = ", ".join(f"`{check.command}` exit {check.exit_code}" for check in answer.receipt.checks)
    return f"{checks}, commit {answer.receipt.commit[:_SHORT]}"
