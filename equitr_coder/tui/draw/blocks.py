"""Rows that belong together: what one entry of a list takes on the screen, and what it stands for."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from equitr_coder.presentation.rows import Ink, Row, Span, row


class Block(NamedTuple):
    key: str
    """What the rows stand for: a task, a lane, a request; empty for a heading."""
    rows: tuple[Row, ...]


def rows_of(blocks: Iterable[Block]) -> list[Row]:
    return [line for block in blocks for line in block.rows]


def keys_of(blocks: Iterable[Block]) -> list[str]:
    """For each row of `rows_of` the key of its block."""
    return [block.key for block in blocks for _ in block.rows]


def first_row(blocks: Sequence[Block], key: str) -> int | None:
    """Index of the first row of a key, where it still stands."""
    at = 0
    for block in blocks:
        if block.key == key:
            return at
        at += len(block.rows)
    return None


def heading(*parts: str | Span) -> Block:
    return Block("", (row(" ", *parts),))


def title(text: str) -> Span:
    return Span(text, Ink.ACCENT, bold=True)
