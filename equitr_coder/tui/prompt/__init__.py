"""Where the person types."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class Prompt(TextArea):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", show=False, priority=True),
        Binding("ctrl+j", "newline", show=False, priority=True),
    ]

    class Submitted(Message):
        def __init__(self, text: str, *, is_pasted: bool = False, steer: bool = False) -> None:
            super().__init__()
            self.text, self.is_pasted, self.steer = text, is_pasted, steer

    def action_send(self) -> None:
        self.send()

    def action_newline(self) -> None:
        self.insert("\n")

    def send(self, *, steer: bool = False) -> None:
        text, self.text = self.text, ""
        if text.strip():
            self.post_message(self.Submitted(text, steer=steer))

    def clear_kept(self) -> None:
        self.text = ""

    def put(self, text: str) -> None:
        self.text = text
