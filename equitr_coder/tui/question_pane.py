"""A question with answers to choose from; another is typed at the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from equitr_coder.tui.answering import ARMED_AFTER
from equitr_coder.tui.draw.question import question_rows
from equitr_coder.tui.rows_pane import RowsPane

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from equitr_coder.domain.events import QuestionAsked
    from equitr_coder.domain.ids import RequestId


class QuestionPane(RowsPane):
    DEFAULT_CSS = "QuestionPane { overflow-y: hidden; scrollbar-size-vertical: 0; }"

    class Decided(Message):
        """`text` is None for an answer of one's own: it is to be typed."""

        def __init__(self, question: RequestId, text: str | None) -> None:
            super().__init__()
            self.question = question
            self.text = text

    def __init__(self, now: Callable[[], datetime], *, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self._now = now
        self._asked: QuestionAsked | None = None
        self._who = self._place = ""
        self._chosen = 0
        self._focused: datetime | None = None

    def ask(self, asked: QuestionAsked, *, who: str, place: str) -> None:
        if self._asked is None or self._asked.question != asked.question:
            self._chosen = 0
            self._focused = self._now() if self.has_focus else None
        self._asked, self._who, self._place = asked, who, place
        self._draw()

    def _draw(self) -> None:
        asked = self._asked
        width, height = self.size
        if asked is None or not width:
            return
        drawn = question_rows(
            self._who, asked.text, asked.options, width, height, chosen=self._chosen, place=self._place
        )
        self.show(drawn)

    def on_resize(self) -> None:
        super().on_resize()
        self._draw()

    def on_focus(self) -> None:
        super().on_focus()
        self._focused = self._now()

    def on_blur(self) -> None:
        super().on_blur()
        self._focused = None

    def action_step(self, by: int) -> None:
        if self._asked is not None:
            self._chosen = (self._chosen + by) % (len(self._asked.options) + 1)
            self._draw()

    def action_choose(self) -> None:
        self._decide(self._chosen)

    def press(self, number: int) -> None:
        if self.has_focus:
            self._decide(number - 1)

    def _decide(self, at: int) -> None:
        asked = self._asked
        if asked is None or self._focused is None or self._now() - self._focused < ARMED_AFTER:
            return
        if 0 <= at <= len(asked.options):
            text = asked.options[at] if at < len(asked.options) else None
            self.post_message(self.Decided(asked.question, text))
