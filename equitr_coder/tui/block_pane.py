"""A list whose entries take one row or several: arrows go from entry to entry, the choice stays with its key."""

from collections.abc import Sequence

from textual.message import Message

from equitr_coder.tui.draw.blocks import Block, first_row, keys_of, rows_of
from equitr_coder.tui.rows_pane import RowsPane


class BlockPane(RowsPane):
    class Resized(Message):
        """It has other room now than its rows were made for."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(has_cursor=True, id=id)
        self._blocks: Sequence[Block] = ()

    def on_resize(self) -> None:
        super().on_resize()
        self.post_message(self.Resized())

    def tell(self, blocks: Sequence[Block]) -> None:
        """Headings, which have no key, are never chosen."""
        chosen = self.key
        self._blocks = blocks
        self.show(rows_of(blocks))
        self.choose(chosen or next((block.key for block in blocks if block.key), ""))

    @property
    def key(self) -> str:
        """Of the chosen entry; empty when there is none."""
        keys = keys_of(self._blocks)
        return keys[self.cursor] if self.cursor < len(keys) else ""

    def key_at(self, index: int) -> str:
        keys = keys_of(self._blocks)
        return keys[index] if index < len(keys) else ""

    def choose(self, key: str) -> None:
        """Nothing when it does not stand in the list."""
        at = first_row(self._blocks, key) if key else None
        if at is not None:
            self.move_cursor(at)

    def action_step(self, by: int) -> None:
        keys = [block.key for block in self._blocks if block.key]
        if self.key in keys:
            self.choose(keys[max(0, min(keys.index(self.key) + by, len(keys) - 1))])
        elif keys:
            self.choose(keys[0])
