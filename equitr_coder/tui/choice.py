"""A question with a few answers, over the lower part of the body. The prompt keeps what is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from equitr_coder.presentation.rows import Ink, Span, row
from equitr_coder.tui.rows_pane import Bar, RowsPane

Option = tuple[str, str]
"""What is read, and the name that comes back."""


class Choice(Vertical):
    DEFAULT_CSS = """
    Choice { layer: menu; dock: bottom; height: auto; background: $panel; border-top: solid $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(number), f"take({number})", show=False) for number in range(1, 10)
    ]

    class Chosen(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, question: str, options: Sequence[Option]) -> None:
        super().__init__()
        self._question = question
        self._options = options
        self.is_ready = False
        """Whether it takes keys."""

    def compose(self) -> ComposeResult:
        yield Bar()
        yield RowsPane(has_cursor=True, id="options")

    def on_mount(self) -> None:
        self.query_one(Bar).show([row(" ", Span(self._question, Ink.ASK, bold=True))])
        pane = self.query_one("#options", RowsPane)
        pane.show([row(f"   {number}  {text}") for number, (text, _) in enumerate(self._options, 1)])
        pane.styles.height = len(self._options)
        pane.focus()
        self.is_ready = True

    def on_rows_pane_chosen(self, message: RowsPane.Chosen) -> None:
        message.stop()
        self._take(message.index)

    def action_take(self, number: int) -> None:
        if number <= len(self._options):
            self._take(number - 1)

    def _take(self, index: int) -> None:
        self.post_message(self.Chosen(self._options[index][1]))
        self.close()

    def close(self) -> None:
        self.remove()
        self.screen.query_one("#prompt").focus()
