"""The lines that take the place of others: the file's own bytes where a line stays, else new ones in their manner."""

from collections.abc import Sequence

from equitr_coder.tools.edits.change import Change, EditError
from equitr_coder.tools.edits.glyphs import is_typographic
from equitr_coder.tools.edits.indentation import BLANKS, indent_of
from equitr_coder.tools.edits.place import Leniency, Place
from equitr_coder.tools.edits.source import Source


def splice(source: Source, texts: list[str], ends: list[str], change: Change, place: Place) -> None:
    """Put the change into `texts` and `ends`, which equal the source's from the line `place.first` on.

    Raises:
        EditError: a new line cannot be moved as far to the left as the quote was too far to the right.
    """
    new = rewritten(source, change, place)
    own_ends = _ends(source, change, place)
    if change.whole:
        texts[place.first : place.last + 1] = new
        ends[place.first : place.last + 1] = own_ends
        return
    head = source.texts[place.first][: place.column]
    tail = texts[place.last][place.stop :]
    new[0] = head + new[0]
    new[-1] += tail
    own_ends[-1] = ends[place.last]
    texts[place.first : place.last + 1] = new
    ends[place.first : place.last + 1] = own_ends


def rewritten(source: Source, change: Change, place: Place) -> list[str]:
    if place.leniency is Leniency.NONE:
        return list(change.new)
    own = _own_pieces(source, change, place)
    kept = {new: old for old, new in change.kept}
    swaps = _swaps(change.old, own)
    lines = []
    for index, (piece, partner) in enumerate(zip(change.new, change.partners, strict=True)):
        if index in kept:
            lines.append(own[kept[index]])
            continue
        quoted, file = (change.old[partner], own[partner]) if partner is not None else ("", "")
        if place.leniency in (Leniency.BLANKS, Leniency.GLYPHS):
            lines.append(_merged(piece, quoted, file, swaps))
        else:
            body = _merged(piece.lstrip(BLANKS), quoted.lstrip(BLANKS), file.lstrip(BLANKS), swaps)
            lines.append(_placed(piece, body, place))
    return lines


def _own_pieces(source: Source, change: Change, place: Place) -> list[str]:
    """What stands in the file for each old piece."""
    own = source.texts[place.first : place.first + len(change.old)]
    if not change.whole:
        own[-1] = own[-1][: place.stop]
        own[0] = own[0][place.column :]
    return own


def _placed(piece: str, body: str, place: Place) -> str:
    if not body.strip(BLANKS):
        return piece
    indent = place.reindent.apply(indent_of(piece))
    if indent is None:
        raise EditError(
            "the quote is indented deeper than the file, and this new line cannot be moved as far to the left: "
            f"{piece!r}"
        )
    return indent + body


def _merged(new: str, quoted: str, own: str, swaps: dict[int, str]) -> str:
    """A new line; what it shares with the quoted line is written as the file has it."""
    old, file = quoted.rstrip(BLANKS), own.rstrip(BLANKS)
    if len(old) != len(file):
        return new.translate(swaps)
    head = _common(old, new)
    tail = min(_common(old[::-1], new[::-1]), len(old) - head, len(new) - head)
    return file[:head] + new[head : len(new) - tail].translate(swaps) + file[len(file) - tail :]


def _common(a: str, b: str) -> int:
    size = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        size += 1
    return size


def _swaps(quoted: Sequence[str], own: Sequence[str]) -> dict[int, str]:
    """Typographic characters of the quote for which the file always has one plain character."""
    found: dict[str, set[str]] = {}
    for old, file in zip(quoted, own, strict=True):
        a, b = old.strip(BLANKS), file.strip(BLANKS)
        if len(a) == len(b):
            for one, other in zip(a, b, strict=True):
                if is_typographic(one):
                    found.setdefault(one, set()).add(other)
    return {ord(one): others.pop() for one, others in found.items() if len(others) == 1}


def _ends(source: Source, change: Change, place: Place) -> list[str]:
    """Line ends of the new lines: that of the line it stands for, else that of the line before it."""
    ends: list[str] = []
    above = source.ends[place.first - 1] if place.first else ""
    own = source.ends[place.first] if place.first < len(source.ends) else ""
    before = (own if change.old or not above else "") or above
    for partner in change.partners:
        before = (source.ends[place.first + partner] if partner is not None else "") or before
        ends.append(before)
    return ends
