"""Which file names fit what was typed after `@`, best first, quickly enough for a hundred thousand of them."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

_MOST_FILES = 50
_MOST_READ = 20_000
"""Paths that are read letter by letter, the shortest ones: so many take some 10 ms."""
_BREAK = "\n"
_BETWEEN_WORDS = re.compile(r"[\W_]+")


class FileNames:
    """The files that `@` may name. Making one sorts and indexes them: off the event loop when there may be many."""

    def __init__(self, paths: Sequence[str] = ()) -> None:
        known = (path for path in paths if ".git" not in path.split("/") and _BREAK not in path)
        self._paths = sorted(known, key=lambda path: (len(path), path))
        lower = [path.lower() for path in self._paths]
        names = [path.rsplit("/", 1)[-1] for path in lower]
        words = [_BETWEEN_WORDS.split(name) for name in names]
        self._in_paths, self._in_names = _Joined(lower), _Joined(names)
        self._in_words = _Joined([f" {' '.join(each)}" for each in words])
        self._in_initials = _Joined(["".join(word[:1] for word in each) for each in words])
        self._letters = array("Q", map(_letters, lower))

    def best(self, typed: str, count: int = _MOST_FILES) -> list[str]:
        """Name is it, begins with it; path begins with it; a word of the name begins with it, its words do with its
        letters; name contains it; path contains it; has its letters in order. Shorter paths first.
        """
        wanted = typed.lower()
        if not wanted:
            return self._paths[:count]
        if _BREAK in wanted:
            return []
        found: dict[int, None] = {}
        for number in self._ranked(wanted):
            found[number] = None
            if len(found) == count:
                break
        return [self._paths[number] for number in found]

    def _ranked(self, wanted: str) -> Iterator[int]:
        return chain(
            self._in_names.having(f"{_BREAK}{wanted}{_BREAK}"),
            self._in_paths.having(f"{_BREAK}{wanted}{_BREAK}"),
            self._in_names.having(_BREAK + wanted),
            self._in_paths.having(_BREAK + wanted),
            self._in_words.having(f" {wanted}"),
            self._in_initials.having(wanted),
            self._in_names.having(wanted),
            self._in_paths.having(wanted),
            self._in_order(wanted),
        )

    def _in_order(self, wanted: str) -> Iterator[int]:
        letters = _letters(wanted)
        has = re.compile("".join(f"[^{re.escape(letter)}]*+{re.escape(letter)}" for letter in wanted), re.DOTALL).match
        may = (number for number, its in enumerate(self._letters) if its & letters == letters)
        return (number for number in islice(may, _MOST_READ) if has(self._in_paths[number]))


class _Joined:
    """Texts in one string, which is searched as fast as memory is read."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._text = _BREAK + _BREAK.join(texts) + _BREAK
        self._starts = array("Q", _starts(texts))

    def __getitem__(self, number: int) -> str:
        return self._text[self._starts[number] : self._starts[number + 1] - 1]

    def having(self, wanted: str) -> Iterator[int]:
        """Numbers of the texts, in their order, each once."""
        text, starts, last = self._text, self._starts, len(self._starts) - 2
        place = text.find(wanted)
        while place >= 0:
            number = bisect_right(starts, place + wanted.startswith(_BREAK)) - 1
            if number > last:
                return
            yield number
            place = text.find(wanted, starts[number + 1] - 1)


def _starts(texts: Iterable[str]) -> Iterator[int]:
    """Where each text begins in the joined string, and where one more would."""
    place = 1
    yield place
    for text in texts:
        place += len(text) + 1
        yield place


def _letters(text: str) -> int:
    """Which letters occur, as bits; letters that share a bit only cost a look at the text itself."""
    bits = 0
    for letter in set(text):
        bits |= 1 << (ord(letter) & 63)
    return bits
