"""What waits for the person: in one row that is always there, and as a list."""

from collections.abc import Sequence

from equitr_coder.presentation.figures import countdown
from equitr_coder.presentation.inbox import Ask
from equitr_coder.presentation.rows import Ink, Row, Span, apart, fit, row
from equitr_coder.presentation.text import cells, shorten

_KEY = "  F8 "
_WORTH = 44
"""Columns that another request must find to be told."""


def needs_row(asks: Sequence[Ask], width: int) -> Row:
    """` NEEDS YOU 2  > W2 T5 wants run_command: alembic upgrade head 0:41   ...  F8`; blank when nothing does."""
    if not asks:
        return ()
    head = row(" ", Span(f"NEEDS YOU {len(asks)}", Ink.ASK, bold=True), "  ")
    room = width - len(f" NEEDS YOU {len(asks)}  ") - len(_KEY) - 1
    parts: list[Span] = []
    for number, ask in enumerate(asks):
        age = f" {countdown(ask.age)}" if ask.age is not None else ""
        text = f"{'> ' if not number else '   '}{ask.who} {ask.words}"
        space = room - sum(cells(part.text) for part in parts)
        if number and space < _WORTH:
            break
        most = max(10, space - len(age)) if number or len(asks) == 1 else max(10, min(space - len(age), room * 3 // 4))
        parts.append(Span(f"{shorten(text, most) if not number else f'   {shorten(text, most - 3)}'}{age}"))
    return apart((*head, *row(*parts)), row(Span(_KEY, Ink.DIM)), width)


def ask_rows(asks: Sequence[Ask], width: int, *, chosen: int) -> list[Row]:
    drawn = []
    for number, ask in enumerate(asks):
        is_chosen = number == chosen
        age = f"{countdown(ask.age)} " if ask.age is not None else " "
        mark = ">" if is_chosen else " "
        left = row(Span(f" {mark} {ask.who} {ask.words}", Ink.ACCENT if is_chosen else Ink.TEXT, bold=is_chosen))
        drawn.append(fit(apart(left, row(Span(age, Ink.DIM)), width), width))
    return drawn
