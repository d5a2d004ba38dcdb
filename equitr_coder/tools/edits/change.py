"""One change of a text: the lines to find and the lines to put there, and which of them are the same line."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from equitr_coder.domain.frozen import frozen

_COMPARED = 400
"""Lines that differ on both sides up to which a diff is made; beyond, they are paired in order."""


class EditError(ValueError):
    """The change has no place, or more than one, or cannot be read. Says where and why; nothing was changed."""


@frozen
class Change:
    """`old` and `new` are pieces between line ends, so a text that ends with one has an empty last piece.

    `whole`: the pieces are whole lines. Otherwise the first and the last may be parts of lines.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    kept: tuple[tuple[int, int], ...]
    """Index pairs of old and new lines that are the same line: there the file's own bytes stay."""
    whole: bool = False
    was_numbered: bool = False
    """Line numbers were taken off."""

    @property
    def partners(self) -> tuple[int | None, ...]:
        """For each new line the old one that it stands for, or None. Between kept lines they are paired in order."""
        found: list[int | None] = []
        done = 0
        for old_index, new_index in (*self.kept, (len(self.old), len(self.new))):
            gap = range(done, old_index)
            count = new_index - len(found)
            found += [gap[number] if number < len(gap) else None for number in range(count)]
            if new_index < len(self.new):
                found.append(old_index)
            done = old_index + 1
        return tuple(found)


def change_of(old: str, new: str) -> Change:
    """Text against text; line ends in either are all the same."""
    before, after = (tuple(text.replace("\r\n", "\n").split("\n")) for text in (old, new))
    return Change(before, after, same_lines(before, after))


def change_of_lines(old: Sequence[str], new: Sequence[str]) -> Change:
    """Whole lines against whole lines, neither said to be the same."""
    before, after = tuple(old), tuple(new)
    return Change(before, after, same_lines(before, after), whole=True)


def same_lines(old: Sequence[str], new: Sequence[str]) -> tuple[tuple[int, int], ...]:
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    kept = [(index, index) for index in range(head)]
    if len(inner_old) <= _COMPARED and len(inner_new) <= _COMPARED:
        matcher = SequenceMatcher(None, inner_old, inner_new, autojunk=False)
        for block in matcher.get_matching_blocks():
            kept += [(head + block.a + step, head + block.b + step) for step in range(block.size)]
    kept += [(len(old) - step, len(new) - step) for step in range(tail, 0, -1)]
    return tuple(kept)
