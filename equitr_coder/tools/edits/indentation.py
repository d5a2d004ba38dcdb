"""How the indentation of a quoted block differs from the file's, and the same difference put on the new lines."""

from collections.abc import Iterable, Sequence
from functools import reduce
from math import gcd
from typing import Protocol

from equitr_coder.domain.frozen import frozen

BLANKS = " \t"
_TAB_WIDTHS = (4, 2, 8, 3)


class Reindent(Protocol):
    def apply(self, indent: str) -> str | None:
        """The indentation in the file for one in the quote; None when there is none."""
        ...


@frozen
class Shift:
    """Every line of the quote lacks `added` at its front, or has `removed` too much."""

    added: str = ""
    removed: str = ""

    def apply(self, indent: str) -> str | None:
        if not indent.startswith(self.removed):
            return None
        return self.added + indent[len(self.removed) :]


@frozen
class Retab:
    """Tabs stand for `width` columns, and every line of the file is `columns` further right than its quote."""

    width: int
    columns: int
    uses_tabs: bool
    known: tuple[tuple[str, str], ...]
    """Indentations of the quote with the file's own, taken as they are."""

    def apply(self, indent: str) -> str | None:
        for quoted, own in self.known:
            if quoted == indent:
                return own
        columns = _columns(indent, self.width) + self.columns
        if columns < 0:
            return None
        if not self.uses_tabs:
            return " " * columns
        return "\t" * (columns // self.width) + " " * (columns % self.width)


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(BLANKS))]


def shift_between(quoted: Sequence[str], own: Sequence[str]) -> Shift | None:
    """The one shift that turns each quoted indentation into the file's; None when there is none."""
    first_quoted, first_own = quoted[0], own[0]
    if first_own.endswith(first_quoted):
        shift = Shift(added=first_own[: len(first_own) - len(first_quoted)])
    elif first_quoted.endswith(first_own):
        shift = Shift(removed=first_quoted[: len(first_quoted) - len(first_own)])
    else:
        return None
    return shift if all(shift.apply(a) == b for a, b in zip(quoted, own, strict=True)) else None


def retab_between(quoted: Sequence[str], own: Sequence[str], new: Iterable[str]) -> Retab | None:
    """Tabs against spaces: a width of tabs with which all lines differ by the same number of columns.

    Tried first is the step in which the spaces of quote and new lines grow, then widths that need no shift.
    """
    spaces = [len(indent) for indent in (*quoted, *new) if "\t" not in indent]
    spaces += [len(indent) for indent in own if "\t" not in indent]
    step = reduce(gcd, spaces, 0)
    widths = ([step] if 2 <= step <= 8 else []) + list(_TAB_WIDTHS)
    found: list[Retab] = []
    pairs = tuple(dict(zip(quoted, own, strict=True)).items())
    if any(dict(pairs)[a] != b for a, b in zip(quoted, own, strict=True)):
        return None
    tabs = sum(indent.startswith("\t") for indent in own)
    for width in widths:
        offsets = {_columns(b, width) - _columns(a, width) for a, b in pairs}
        if len(offsets) == 1:
            found.append(Retab(width, offsets.pop(), 2 * tabs > sum(map(bool, own)), pairs))
    if not found:
        return None
    if found[0].width == step:
        return found[0]
    return next((retab for retab in found if retab.columns == 0), found[0])


def _columns(indent: str, width: int) -> int:
    return len(indent.expandtabs(width))
