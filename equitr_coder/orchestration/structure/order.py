"""Three-way merging of sequences whose members have names: what stands where when both sides put something in."""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from equitr_coder.domain.frozen import frozen

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@frozen
class Order(Generic[K]):
    """The names of the merged sequence in order, and those that both sides put into one and the same gap."""

    keys: tuple[K, ...]
    contested: frozenset[K]


def merge_order(base: Sequence[K], ours: Sequence[K], theirs: Sequence[K]) -> Order[K] | None:
    """What survives stands as in `base`; what a side put in follows what it followed there, ours before theirs.

    None when a name stands twice, when a side moved something, or when both put something where one took something
    away: then it may be the same thing, changed by both.
    """
    if any(len(set(side)) != len(side) for side in (base, ours, theirs)):
        return None
    known = set(base)
    survivors = [key for key in base if key in set(ours) and key in set(theirs)]
    for side in (ours, theirs):
        present = set(side)
        if [key for key in side if key in known] != [key for key in base if key in present]:
            return None
    ours_in, theirs_in = _insertions(base, ours), _insertions(base, theirs)
    both_put = {key for keys in ours_in.values() for key in keys} & {key for keys in theirs_in.values() for key in keys}
    result: list[K] = []
    contested: set[K] = set()
    gap_ours: list[K] = []
    gap_theirs: list[K] = []
    has_lost = False
    for position in range(-1, len(base)):
        if position >= 0:
            if base[position] in survivors:
                if not _close(gap_ours, gap_theirs, contested, has_lost=has_lost):
                    return None
                gap_ours, gap_theirs, has_lost = [], [], False
                result.append(base[position])
            else:
                has_lost = True
        gap_ours += ours_in.get(position, [])
        gap_theirs += [key for key in theirs_in.get(position, []) if key not in both_put]
        result += ours_in.get(position, [])
        result += [key for key in theirs_in.get(position, []) if key not in both_put]
    if not _close(gap_ours, gap_theirs, contested, has_lost=has_lost):
        return None
    return Order(tuple(result), frozenset(contested))


def pick(base: V | None, ours: V | None, theirs: V | None) -> tuple[bool, V | None]:
    """The side that changed; `(False, None)` when both did, differently."""
    if theirs in (ours, base):
        return True, ours
    if ours == base:
        return True, theirs
    return False, None


def _close(ours: list[K], theirs: list[K], contested: set[K], *, has_lost: bool) -> bool:
    if not (ours and theirs):
        return True
    contested.update(ours, theirs)
    return not has_lost


def _insertions(base: Sequence[K], side: Sequence[K]) -> dict[int, list[K]]:
    """Position in `base` -> what the side put after it; -1 is the beginning."""
    places = {key: position for position, key in enumerate(base)}
    found: dict[int, list[K]] = {}
    last = -1
    for key in side:
        if key in places:
            last = places[key]
        else:
            found.setdefault(last, []).append(key)
    return found
