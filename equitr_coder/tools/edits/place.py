"""Where a change fits: exactly, or with the first leniency that gives a place at all.

Every leniency includes those before it. More than one place is left to the caller: nothing is chosen here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum

from equitr_coder.domain.frozen import frozen
from equitr_coder.tools.edits.change import Change
from equitr_coder.tools.edits.glyphs import plain
from equitr_coder.tools.edits.indentation import BLANKS, Reindent, Shift, indent_of, retab_between, shift_between
from equitr_coder.tools.edits.source import Source

_RUNS = re.compile(r"[ \t]*\t[ \t]*| {2,}")


class Leniency(Enum):
    """What may differ between quote and file, as it is told to the model."""

    NONE = ""
    BLANKS = "blanks at line ends"
    GLYPHS = "typographic quotes, dashes or spaces"
    INDENT = "indentation"
    TABS = "tabs and spaces"


@frozen
class Place:
    """From `column` of line `first` up to (not including) `stop` of line `last`, all counted from 0.

    For whole lines `last` is the last of them (`first - 1` when there are none) and both columns are 0.
    """

    first: int
    column: int
    last: int
    stop: int
    leniency: Leniency = Leniency.NONE
    reindent: Reindent = Shift()


def find_text(source: Source, change: Change) -> list[Place]:
    """Places of a text that may begin and end inside lines."""
    return list(_exact(source, "\n".join(change.old))) or _lenient(source, change)


def find_lines(source: Source, change: Change) -> list[Place]:
    """Places of whole lines."""
    texts, old = source.texts[: source.size], list(change.old)
    places = [Place(first, 0, first + len(old) - 1, 0) for first in _runs(texts, old)]
    return places or _lenient(source, change)


def exact_offsets(content: str, old: str, *, apart: bool = False) -> Iterator[int]:
    """Where `old` begins; overlapping ones too unless `apart`."""
    offset = content.find(old)
    while offset >= 0:
        yield offset
        offset = content.find(old, offset + (len(old) if apart else 1))


def place_of(content: str, old: str, offsets: Iterator[int]) -> Iterator[Place]:
    line, start, counted = 0, 0, 0
    breaks = old.count("\n")
    tail = len(old) - (old.rfind("\n") + 1)
    for offset in offsets:
        line += content.count("\n", counted, offset)
        start = (content.rfind("\n", counted, offset) + 1) or start
        counted = offset
        column = offset - start
        yield Place(line, column, line + breaks, tail if breaks else column + tail)


def _exact(source: Source, old: str) -> Iterator[Place]:
    return place_of(source.content, old, exact_offsets(source.content, old))


def _lenient(source: Source, change: Change) -> list[Place]:
    if not any(piece.strip() for piece in change.old):
        return []  # blank lines say too little to be taken for others
    for leniency, key in ((Leniency.BLANKS, _without_tail), (Leniency.GLYPHS, _plain_without_tail)):
        found = _whole(source, change, key) if change.whole else _parts(source, change, key)
        if found:
            return [_with(place, leniency, Shift()) for place in found]
    for leniency, key in ((Leniency.INDENT, _body), (Leniency.TABS, _squeezed_body)):
        places = []
        for place in _whole(source, change, key):
            reindent = _reindent(source, change, place, leniency)
            if reindent is not None:
                places.append(_with(place, leniency, reindent))
        if places:
            return places
    return []


def _with(place: Place, leniency: Leniency, reindent: Reindent) -> Place:
    return Place(place.first, place.column, place.last, place.stop, leniency, reindent)


def _whole(source: Source, change: Change, key: Callable[[str], str]) -> list[Place]:
    """Runs of whole lines. A text that ends with a line end also takes the empty start of the line after it."""
    ends_line = not change.whole and change.old[-1] == ""
    lines = change.old[:-1] if ends_line else change.old
    texts = source.texts[: source.size]
    found = []
    for first in _runs([key(text) for text in texts], [key(line) for line in lines]):
        last = first + len(lines) - 1
        if change.whole:
            found.append(Place(first, 0, last, 0))
        elif not ends_line:
            found.append(Place(first, 0, last, len(source.texts[last])))
        elif last + 1 < len(source.texts):
            found.append(Place(first, 0, last + 1, 0))
    return found


def _parts(source: Source, change: Change, key: Callable[[str], str]) -> list[Place]:
    """Places whose first and last line may be quoted in part, at the edge of a word."""
    if len(change.old) == 1:
        return _inside(source, change.old[0], key)
    first, *inner, last = change.old
    keys = [key(text) for text in source.texts]
    want = key(first)
    wanted = [key(line) for line in inner]
    starts: Iterable[int] = range(len(keys) - len(change.old) + 1)
    if any(wanted):
        starts = (index - 1 for index in _runs(keys, wanted))
    found = []
    for start in starts:
        end = start + len(change.old) - 1
        if start < 0 or end >= len(keys) or not keys[start].endswith(want) or keys[start + 1 : end] != wanted:
            continue
        column = len(keys[start]) - len(want)
        if _cuts_word(keys[start], column):
            continue
        stop = _stop(source.texts[end], last, key)
        if stop is not None:
            found.append(Place(start, column, end, stop))
    return found


def _stop(text: str, piece: str, key: Callable[[str], str]) -> int | None:
    """Up to where the last piece reaches in its line; None when it does not fit there."""
    if not piece:
        return 0
    want = key(piece)
    if len(want) < len(piece):  # blanks at its end say that the line ends there
        return len(text) if key(text) == want else None
    return len(piece) if key(text).startswith(want) and not _cuts_word(text, len(piece)) else None


def _inside(source: Source, piece: str, key: Callable[[str], str]) -> list[Place]:
    want = key(piece)
    found = []
    for index, text in enumerate(source.texts):
        own = key(text)
        if len(want) < len(piece):
            column = len(own) - len(want)
            if own.endswith(want) and not _cuts_word(own, column):
                found.append(Place(index, column, index, len(text)))
            continue
        for column in exact_offsets(own, want):
            if not _cuts_word(text, column) and not _cuts_word(text, column + len(want)):
                found.append(Place(index, column, index, column + len(want)))
    return found


def _cuts_word(text: str, column: int) -> bool:
    return 0 < column < len(text) and all(c.isalnum() or c == "_" for c in text[column - 1 : column + 1])


def _runs(lines: Sequence[str], wanted: Sequence[str]) -> Iterator[int]:
    """Indexes at which the lines are those that are wanted."""
    size = len(wanted)
    if not size:
        return
    # The rarest line leads, so that a file of one brace a line is not tried at each of them.
    counts = Counter(lines)
    anchor = min(range(size), key=lambda index: counts[wanted[index]])
    if not counts[wanted[anchor]]:
        return
    whole = list(wanted)
    index = anchor - 1
    while True:
        try:
            index = lines.index(wanted[anchor], index + 1)
        except ValueError:
            return
        first = index - anchor
        if lines[first : first + size] == whole:
            yield first


def _reindent(source: Source, change: Change, place: Place, leniency: Leniency) -> Reindent | None:
    quoted, own = [], []
    for piece, text in zip(change.old, source.texts[place.first : place.last + 1], strict=False):
        if piece.strip():
            quoted.append(indent_of(piece))
            own.append(indent_of(text))
    shift = shift_between(quoted, own)
    if leniency is Leniency.INDENT or shift is not None:
        return shift
    return retab_between(quoted, own, (indent_of(piece) for piece in change.new if piece.strip()))


def _without_tail(text: str) -> str:
    return text.rstrip(BLANKS)


def _plain_without_tail(text: str) -> str:
    return plain(text.rstrip(BLANKS)).rstrip(BLANKS)


def _body(text: str) -> str:
    return plain(text.strip(BLANKS)).strip(BLANKS)


def _squeezed_body(text: str) -> str:
    return _RUNS.sub("\t", _body(text))
