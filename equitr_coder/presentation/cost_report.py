"""`equitrcoder cost` as lines: the total, tables with bars, and what the figures do not say by themselves."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from equitr_coder.domain.costs import grouped, sum_usage
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import CostAnswer, CostRow
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.presentation.chart import bar
from equitr_coder.presentation.figures import amount, dollars, limit, tokens
from equitr_coder.presentation.listings import unreadable_lines
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, cells, pad, plural, prose, shown_on_one_line
from equitr_coder.presentation.wrapping import pieces

GROUPS = ("model", "agent", "task", "purpose", "day")
_SHOWN_ROWS = 12
"""Rows of a group when all groups are shown; the rest is summed up in one."""
_OPEN_SHOWN = 8
_BAR, _LEAST_BAR = 24, 6
_GAP, _MARGIN = "  ", "  "


@frozen
class Paper:
    """What the lines are written on. No width means that nothing is wrapped."""

    width: int | None = None
    has_blocks: bool = False


def group(answer: CostAnswer, by: str) -> tuple[CostRow, ...]:
    """The rows of one of `GROUPS`."""
    rows: tuple[CostRow, ...] = getattr(answer, f"by_{by}")
    return rows


def report_lines(answer: CostAnswer, *, by: str | None, paper: Paper) -> list[Line]:
    """One group in full, or every group that tells something, shortened."""
    lines = [*_head(answer), *unreadable_lines(answer.unreadable)]
    if not answer.calls:
        return lines
    if by is not None:
        return [*lines, *_group_lines(by, group(answer, by), None, answer.total, paper), *_notes(answer)]
    if not answer.is_one_run:
        lines += _group_lines("run", *_shortened(_by_run(answer)), answer.total, paper)
    for name in GROUPS:
        rows = group(answer, name)
        if name != "day" or len(rows) > 1:
            lines += _group_lines(name, *_shortened(rows, keeps_last=name == "day"), answer.total, paper)
    if len(answer.top) > 1:
        lines.append(Line("Most expensive (model / agent / purpose)"))
        lines += [Line(text) for text in table([(dollars(use.usd), prose(use.name)) for use in answer.top])]
    return [*lines, *_notes(answer)]


def _head(answer: CostAnswer) -> list[Line]:
    calls = sum(row.calls for row in answer.by_model)
    held = f" (and {dollars(answer.held)} held)" if answer.held else ""
    total = total_words(answer)
    if not answer.is_one_run:
        where = f"in {plural(len(answer.runs), 'run')} of this workspace"
        return [Line(f"Cost: {total}{held} {where}, {plural(calls, 'call')}", Tone.STRONG)]
    [run] = answer.runs
    name = f"{run.epic} ({run.run})" if run.epic else run.run
    return [
        Line(f"{name}: {prose(run.title)}", Tone.STRONG),
        Line(f"Cost: {total}{held} of {limit(answer.limit)}, {plural(calls, 'call')}", Tone.STRONG),
    ]


def _by_run(answer: CostAnswer) -> tuple[CostRow, ...]:
    names = {run.run: run.epic or run.run for run in answer.runs}
    return grouped(answer.calls, lambda row: names[row.run])


def _shortened(rows: Sequence[CostRow], *, keeps_last: bool = False) -> tuple[Sequence[CostRow], CostRow | None]:
    """The rows that are shown, and the sum of the others: the cheapest, or of days the earliest."""
    if len(rows) <= _SHOWN_ROWS:
        return rows, None
    kept, rest = rows[:_SHOWN_ROWS], rows[_SHOWN_ROWS:]
    if keeps_last:
        kept, rest = rows[-_SHOWN_ROWS:], rows[:-_SHOWN_ROWS]
    return kept, CostRow(
        name=f"({len(rest)} {'earlier' if keeps_last else 'more'})",
        calls=sum(row.calls for row in rest),
        usage=sum_usage(row.usage for row in rest),
        usd=sum((row.usd for row in rest), ZERO),
        is_unpriced=any(row.is_unpriced for row in rest),
    )


def label(row: CostRow) -> str:
    """The row's name for people, on one line."""
    return "(no task)" if row.name == "-" else shown_on_one_line(row.name)


def _group_lines(
    name: str, shown: Sequence[CostRow], others: CostRow | None, total: Decimal, paper: Paper
) -> list[Line]:
    if not shown:
        return []
    rows = [*shown, others] if others is not None else shown
    names = [label(row) for row in rows]
    money = _column([_money(row) for row in rows])
    shares = _column([f"{100 * row.usd / total:.0f}%" if total else "" for row in rows])
    calls = _column([plural(row.calls, "call") for row in rows])
    used = [tokens(row.usage) for row in rows]
    figures = [_GAP.join(parts) for parts in zip(money, shares, calls, strict=True)]
    widest, most = max(map(cells, names)), max(map(cells, used))
    fixed = len(_MARGIN) + cells(figures[0])
    room = None if paper.width is None else paper.width - fixed
    # Room goes to names, then tokens, then bars; what finds none stands on a line of its own below.
    is_wrapped = room is not None and widest + len(_GAP) > room
    name_width = 0 if is_wrapped else widest + len(_GAP)
    beside = room is None or name_width + len(_GAP) + most <= room
    spare = _BAR if room is None else room - name_width - (len(_GAP) + most if beside else 0) - len(_GAP)
    length = min(_BAR, spare) if spare >= _LEAST_BAR else 0
    largest = max(row.usd for row in shown)
    lines = [Line(f"by {name}", Tone.DIM)]
    for row, words, figure, use in zip(rows, names, figures, used, strict=True):
        part = row.usd / largest if largest and row is not others else ZERO
        drawn = bar(part, length, has_blocks=paper.has_blocks) if length else ""
        chart = pad(drawn, length) + _GAP if length else ""
        if is_wrapped:
            lines += [Line(_MARGIN + piece) for piece in pieces(words, (paper.width or 0) - len(_MARGIN))]
        text = _MARGIN + ("" if is_wrapped else pad(words, name_width)) + chart + figure
        lines.append(Line((text + (_GAP + use if beside else "")).rstrip()))
        if not beside:
            lines += [Line(f"{_MARGIN * 3}{piece}") for piece in pieces(use, (paper.width or 0) - len(_MARGIN) * 3)]
    return lines


def _column(texts: Sequence[str]) -> list[str]:
    """Right-aligned."""
    width = max(map(cells, texts))
    return [" " * (width - cells(text)) + text for text in texts]


def _money(row: CostRow) -> str:
    return amount(row.usd, is_unpriced=row.is_unpriced)


def total_words(answer: CostAnswer) -> str:
    return amount(answer.total, is_unpriced=any(row.is_unpriced for row in answer.by_model))


def note_lines(answer: CostAnswer) -> list[str]:
    """The same for a page that lists the calls itself."""
    return [line.text for line in _notes(answer) if not line.text.startswith(_MARGIN)]


def _notes(answer: CostAnswer) -> list[Line]:
    """Open reservations, unknown prices, estimates, lost answers, overshoots."""
    lines: list[Line] = []
    held = [row for row in answer.calls if row.is_open]
    if held:
        lines.append(Line(f"Open: {plural(len(held), 'call')} with {dollars(answer.held)} reserved", Tone.WARN))
        cut = f"  ... and {len(held) - _OPEN_SHOWN} more" if len(held) > _OPEN_SHOWN else ""
        lines += [Line(f"  {_open_call(row)}") for row in held[:_OPEN_SHOWN]]
        lines += [Line(cut)] if cut else []
    lines += _note(
        answer,
        lambda row: row.is_unpriced,
        lambda rows: f"without a known price ({_models(rows)}): the total does not hold what they cost",
        Tone.WARN,
    )
    lines += _note(
        answer,
        lambda row: row.basis == "estimated",
        lambda rows: f"with estimated usage ({dollars(_sum(rows))}): the provider reported none",
    )
    lines += _note(
        answer,
        lambda row: row.basis == "reservation",
        lambda rows: f"charged at the reservation ({dollars(_sum(rows))}): the answer was lost",
    )
    lines += _note(
        answer,
        lambda row: row.overshoot > ZERO,
        lambda rows: (
            f"beyond the reservation: {dollars(sum((row.overshoot for row in rows), ZERO))} more than was held"
        ),
        Tone.WARN,
    )
    return lines


def _note(
    answer: CostAnswer,
    has_it: Callable[[LedgerRow], bool],
    words: Callable[[Sequence[LedgerRow]], str],
    tone: Tone = Tone.DIM,
) -> list[Line]:
    rows = [row for row in answer.calls if has_it(row)]
    return [Line(f"{plural(len(rows), 'call')} {words(rows)}", tone)] if rows else []


def _open_call(row: LedgerRow) -> str:
    task = f" {row.task}" if row.task else ""
    since = f" since {row.at:%Y-%m-%d %H:%M:%SZ}" if row.at is not None else ""
    return f"{dollars(row.reserved)}  {prose(row.model)} / {prose(row.agent)}{task} / {row.purpose.value}{since}"


def _models(rows: Sequence[LedgerRow]) -> str:
    return ", ".join(sorted({prose(row.model) for row in rows}))


def _sum(rows: Sequence[LedgerRow]) -> Decimal:
    return sum((row.usd for row in rows), ZERO)
