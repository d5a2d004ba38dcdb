"""Numbered lines, the one form in which a model sees the content of a file."""

from collections.abc import Sequence
from itertools import islice

LINE_LENGTH = 2000
"""Characters of one line that are shown; minified files would fill the context otherwise."""


def lines_of(text: str) -> list[str]:
    """Lines without their ends; a final newline opens no further line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def numbered(lines: Sequence[str], first: int) -> list[str]:
    """`   12\\ttext` for each line, the first one having the number `first`."""
    return [f"{number:>5}\t{_shortened(line)}" for number, line in enumerate(lines, start=first)]


def changed_lines(text: str, spans: Sequence[tuple[int, int]], *, context: int = 3, limit: int = 60) -> str:
    """The given line ranges of `text` (first and last, counted from 1) with lines around them, numbered.

    An empty range, last < first, stands for lines that were taken out before line `first`.
    """
    lines = lines_of(text)
    shown: list[str] = []
    done = 0
    for first, last in spans:
        start, stop = max(first - context, done + 1), min(last + context, len(lines))
        if shown and start > done + 1:
            shown.append("  ...")
        shown += numbered(list(islice(lines, start - 1, stop)), start)
        done = max(done, stop)
        if len(shown) > limit:
            return "\n".join([*shown[:limit], "  ... (more changed lines than are shown)"])
    return "\n".join(shown) or "(the file is empty now)"


def _shortened(line: str) -> str:
    if len(line) <= LINE_LENGTH:
        return line
    return f"{line[:LINE_LENGTH]}… [{len(line) - LINE_LENGTH} more characters in this line]"
