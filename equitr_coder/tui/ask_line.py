"""One line of text asked for inside a place: a note, a name, a value. The prompt keeps what is typed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Container
from textual.message import Message
from textual.widgets import Input, Label

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget


class AskLine(Container):
    """`Enter` answers, `Esc` closes (the place calls `close`); what had the focus gets it back."""

    DEFAULT_CSS = """
    AskLine { dock: bottom; height: 1; layout: horizontal; background: $panel; }
    AskLine Label { width: auto; color: $accent-ink; padding: 0 1; }
    AskLine Input, AskLine Input:focus { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
    """

    class Answered(Message):
        def __init__(self, purpose: str, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    class Typed(Message):
        """While it is typed, where that already has an effect."""

        def __init__(self, purpose: str, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    def __init__(self, label: str, *, purpose: str, text: str = "", back_to: Widget | None = None) -> None:
        super().__init__()
        self._label, self._text, self._back_to = label, text, back_to
        self.purpose = purpose
        self.is_ready = False
        """Whether it takes keys."""

    def compose(self) -> ComposeResult:
        yield Label(self._label, markup=False)
        yield Input(self._text, compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.is_ready = True

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self.post_message(self.Typed(self.purpose, message.value))

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.post_message(self.Answered(self.purpose, message.value))
        self.close()

    def close(self) -> None:
        if self._back_to is not None and self._back_to.is_attached:
            self._back_to.focus()
        self.remove()
