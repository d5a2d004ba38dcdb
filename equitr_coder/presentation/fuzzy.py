"""How well a few typed letters match a name: for menus that narrow while one types. Pure."""

from collections.abc import Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")
_WORD_START, _IN_A_ROW, _GAP = 8, 6, 1


def score(typed: str, text: str) -> int | None:
    """Higher is better; None when the letters do not stand in the text in this order. Spaces in `typed` separate words
    that may stand anywhere; nothing typed matches everything alike.
    """
    total = 0
    for word in typed.casefold().split():
        found = _best(word, text.casefold())
        if found is None:
            return None
        total += found
    return total


def narrowed(typed: str, items: Iterable[_T], words: Callable[[_T], str]) -> list[_T]:
    """Those that match, best first; equally good ones stay in their order."""
    scored = [(score(typed, words(item)), item) for item in items]
    kept = [(points, item) for points, item in scored if points is not None]
    return [item for _, item in sorted(kept, key=lambda pair: -pair[0])]


def _best(word: str, text: str) -> int | None:
    """Over every place where the first letter stands: the rest follows as soon as it can."""
    tries = [_from(word, text, start) for start, letter in enumerate(text) if letter == word[0]]
    return max((points for points in tries if points is not None), default=None)


def _from(word: str, text: str, start: int) -> int | None:
    points, position = 0, start - 1
    for letter in word:
        found = text.find(letter, position + 1)
        if found < 0:
            return None
        if found == 0 or not text[found - 1].isalnum():
            points += _WORD_START
        if found == position + 1:
            points += _IN_A_ROW
        points -= _GAP * min(5, found - position - 1)
        position = found
    return points
