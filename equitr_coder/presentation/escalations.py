"""What went to the supervisor, as lines: who asked why and what, the answer and its price, and what came of it."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from itertools import groupby

from equitr_coder.domain.escalations import Aftermath, EscalationRow
from equitr_coder.domain.events import EscalationTrigger
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import EscalationsAnswer
from equitr_coder.presentation.figures import amount
from equitr_coder.presentation.listings import unreadable_lines
from equitr_coder.presentation.text import Line, Tone, first_line, plural, prose, shorten

_WIDTH = 100
_WHY = {
    EscalationTrigger.TOOL: "asked",
    EscalationTrigger.COMPLEX_TASK: "looked hard before it began",
    EscalationTrigger.REPEATED_FAILURE: "had failed again and again",
    EscalationTrigger.NO_PROGRESS: "went round in circles",
    EscalationTrigger.LOW_CONFIDENCE: "was unsure of its work",
    EscalationTrigger.FOOTPRINT: "was refused outside its footprint",
    EscalationTrigger.CONTRACT: "broke a contract that others build on",
    EscalationTrigger.CONFLICT: "clashed with other work",
    EscalationTrigger.DISAGREEMENT: "divided its reviewers",
    EscalationTrigger.FAILED_EDITS: "could not place its edits",
    EscalationTrigger.PERMISSION: "was refused, with nobody to ask",
}


def escalations_lines(answer: EscalationsAnswer, *, width: int | None = None) -> list[Line]:
    """One block for each question, under a heading for each run."""
    lines: list[Line] = []
    room = max(40, (width or _WIDTH) - 14)
    for _, group in groupby(answer.rows, lambda row: row.run):
        rows = list(group)
        lines.append(_heading(rows))
        for row in rows:
            lines += _row(row, room)
    if not lines:
        lines = [Line("No question has gone to the supervisor.")]
    return [*lines, *unreadable_lines(answer.unreadable)]


def next_words(row: EscalationRow) -> str:
    """What happened next, in words."""
    attempt = f"attempt {row.next_attempt}"
    why = f" ({row.reason.value})" if row.reason is not None else ""
    detail = f": {first_line(prose(row.detail))}" if row.detail.strip() else ""
    match row.next:
        case Aftermath.UNANSWERED:
            return "no answer has come"
        case Aftermath.GOES_ON:
            return f"{attempt} is not over"
        case Aftermath.HANDED_IN:
            return f"{attempt} was handed in and is being checked"
        case Aftermath.PASSED:
            return f"{attempt} was handed in and its checks passed"
        case Aftermath.UNCHECKED:
            return f"{attempt} was handed in; no check proved it"
        case Aftermath.SENT_BACK:
            return f"{attempt} was sent back{why}{detail}"
        case Aftermath.FAILED:
            return f"the task failed with {attempt}{why}{detail}"
        case Aftermath.CANCELLED:
            return f"the task was given up{why}{detail}"


def _heading(rows: Sequence[EscalationRow]) -> Line:
    name = f"{rows[0].epic} ({rows[0].run})" if rows[0].epic else rows[0].run
    asked = [row for row in rows if not (row.is_skipped or row.is_told)]
    total: Decimal = sum((row.usd for row in asked), ZERO)
    price = amount(total, is_unpriced=any(row.is_unpriced for row in asked))
    return Line(f"{name}: {plural(len(asked), 'question')} to the supervisor, {price}", Tone.STRONG)


def _row(row: EscalationRow, room: int) -> list[Line]:
    at = f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}  " if row.at is not None else ""
    who = f"{row.task} {row.agent}" if row.task else row.agent
    price = amount(row.usd, is_unpriced=row.is_unpriced)
    price = "not asked" if row.is_skipped else "only told" if row.is_told else price
    said = [
        ("question", row.question),
        ("files", ", ".join(row.files)),
        ("answer", row.answer or ""),
        ("why not", "the questions of this run were used up" if row.is_skipped else ""),
        ("refused", row.refusal),
        ("next", next_words(row)),
    ]
    head = f"  {at}{who}, attempt {row.attempt}: {_WHY[row.trigger]} ({row.trigger.value}), {price}"
    return [
        Line(head, Tone.WARN if row.is_skipped or row.is_told else Tone.PLAIN),
        *(Line(f"    {name:8}  {shorten(prose(text), room)}", Tone.DIM) for name, text in said if text.strip()),
    ]
