"""The Textual application: themes, the terminal and how it ends. What is on it stands in `one_screen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import App

from equitr_coder.tui.glyphs import is_ascii_only
from equitr_coder.tui.keys_in_turn import KeysInTurn
from equitr_coder.tui.layout import CSS
from equitr_coder.tui.one_screen import OneScreen
from equitr_coder.tui.theme import DEFAULT, NO_COLOUR, THEMES

if TYPE_CHECKING:
    from textual.screen import Screen

    from equitr_coder.tui.desk import Desk


class ScreenApp(App[int], inherit_bindings=False):
    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    TITLE = "EQUITR Coder"

    def __init__(self, desk: Desk, *, theme: str = DEFAULT) -> None:
        has_colours = "NO_COLOR" not in desk.environ
        # Textual decides by this how it leaves colours out: to nothing, or to shades of grey, which are colours too.
        super().__init__(ansi_color=None if has_colours else True)
        self.desk = desk
        self.is_ascii = is_ascii_only(desk.environ)
        self.ink_theme = theme if has_colours else NO_COLOUR.name
        for colours in THEMES.values():
            self.register_theme(colours.theme())
        self.theme = self.ink_theme
        self.crash: Exception | None = None
        desk.fail = self._handle_exception
        self._keys = KeysInTurn(self, super().on_event, self._is_settled)

    def get_default_screen(self) -> Screen[object]:
        return OneScreen(self.desk)

    @property
    def has_heard(self) -> bool:
        """Nothing that was typed is still on its way."""
        return self._keys.is_idle

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    def _is_settled(self) -> bool:
        return not isinstance(self.screen, OneScreen) or self.screen.is_settled

    def set_theme(self, name: str) -> None:
        self.ink_theme = name
        self.theme = name

    def next_theme(self) -> str:
        """Take the next theme; without colours there is only that one."""
        if self.ink_theme != NO_COLOUR.name:
            names = [name for name in THEMES if name != NO_COLOUR.name]
            self.set_theme(names[(names.index(self.ink_theme) + 1) % len(names)])
        return self.ink_theme

    def _handle_exception(self, error: Exception) -> None:
        """A fault in the screen ends the screen alone: its runs go on as plain lines."""
        if self.crash is None:
            self.crash = error
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._return_code = 70
        self._close_messages_no_wait()
