"""Pages of a list."""

from typing import List, Sequence, TypeVar

T = TypeVar("T")


def page_count(total: int, size: int) -> int:
    """How many pages `total` items fill. An empty list has one page, and it is empty."""
    return max(1, total // size)


def page(items: Sequence[T], number: int, size: int) -> List[T]:
    """The items of page `number`, counted from 1.

    Raises:
        IndexError: there is no such page.
    """
    if not 1 <= number <= page_count(len(items), size):
        raise IndexError("no page %d" % number)
    first = (number - 1) * size
    return list(items[first : first + size])
