"""What stands on one row of a full screen: pieces of text with their meaning. Pure; a front end gives them colours."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from equitr_coder.presentation.text import ELLIPSIS, Tone, cells, visible


class Ink(StrEnum):
    """What a piece of text means. A theme maps each to a colour; without colours the words alone must do."""

    TEXT = "text"
    DIM = "dim"
    ACCENT = "accent"
    """Focus, selection, links."""
    OK = "ok"
    """Done, passed, added."""
    ASK = "ask"
    """Waits for the person. Nothing else has this colour."""
    BAD = "bad"
    """Failed, removed, over the cap."""
    INFO = "info"
    """The supervisor."""
    LANE_1 = "lane1"
    LANE_2 = "lane2"
    LANE_3 = "lane3"
    LANE_4 = "lane4"
    LANE_5 = "lane5"
    LANE_6 = "lane6"
    LANE_7 = "lane7"
    LANE_8 = "lane8"


class Span(NamedTuple):
    text: str
    ink: Ink = Ink.TEXT
    bold: bool = False
    underline: bool = False
    reverse: bool = False


Row = tuple[Span, ...]

_INKS = {
    Tone.PLAIN: Span("", Ink.TEXT),
    Tone.STRONG: Span("", Ink.TEXT, bold=True),
    Tone.DIM: Span("", Ink.DIM),
    Tone.GOOD: Span("", Ink.OK),
    Tone.WARN: Span("", Ink.TEXT, bold=True),
    Tone.BAD: Span("", Ink.BAD),
}


def row(*parts: str | Span) -> Row:
    """Plain words and spans side by side; made visible, so that no text can move the cursor."""
    spans = (Span(part) if isinstance(part, str) else part for part in parts)
    return tuple(span._replace(text=visible(span.text).replace("\n", " ")) for span in spans if span.text)


def toned(text: str, tone: Tone) -> Row:
    """A line of a line-based front end as a row. A warning there is no question to the person: it is bold here."""
    return row(_INKS[tone]._replace(text=text))


def text_of(line: Row) -> str:
    return "".join(span.text for span in line)


def width_of(line: Row) -> int:
    """In terminal cells."""
    return cells(text_of(line))


def fit(line: Row, width: int, *, padded: bool = True) -> Row:
    """Exactly `width` cells: what is too long ends in an ellipsis, what is too short is filled when `padded`."""
    width = max(0, width)
    used = width_of(line)
    if used <= width:
        return (*line, Span(" " * (width - used))) if padded and used < width else line
    room, kept = max(0, width - len(ELLIPSIS)), []
    for span in line:
        text = _head(span.text, room)
        kept.append(span._replace(text=text))
        room -= cells(text)
        if text != span.text:
            break
    return fit((*kept, Span(ELLIPSIS[: max(0, width)], Ink.DIM)), width, padded=padded)


def beside(parts: Iterable[tuple[Row, int]], *, gap: str = "") -> Row:
    """Columns: each row cut or filled to its width."""
    joined: list[Span] = []
    for number, (line, width) in enumerate(parts):
        if number and gap:
            joined.append(Span(gap, Ink.DIM))
        joined.extend(fit(line, width))
    return tuple(joined)


def apart(left: Row, right: Row, width: int) -> Row:
    """`left` at the left edge and `right` at the right one; `left` gives way when both do not fit."""
    room = max(0, width - width_of(right) - 1)
    return fit((*fit(left, room), Span(" "), *right), width)


def _head(text: str, room: int) -> str:
    """As much of the text as `room` cells hold."""
    if cells(text) <= room:
        return text
    kept = 0
    for number, character in enumerate(text):
        kept += cells(character)
        if kept > room:
            return text[:number]
    return text
