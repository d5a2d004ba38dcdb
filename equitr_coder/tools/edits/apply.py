"""Applying changes to a text: one by quote, or several hunks together. All or nothing, and in memory."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise

from equitr_coder.domain.edits import UNCHANGED
from equitr_coder.domain.frozen import frozen
from equitr_coder.tools.edits.change import Change, EditError, change_of, same_lines
from equitr_coder.tools.edits.indentation import BLANKS
from equitr_coder.tools.edits.place import Leniency, Place, exact_offsets, find_lines, find_text, place_of
from equitr_coder.tools.edits.rewrite import splice
from equitr_coder.tools.edits.source import Source, joined
from equitr_coder.tools.nearest import explain_miss

_LISTED = 100
_NUMBER = re.compile(r"[ \t]*(\d+)(?:\t|→|(?: ?[|│]|:)(?: |(?=$)))")
"""How numbered lines begin: as `read_file` prints them, and as models write them down again."""
_BOM = "\ufeff"


@frozen
class Hunk:
    """One change of whole lines, and what is said about where it is."""

    number: int
    change: Change
    anchors: tuple[str, ...] = ()
    """Lines that stand above it, the outermost first."""
    is_hint: bool = False
    """The anchor counts only among several places: `diff` cuts it short, and models invent it."""
    at_end: bool = False
    """The old lines are the last ones of the file."""


@frozen
class Edited:
    text: str
    spans: tuple[tuple[int, int], ...]
    """First and last line of each changed place in `text`, counted from 1; last < first where lines went."""
    disregarded: tuple[str, ...] = ()
    """What had to be disregarded to find a place, in words."""
    places: int = 1
    """How many were changed; `spans` may tell of the first ones only."""


def replace_text(text: str, old: str, new: str, *, everywhere: bool = False) -> Edited:
    """`old`, which must fit one place, gives way to `new`; with `everywhere` every exact occurrence does.

    Raises:
        EditError: nothing to change, no place, or several; with the nearest text, or the lines of all places.
    """
    if not old:
        if not text:
            return Edited(new, ((1, max(1, new.count("\n"))),))
        raise EditError(
            "old_text is empty, so the place is unknown. Quote the line next to which you want to insert and give it "
            "back in new_text."
        )
    source = Source(text)
    if _BOM in (old[0], new[:1]) and _BOM not in text:
        old, new = old.removeprefix(_BOM), new.removeprefix(_BOM)
    change = change_of(old, new)
    if change.old == change.new:
        raise EditError("old_text and new_text are identical")
    if everywhere:
        quoted = "\n".join(change.old)
        offsets = exact_offsets(source.content, quoted, apart=True)
        places = list(place_of(source.content, quoted, islice(offsets, None if source.is_mixed else _LISTED)))
        if places:
            return _changed(source, _all_replaced(source, change, places))
    chosen, place = _only_place(source, change, quoted_as="old_text", raw=old, can_all=not everywhere)
    return _changed(source, _replaced(source, [(chosen, place)]))


def apply_hunks(text: str, hunks: Sequence[Hunk]) -> Edited:
    """All hunks, each placed on the text as it is before any of them.

    Raises:
        EditError: a hunk does not fit, fits several places, or two of them overlap.
    """
    source = Source(text)
    placed: list[tuple[Change, Place]] = []
    done = 0
    for hunk in hunks:
        change, place = _place_of_hunk(source, hunk, done)
        placed.append((change, place))
        done = place.last + 1
    placed.sort(key=lambda pair: (pair[1].first, pair[1].last))
    for (_, one), (_, other) in pairwise(placed):
        if other.first <= one.last:
            raise EditError(f"two hunks change the same lines, from line {other.first + 1} on; make one of them")
    return _replaced(source, placed)


def apply_in_turn(text: str, hunks: Sequence[Hunk]) -> Edited:
    """Each hunk on what the ones before it left. Raises EditError, as `apply_hunks` does."""
    spans, told = list[tuple[int, int]](), dict[str, None]()
    for hunk in hunks:
        edited = apply_hunks(text, (hunk,))
        grown = edited.text.count("\n") - text.count("\n")
        (span,) = edited.spans
        spans = [(a + grown, b + grown) if a >= span[0] else (a, b) for a, b in spans]
        spans.append(span)
        told.update(dict.fromkeys(edited.disregarded))
        text = edited.text
    return Edited(text, tuple(sorted(spans)), tuple(told))


def without_numbers(change: Change) -> Change | None:
    """The change without line numbers that were copied along; None when its old lines are not numbered in a row."""
    quoted = change.old if change.whole or change.old[-1] else change.old[:-1]
    found = [_NUMBER.match(line) for line in quoted]
    numbers = [int(match[1]) for match in found if match]
    if not quoted or len(numbers) < len(found) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    old = (*(_NUMBER.sub("", line, count=1) for line in quoted), *change.old[len(quoted) :])
    new = tuple(_NUMBER.sub("", line, count=1) for line in change.new)
    kept = change.kept if change.whole else same_lines(old, new)
    return Change(old, new, kept, whole=change.whole, was_numbered=True)


# ---------------------------------------------------------------- places


def _only_place(source: Source, change: Change, *, quoted_as: str, raw: str, can_all: bool) -> tuple[Change, Place]:
    for variant in _variants(source, change):
        places = find_text(source, variant)
        if variant is not change and len(variant.old) < len(change.old):
            places = [at_end for place in places if (at_end := _to_the_end(source, place)) is not None]
        if len(places) > 1 and source.is_mixed and places[0].leniency is Leniency.NONE:
            places = _with_ends_as_quoted(source, raw, places)
        if len(places) > 1:
            raise EditError(_several(quoted_as, places, can_all=can_all))
        if places:
            return variant, places[0]
    raise EditError(_missing(source, change, quoted_as))


def _variants(source: Source, change: Change) -> Iterator[Change]:
    """The change as it is, then as it may have been meant."""
    bare = without_numbers(change)
    for variant in (change, bare):
        if variant is None:
            continue
        yield variant
        if source.is_open and len(variant.old) > 1 and variant.old[-1] == "":
            # The quote has a final line end that the file has not.
            old = variant.old[:-1]
            new = variant.new[:-1] if len(variant.new) > 1 and variant.new[-1] == "" else variant.new
            yield Change(old, new, same_lines(old, new), was_numbered=variant.was_numbered)


def _to_the_end(source: Source, place: Place) -> Place | None:
    """The place up to the end of the text when only blanks stand between; None for others."""
    rest = source.texts[-1][place.stop :]
    if place.last < len(source.texts) - 1 or rest.strip(BLANKS):
        return None
    leniency = Leniency.BLANKS if rest and place.leniency is Leniency.NONE else place.leniency
    return replace(place, stop=len(source.texts[-1]), leniency=leniency)


def _with_ends_as_quoted(source: Source, raw: str, places: list[Place]) -> list[Place]:
    """Of places that differ in their line ends the one whose ends are as quoted too; all when that decides nothing."""
    ends = ["\r\n" if piece.endswith("\r") else "\n" for piece in raw.split("\n")[:-1]]
    same = [place for place in places if source.ends[place.first : place.last] == ends]
    return same if len(same) == 1 else places


def _place_of_hunk(source: Source, hunk: Hunk, done: int) -> tuple[Change, Place]:
    anchor = None if hunk.is_hint else _anchor(source, hunk)
    if not hunk.change.old:
        return hunk.change, _insertion(source, hunk, anchor)
    for change in (hunk.change, without_numbers(hunk.change)):
        places = find_lines(source, change) if change is not None else []
        if hunk.at_end:
            places = [place for place in places if place.last == source.size - 1]
        if change is None or not places:
            continue
        if anchor is not None:
            # The line named after @@ may be repeated as the first line of the hunk.
            below = [place for place in places if place.first >= anchor]
            if not below:
                raise EditError(
                    f'hunk {hunk.number} stands at line {places[0].first + 1}, above "@@ {hunk.anchors[-1]}", which is '
                    f"line {anchor + 1}"
                )
            return change, below[0]
        if len(places) > 1:
            places = _narrowed(source, hunk, places, done)
        if len(places) > 1:
            raise EditError(
                f"hunk {hunk.number} fits {_count(places)}, {_lines(places)}; add context lines, or the line above it "
                "after @@"
            )
        return change, places[0]
    raise EditError(f"hunk {hunk.number} does not fit.\n{_missing(source, hunk.change, 'the hunk')}")


def _narrowed(source: Source, hunk: Hunk, places: list[Place], done: int) -> list[Place]:
    """Hunks stand in the order of the file; and a heading that one line alone begins with is taken at its word."""
    after = [place for place in places if place.first >= done]
    if len(after) == 1:
        return after
    if hunk.is_hint and hunk.anchors:
        heads = [index for index in range(source.size) if source.texts[index].strip().startswith(hunk.anchors[-1])]
        below = [place for place in places if len(heads) == 1 and place.first >= heads[0]]
        return below[:1] or places
    return places


def _anchor(source: Source, hunk: Hunk) -> int | None:
    """Index of the line that the hunk's last anchor names; None without anchors."""
    found: int | None = None
    for anchor in hunk.anchors:
        start = 0 if found is None else found + 1
        texts = source.texts[: source.size]
        lines = [index for index in range(start, len(texts)) if texts[index].strip() == anchor.strip()]
        if not lines:
            lines = [index for index in range(start, len(texts)) if texts[index].strip().startswith(anchor.strip())]
            lines = lines if len(lines) == 1 else []
        if not lines:
            where = f" after line {start}" if start else ""
            raise EditError(f'hunk {hunk.number}: no line reads "{anchor}"{where}; copy the @@ line from the file')
        if found is None and len(lines) > 1:
            narrowed = _by_hunk(source, hunk, lines)
            if narrowed is None:
                numbers = _numbers([index + 1 for index in lines])
                raise EditError(
                    f'hunk {hunk.number}: "@@ {anchor}" is at lines {numbers}; take another line, or put the one above '
                    "it into an @@ line before it"
                )
            lines = [narrowed]
        found = lines[0]
    return found


def _by_hunk(source: Source, hunk: Hunk, lines: Sequence[int]) -> int | None:
    """Of several lines that read like the anchor the one above the only place of the hunk."""
    if len(hunk.anchors) > 1 or not hunk.change.old:
        return None
    places = find_lines(source, hunk.change)
    above = [index for index in lines if len(places) == 1 and index <= places[0].first]
    return above[-1] if above else None


def _insertion(source: Source, hunk: Hunk, anchor: int | None) -> Place:
    if hunk.is_hint and source.text and not hunk.at_end:
        raise EditError(
            f"hunk {hunk.number} only adds lines and quotes none, so its place is unknown; add context lines"
        )
    first = source.size if anchor is None or hunk.at_end else anchor + 1
    return Place(first, 0, first - 1, 0)


# ---------------------------------------------------------------- result


def _changed(source: Source, edited: Edited) -> Edited:
    if edited.text == source.text:
        raise EditError("the file reads so already")
    return edited


def _replaced(source: Source, placed: Sequence[tuple[Change, Place]]) -> Edited:
    """`placed` in the order of the file."""
    texts, ends = list(source.texts), list(source.ends)
    for change, place in reversed(placed):
        splice(source, texts, ends, change, place)
    text = joined(texts, ends, usual_end=source.usual_end)
    spans, moved = [], 0
    for change, place in placed:
        spans.append(_span(change, place, moved))
        moved += len(change.new) - (place.last - place.first + 1)
    told = dict.fromkeys(place.leniency.value for _, place in placed if place.leniency is not Leniency.NONE)
    return Edited(text, tuple(spans), (*told, *(["line numbers"] if any(c.was_numbered for c, _ in placed) else ())))


def _all_replaced(source: Source, change: Change, places: Sequence[Place]) -> Edited:
    """Every exact occurrence. Of a text whose line ends are all alike only the first `places` are given."""
    if source.is_mixed:
        return replace(_replaced(source, [(change, place) for place in places]), places=len(places))
    old, new = "\n".join(change.old), "\n".join(change.new)
    breaks = len(change.new) - len(change.old)
    spans = [_span(change, place, index * breaks) for index, place in enumerate(places)]
    return Edited(source.content.replace(old, new), tuple(spans), places=source.content.count(old))


def _span(change: Change, place: Place, moved: int) -> tuple[int, int]:
    """The lines that differ, without the kept ones at both sides."""
    kept = {new for _, new in change.kept}
    size = len(change.new)
    head = 0
    while head < size and head in kept:
        head += 1
    tail = 0
    while tail < size - head and size - 1 - tail in kept:
        tail += 1
    first = place.first + moved + 1
    return first + head, first + size - 1 - tail


def _several(quoted_as: str, places: Sequence[Place], *, can_all: bool) -> str:
    near = places[0].leniency
    how = f" when {near.value} are disregarded" if near is not Leniency.NONE else ""
    also = ", or set replace_all" if can_all and near is Leniency.NONE else ""
    return (
        f"{quoted_as} occurs {len(places)} times{how}, starting at {_lines(places)}. Add neighbouring lines to "
        f"{quoted_as} until it fits one place{also}"
    )


def _count(places: Sequence[Place]) -> str:
    near = places[0].leniency
    how = f" when {near.value} are disregarded" if near is not Leniency.NONE else ""
    return f"{len(places)} places{how}"


def _lines(places: Sequence[Place]) -> str:
    return f"lines {_numbers([place.first + 1 for place in places])}"


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in islice(numbers, _LISTED))
    return shown if len(numbers) <= _LISTED else f"{shown} and {len(numbers) - _LISTED} more"


def _missing(source: Source, change: Change, quoted_as: str) -> str:
    old = "\n".join(change.old)
    told = explain_miss(source.content, old, quoted_as=quoted_as)
    done = _done_already(source, change)
    first = f"{quoted_as} does not occur.\n" if quoted_as == "old_text" else ""
    return f"{first}{told}" + (f"\n{done}" if done else "")


def _done_already(source: Source, change: Change) -> str:
    """Models repeat what they did: say so when the new text stands where the old one is missing."""
    new = "\n".join(change.new).strip("\n")
    if not new.strip() or len(new) < 2:
        return ""
    places = list(islice(place_of(source.content, new, exact_offsets(source.content, new)), 2))
    if len(places) != 1:
        return ""
    return f"The new text stands at line {places[0].first + 1}: was this change made already?"


def failure(reason: str) -> str:
    """The reason for the model, with what is known of the file: nothing happened to it."""
    first, newline, rest = reason.partition("\n")
    return f"{first.rstrip('.:')}; {UNCHANGED}{'.' if not newline else ':'}{newline}{rest}"
