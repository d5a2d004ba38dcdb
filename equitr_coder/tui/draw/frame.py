"""What every place has: a head, tabs, a rule, two panes beside each other, and what to say when there is nothing."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row, width_of
from equitr_coder.presentation.text import Line, Tone
from equitr_coder.presentation.wrapping import wrapped

_BETWEEN = "   "
_INKS = {Tone.DIM: Ink.DIM, Tone.GOOD: Ink.OK, Tone.BAD: Ink.BAD}


def head(title: str, about: Row, right: Row, width: int) -> Row:
    """` REVIEW  CSV import · plan v4          cap $5.00`: the title in capitals; `right` is left out when it would
    leave the rest less than half.
    """
    left = (Span(f" {title.upper()}  ", bold=True), *about)
    if width_of(right) + 1 > width // 2 and width_of(left) + width_of(right) + 2 > width:
        return fit(left, width)
    return apart(left, (*right, Span(" ")) if right else right, width)


def rule(width: int) -> Row:
    return (Span("─" * max(0, width), Ink.DIM),)


def tabs(labels: Sequence[Row], chosen: int, width: int) -> Row:
    """Labels side by side, the chosen one underlined; where they do not fit, as many round the chosen one as do."""
    first, last = 0, len(labels)
    while width_of(_joined(labels, chosen, first, last)) > width and last - first > 1:
        if chosen - first > last - 1 - chosen:
            first += 1
        else:
            last -= 1
    return fit(_joined(labels, chosen, first, last), width)


def _joined(labels: Sequence[Row], chosen: int, first: int, last: int) -> Row:
    spans: list[Span] = [Span(" ")] if first == 0 else [Span("< ", Ink.DIM)]
    for number in range(first, last):
        spans.append(Span(_BETWEEN if number > first else ""))
        spans += [_lit(span) if number == chosen else span for span in labels[number]]
    if last < len(labels):
        spans.append(Span(" >", Ink.DIM))
    return tuple(span for span in spans if span.text)


def _lit(span: Span) -> Span:
    ink = Ink.ACCENT if span.ink in (Ink.TEXT, Ink.DIM) else span.ink
    return span._replace(ink=ink, bold=True, underline=True)


def panes(left: Sequence[Row], right: Sequence[Row], left_width: int, width: int) -> list[Row]:
    """Two columns with a line between them, as long as the longer one."""
    room = max(0, width - left_width - 1)
    return [
        beside([(one, left_width), (other, room)], gap="│") for one, other in zip_longest(left, right, fillvalue=())
    ]


def paragraph(
    text: str, width: int, *, first: Row = (), ink: Ink = Ink.TEXT, bold: bool = False, indent: int | None = None
) -> list[Row]:
    """The text broken to the width behind `first`; the rest is indented as far as `first` is wide, or by `indent`."""
    margin = width_of(first) if indent is None else indent
    ahead = max(0, width_of(first) - margin)
    body = [piece for line in text.splitlines() or [""] for piece in wrapped(line, width - margin - ahead)]
    if ahead and len(body) > 1:  # what follows the first line has more room than it
        body = wrapped("." * ahead + text.replace("\n", " "), width - margin)
        body[0] = body[0][ahead:]
    lines = [row(*first, Span(body[0], ink, bold))]
    return lines + [row(" " * margin, Span(piece, ink, bold)) for piece in body[1:]]


def labelled(label: str, text: str, width: int, *, column: int = 8, ink: Ink = Ink.TEXT) -> list[Row]:
    """` needs   T1`: a dim label and its text, which may go on below."""
    return paragraph(text, width, first=(Span(f" {label:<{column}}", Ink.DIM),), ink=ink)


def of_lines(lines: Iterable[Line], width: int) -> list[Row]:
    """Lines of the line-based front ends, broken to the width."""
    return [
        drawn
        for line in lines
        for drawn in paragraph(
            line.text,
            width,
            ink=_INKS.get(line.tone, Ink.TEXT),
            bold=line.tone in (Tone.STRONG, Tone.WARN),
        )
    ]


def marked(line: Row, width: int, *, selected: bool) -> Row:
    """A row of a list with ` > ` before the selected one."""
    if not selected:
        return fit((Span("   "), *line), width)
    return fit((Span(" > ", Ink.ACCENT, bold=True), *(span._replace(bold=True) for span in line)), width)


def nothing(text: str, hint: str, width: int) -> list[Row]:
    """An empty state that says what to do."""
    return [(), *paragraph(text, width, first=(Span("  "),)), *paragraph(hint, width, first=(Span("  "),), ink=Ink.DIM)]
