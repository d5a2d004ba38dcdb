"""The rows of the prompt as Textual draws them."""

from collections.abc import Callable, Mapping
from itertools import groupby

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from equitr_coder.tui.prompt.wrapped import WrappedRow, Wrapping

MARK = "> "
_NO_MARK = "  "


class Inks:
    """The styles of one drawing."""

    def __init__(self, style: Callable[[str], Style]) -> None:
        """`style` knows a component class."""
        self.text, self.mark, self.chip = style("prompt--text"), style("prompt--mark"), style("prompt--chip")
        self.placeholder, self.cursor = style("prompt--placeholder"), style("prompt--cursor")
        self.match = style("prompt--match")


def text_strip(
    text: str,
    row: WrappedRow,
    *,
    cursor: int | None,
    chips: Mapping[str, str],
    matches: range,
    wrapping: Wrapping,
    inks: Inks,
) -> Strip:
    """One row of the draft. `cursor` is None without focus; `matches` are the characters that a search found."""

    def style(index: int) -> Style:
        if index == cursor:
            return inks.cursor
        if index in matches:
            return inks.match
        return inks.chip if text[index] in chips else inks.text

    segments = [Segment(MARK if row.start == 0 else _NO_MARK, inks.mark)]
    for its, indexes in groupby(range(row.start, row.end), style):
        segments.append(Segment("".join(wrapping.shown(text[index]) for index in indexes), its))
    if cursor is not None and cursor == row.end and row.is_last:
        segments.append(Segment(" ", inks.cursor))
    return Strip(segments)


def placeholder_strip(words: str, *, has_focus: bool, inks: Inks) -> Strip:
    """An empty prompt: what may be written there, under the cursor."""
    first, rest = words[:1] or " ", words[1:]
    head = Segment(first, inks.cursor if has_focus else inks.placeholder)
    return Strip([Segment(MARK, inks.mark), head, Segment(rest, inks.placeholder)])
