"""A question with the answers that can be chosen; any other can be typed."""

from equitr_coder.presentation.rows import Ink, Row, Span, apart, fit, row
from equitr_coder.tui.draw.wrap import words

_RULE = "─"
_OTHER = "something else: type it below and press Enter"


def question_rows(
    who: str, text: str, options: tuple[str, ...], width: int, height: int, *, chosen: int = 0, place: str = ""
) -> list[Row]:
    """`chosen` counts from 0; `len(options)` is an answer of one's own. A long text gives way to the answers."""
    answers = [
        _option(number, option, width, is_chosen=number - 1 == chosen)
        for number, option in enumerate([*options, _OTHER], 1)
    ]
    flat = [line for answer in answers for line in answer]
    told = words(text, width - 4)
    room = max(1, height - 4 - len(flat))
    if len(told) > room:
        told = [*told[: max(1, room - 1)], f"+{len(told) - max(1, room - 1)} lines: Enter on the run shows all"]
    drawn = [
        apart(row(Span(f" {who} asks", Ink.ASK, bold=True)), row(Span(f"{place} ", Ink.DIM)), width),
        row(Span(_RULE * width, Ink.DIM)),
        *(row("   ", line) for line in told),
        row(""),
        *flat,
        row(Span(" Up/Down, 1-9 · Enter · Esc later (stays in the inbox)", Ink.DIM)),
    ]
    return [fit(line, width) for line in drawn][: max(1, height)]


def _option(number: int, text: str, width: int, *, is_chosen: bool) -> list[Row]:
    lines = words(text, width - 8)
    ink = Ink.ACCENT if is_chosen else Ink.TEXT
    mark = ">" if is_chosen else " "
    first = row(Span(f" {mark} {number}  {lines[0]}", ink, bold=is_chosen))
    return [first, *(row(Span(f"      {line}", ink)) for line in lines[1:])]
