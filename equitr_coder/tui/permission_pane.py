"""A permission that waits for its answer: the command scrolls, the answers stand still, none is given by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from equitr_coder.tui.answering import Answering
from equitr_coder.tui.draw.permission import Answer, Card, permission_rows, window
from equitr_coder.tui.rows_pane import RowsPane

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from equitr_coder.domain.ids import RequestId


class PermissionPane(RowsPane):
    DEFAULT_CSS = "PermissionPane { overflow-y: hidden; scrollbar-size-vertical: 0; }"

    class Decided(Message):
        def __init__(self, approval: RequestId, answer: Answer) -> None:
            super().__init__()
            self.approval = approval
            self.answer = answer

    def __init__(self, now: Callable[[], datetime], *, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self._now = now
        self.answering: Answering | None = None

    def ask(self, card: Card) -> None:
        """Another permission begins anew: unread, `once`, and unarmed."""
        known = self.answering
        if known is not None and known.card.approval.id == card.approval.id:
            known.card = card
        else:
            self.answering = Answering(card)
            if self.has_focus:
                self.answering.focus(self._now())
        self._draw()

    def _draw(self) -> None:
        asked = self.answering
        width, height = self.size
        if asked is None or not width:
            return
        asked.fit(width, height)
        self.show(
            permission_rows(
                asked.card, width, height, scroll=asked.scroll, chosen=asked.chosen, was_seen=asked.was_seen
            )
        )

    def on_resize(self) -> None:
        super().on_resize()
        self._draw()

    def on_focus(self) -> None:
        super().on_focus()
        if self.answering is not None:
            self.answering.focus(self._now())

    def on_blur(self) -> None:
        super().on_blur()
        if self.answering is not None:
            self.answering.blur()

    # ------------------------------------------------------------ keys

    def action_step(self, by: int) -> None:
        if self.answering is not None:
            self.answering.move(by)
            self._draw()

    def action_leaf(self, by: int) -> None:
        if self.answering is not None:
            rows = window(self.answering.card, *self.size)
            self.answering.scroll_by(by * max(1, rows - 1))
            self._draw()

    def action_to_start(self) -> None:
        if self.answering is not None:
            self.answering.scroll = 0
            self._draw()

    def action_to_end(self) -> None:
        if self.answering is not None:
            self.answering.scroll_by(len(self.answering.card.lines(self.size.width)))
            self._draw()

    def action_choose(self) -> None:
        if self.answering is not None:
            self._decide(self.answering.enter(self._now()))

    def press(self, number: int) -> None:
        if self.answering is not None and self.has_focus:
            self._decide(self.answering.press(number, self._now()))

    def _decide(self, answer: Answer | None) -> None:
        if answer is not None and self.answering is not None:
            self.post_message(self.Decided(self.answering.card.approval.id, answer))
