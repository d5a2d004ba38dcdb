"""One line to be typed over the lower part of a place: a reason, an amount. What stands in the prompt is left alone."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class AskLine(Horizontal):
    DEFAULT_CSS = """
    AskLine { layer: menu; dock: bottom; height: 2; background: $panel; border-top: solid $warning; }
    AskLine Label { width: auto; padding: 0 1; }
    AskLine Input { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False)]

    class Said(Message):
        def __init__(self, name: str, text: str) -> None:
            super().__init__()
            self.name = name
            self.text = text

    def __init__(self, name: str, label: str) -> None:
        """`name` comes back with what was said."""
        super().__init__(name=name)
        self._label = label

    def compose(self) -> ComposeResult:
        yield Label(self._label, markup=False)
        yield Input(select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.post_message(self.Said(self.name or "", message.value.strip()))
        self.remove()

    def action_close(self) -> None:
        self.remove()
