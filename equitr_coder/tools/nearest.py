"""Where a quoted text would have matched, and what differs: the part of an error that lets a model mend its quote."""

import heapq
import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

from equitr_coder.domain.frozen import frozen
from equitr_coder.tools.excerpt import lines_of, numbered

_CANDIDATES = 5
_COMPARED_LINES = 200
_COMPARED_LETTERS = 400
_LIKENESS = 0.6
_SHOWN_LINES = 20
_SHOWN_DIFFERENCES = 5
_MOST_LINES = 300_000
"""Of a text in which the nearest place is looked for."""
_LINE_NUMBER = re.compile(r"\s*\d+\t")


@frozen
class Nearest:
    """A run of lines of the file, as many as were wanted."""

    first: int
    lines: tuple[str, ...]


def explain_miss(text: str, wanted: str, *, quoted_as: str, first: int = 1) -> str:
    """Why `wanted` does not occur in `text`, in words for the model.

    `quoted_as` is the argument's name, `first` the number of the text's first line.
    """
    quoted = lines_of(wanted)
    if quoted and all(_LINE_NUMBER.match(line) for line in quoted):
        # They fit nowhere even without: what is left is compared.
        quoted = [_LINE_NUMBER.sub("", line, count=1) for line in quoted]
        wanted = "\n".join(quoted)
    found = nearest(text, wanted, first=first)
    if found is None:
        where = "in the file" if first == 1 else f"from line {first} on"
        return f"Nothing {where} resembles it. Find the place with search, or read the file again."
    last = found.first + len(found.lines) - 1
    want = _without_blank_ends(quoted)
    only_space = _squeezed(found.lines) == _squeezed(want)
    how = "differs only in whitespace" if only_space else "is"
    where = f"line {found.first}" if last == found.first else f"lines {found.first}-{last}"
    shown = numbered(found.lines[:_SHOWN_LINES], found.first)
    return "\n".join(
        [
            f"The nearest text {how}, {where}:",
            *shown,
            *(["  ..."] if len(found.lines) > _SHOWN_LINES else []),
            "What differs:",
            *_differences(found, want, quoted_as),
        ]
    )


def nearest(text: str, wanted: str, *, first: int = 1) -> Nearest | None:
    """The lines most like `wanted`, or None when nothing is like it.

    A rolling count of common words picks a few candidates, so that large files stay cheap; only those are compared
    more closely.
    """
    lines, want = lines_of(text), _without_blank_ends(lines_of(wanted))
    size = min(len(want), len(lines))
    if size == 0 or len(lines) > _MOST_LINES:
        return None
    best: tuple[float, int] = (0.0, 0)
    for start in _candidates(lines, want, size):
        window = lines[start : start + size]
        if _squeezed(window) == _squeezed(want):
            return Nearest(start + first, tuple(window))
        best = max(best, (_likeness(window, want), -start))
    likeness, negative_start = best
    if likeness < _LIKENESS:
        return None
    return Nearest(first - negative_start, tuple(lines[-negative_start : size - negative_start]))


def _likeness(window: Sequence[str], want: Sequence[str]) -> float:
    """From 0 to 1: how many pairs of neighbouring letters the lines share. Linear, whatever the lines hold."""
    shared = total = 0
    for ours, theirs in zip(window[:_COMPARED_LINES], want[:_COMPARED_LINES], strict=False):
        a, b = _pairs(ours), _pairs(theirs)
        shared += 2 * (a & b).total()
        total += a.total() + b.total()
    return shared / total if total else 0.0


def _pairs(line: str) -> Counter[str]:
    text = " ".join(line.split())[:_COMPARED_LETTERS]
    return Counter(text[index : index + 2] for index in range(len(text) - 1))


def _candidates(lines: list[str], want: list[str], size: int) -> list[int]:
    wanted = Counter(word for line in want for word in line.split())
    found = ([word for word in line.split() if word in wanted] for line in lines)
    none = Counter[str]()  # shared: most lines of a large file hold none of the words
    per_line = [Counter(words) if words else none for words in found]
    present: Counter[str] = Counter()
    score = 0
    scores: list[tuple[int, int]] = []
    for end, entering in enumerate(per_line):
        for word, count in entering.items():
            score += min(present[word] + count, wanted[word]) - min(present[word], wanted[word])
            present[word] += count
        start = end - size + 1
        if start < 0:
            continue
        scores.append((score, -start))
        for word, count in per_line[start].items():
            score -= min(present[word], wanted[word]) - min(present[word] - count, wanted[word])
            present[word] -= count
    return [-negative_start for _, negative_start in heapq.nlargest(_CANDIDATES, scores)]


def _differences(found: Nearest, want: list[str], quoted_as: str) -> list[str]:
    told: list[str] = []
    matcher = SequenceMatcher(None, found.lines[:_COMPARED_LINES], want[:_COMPARED_LINES], autojunk=False)
    for kind, start, stop, other_start, other_stop in matcher.get_opcodes():
        if kind == "equal":
            continue
        pairs = zip_longest(range(start, stop), range(other_start, other_stop))
        for ours, theirs in pairs:
            if ours is None:
                told.append(f"- {quoted_as} has a line that the file has not: {_visible(want[theirs])}")
            elif theirs is None:
                told.append(f"- line {found.first + ours}: {_visible(found.lines[ours])} is not in {quoted_as}")
            else:
                told.append(
                    f"- line {found.first + ours}: the file has {_visible(found.lines[ours])}, "
                    f"{quoted_as} has {_visible(want[theirs])}"
                )
    if not told:
        told = [f"- only the blank lines or spaces at the start or end of {quoted_as}"]
    more = len(told) - _SHOWN_DIFFERENCES
    return told if more <= 0 else [*told[:_SHOWN_DIFFERENCES], f"- and {more} more"]


def _squeezed(lines: Sequence[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def _without_blank_ends(lines: list[str]) -> list[str]:
    start, stop = 0, len(lines)
    while start < stop and not lines[start].strip():
        start += 1
    while stop > start and not lines[stop - 1].strip():
        stop -= 1
    return lines[start:stop]


def _visible(line: str) -> str:
    """Quoted so that tabs and trailing spaces can be seen."""
    return repr(line if len(line) <= 160 else f"{line[:160]}…")
