"""Text as it may be put on a screen: nothing a model or a file says can move the cursor or hide what it is."""

import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple

from equitr_coder.domain.redaction import without_shapes

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
ELLIPSIS = "..."


class Tone(StrEnum):
    """What a line means. Colour repeats it where a screen has colour; the words alone must do."""

    PLAIN = "plain"
    STRONG = "strong"
    DIM = "dim"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Line(NamedTuple):
    text: str
    tone: Tone = Tone.PLAIN


_CODES = {Tone.STRONG: "1", Tone.DIM: "2", Tone.GOOD: "32", Tone.WARN: "33", Tone.BAD: "31"}


def visible(text: str) -> str:
    """Control characters, terminal escapes and direction marks as `\\x1b` or `\\u202e`; line feeds and tabs stay."""
    return _HIDDEN.sub(lambda match: _escape(match.group()), text)


def prose(text: str) -> str:
    """The same for words rather than commands: a CR LF line end is an ordinary line end."""
    return visible(text.replace("\r\n", "\n"))


def shown_on_one_line(text: str) -> str:
    """An error message as one line, whatever it carries."""
    return " ".join(prose(text).split())


def paint(line: Line, *, colour: bool) -> str:
    """The line for a stream: what looks like a key taken out, made visible, then coloured by its tone when `colour`
    allows it.
    """
    text = visible(without_shapes(line.text))
    code = _CODES.get(line.tone)
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code and text else text


def cells(text: str) -> int:
    """Columns the text takes on a terminal."""
    return sum(_cell(character) for character in text)


def pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def shorten(text: str, width: int) -> str:
    """At most `width` columns on one line; what is cut off is marked by an ellipsis."""
    flat = " ".join(text.split())
    if cells(flat) <= width:
        return flat
    kept = ""
    room = max(0, width - len(ELLIPSIS))
    for character in flat:
        if cells(kept) + _cell(character) > room:
            break
        kept += character
    return (kept.rstrip() + ELLIPSIS)[: max(width, 0)]


def first_line(text: str, width: int = 160) -> str:
    """The first line that says something, shortened."""
    for line in text.splitlines():
        if line.strip():
            return shorten(line, width)
    return ""


def plural(count: int, noun: str) -> str:
    """`1 task`, `6 tasks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
