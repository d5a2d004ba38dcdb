"""The money of a run: its minutes, what is held, the proof that rows make the sum, and the report of `cost`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import CostAnswer
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.presentation.cost_report import Paper, report_lines
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.rows import Ink, Row, Span, row, width_of
from equitr_coder.presentation.text import plural
from equitr_coder.tui.draw.frame import head, nothing, of_lines, paragraph

MINUTES = 20
_LEVELS = ".:|"
_MINUTE = timedelta(minutes=1)


def money_head(answer: CostAnswer, width: int) -> Row:
    """` MONEY  epic-041      $1.8200 + $0.3700 held of $5.00`."""
    held = f" + {dollars(answer.held)} held" if answer.held else ""
    name = (
        str(answer.runs[0].epic or answer.runs[0].run)
        if answer.is_one_run and answer.runs
        else (f"{plural(len(answer.runs), 'run')} of this workspace")
    )
    cap = f" of {limit(answer.limit)}" if answer.is_one_run else ""
    over = answer.limit is not None and answer.total >= answer.limit
    spent = Span(f"{dollars(answer.total)}{held}{cap}", Ink.BAD if over else Ink.TEXT)
    return head("money", row(name), row(spent), width)


def money_rows(answer: CostAnswer, now: datetime, width: int) -> list[Row]:
    if not answer.calls:
        return nothing("No model was called yet.", "What a call costs stands here as soon as it is answered.", width)
    minutes = spent_by_minute(answer.calls, now)
    drawn = row(Span(" by minute ", Ink.DIM), Span(spark(minutes), Ink.ACCENT))
    burn = row(
        Span(f"  last {MINUTES} min {dollars(sum(minutes, ZERO))}", Ink.DIM), f"  burn {dollars(minutes[-1])}/min"
    )
    rows = [(*drawn, *burn)] if width_of((*drawn, *burn)) <= width else [drawn, burn]
    open_ = [call for call in answer.calls if call.is_open]
    rows.append(row(Span(" held now  ", Ink.DIM), f"{plural(len(open_), 'call')}, {dollars(answer.held)}"))
    rows += receipt_rows(answer, width)
    rows.append(())
    return rows + of_lines(report_lines(answer, by=None, paper=Paper(width=width - 1, has_blocks=False)), width)


def receipt_rows(answer: CostAnswer, width: int) -> list[Row]:
    """`sum of 41 ledger rows $1.8200 = total $1.8200, difference $0.0000`."""
    closed = [call for call in answer.calls if not call.is_open]
    summed = sum((call.usd for call in closed), ZERO)
    gap = answer.total - summed
    same = all(sum((one.usd for one in group), ZERO) == summed for group in (answer.by_model, answer.by_task) if group)
    words = (
        f"sum of {plural(len(closed), 'ledger row')} {dollars(summed)} = total {dollars(answer.total)}, "
        f"difference {dollars(gap)}" + ("" if same else "; the groups add up to something else")
    )
    is_right = gap == ZERO and same
    return paragraph(words, width, first=(Span(" receipt   ", Ink.DIM),), ink=Ink.OK if is_right else Ink.BAD)


def spent_by_minute(calls: Sequence[LedgerRow], now: datetime, minutes: int = MINUTES) -> list[Decimal]:
    """Dollars that calls cost which ended in each of the last minutes, the oldest first; the last is the burn."""
    sums = [ZERO] * minutes
    for call in calls:
        ended = call.ended
        if ended is None or ended > now:
            continue
        ago = (now - ended) // _MINUTE
        if ago < minutes:
            sums[minutes - 1 - ago] += call.usd
    return sums


def spark(values: Sequence[Decimal]) -> str:
    """One character a value: a space is nothing, `.` `:` `|` are thirds of the largest."""
    largest = max(values, default=ZERO)
    if not largest:
        return "_" * len(values)
    return "".join("_" if not value else _LEVELS[min(2, int(3 * value / largest))] for value in values)
