"""The base of what the middle of the screen shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Container

from equitr_coder.tui.keys import Key, bindings
from equitr_coder.tui.layout import PROMPT
from equitr_coder.tui.prompt import Prompt

if TYPE_CHECKING:
    from textual.widget import Widget

    from equitr_coder.tui.desk import Desk


class Place(Container):
    """Mounted when it is first opened, hidden when another is. `KEYS` name `action_...` methods of the class; letters
    among them act when one of its panes has the focus and the prompt is empty.
    """

    NAME: ClassVar[str] = ""
    TITLE: ClassVar[str] = ""
    KEYS: ClassVar[tuple[Key, ...]] = ()
    ADDRESSEE: ClassVar[str] = ""
    """Whom the prompt speaks to while this place is open; empty: as the mode says."""

    DEFAULT_CSS = "Place { width: 1fr; height: 1fr; layout: vertical; }"

    def __init_subclass__(cls, **settings: Any) -> None:
        cls.BINDINGS = bindings(cls.KEYS)
        super().__init_subclass__(**settings)

    def __init__(self, desk: Desk) -> None:
        super().__init__(id=self.NAME)
        self.desk = desk

    def show(self) -> None:
        """Draw what has changed. Called at most four times a second while the place is open, and at once when it is
        opened, resized or acted on.
        """
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters are for the prompt as long as something stands in it."""
        is_typed = any(key.action.partition("(")[0] == action and key.is_letter for key in self.KEYS)
        if is_typed and self.screen.query_one(f"#{PROMPT}", Prompt).text:
            return False
        return super().check_action(action, parameters)

    @property
    def first_pane(self) -> Widget | None:
        """What has the focus when the place is opened; None: the prompt."""
        return None

    @property
    def is_settled(self) -> bool:
        """False while it is about to move the focus."""
        return True

    def reopened(self) -> None:
        """It is about to be seen again: what it asked the door for may be old."""

    def turn_documents(self) -> None:
        """F2: the documents in the whole width, and back."""

    def unfold(self) -> None:
        """Ctrl+O: show or fold long output."""

    def back(self) -> bool:
        """Esc: close something inside the place; False when there is nothing to close."""
        return False
