"""What is drawn when. Nothing is drawn per token: a clock at 4 Hz asks the open place to draw what has changed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from textual.css.query import NoMatches

from equitr_coder.presentation.rows import Ink, Row, Span, row
from equitr_coder.tui.draw.bars import header_rows, needs_row, notice_rows, prompt_titles
from equitr_coder.tui.keys import GLOBAL_KEYS, SEND, TAB, footer_text
from equitr_coder.tui.layout import (
    BODY,
    EMPTY,
    FOOTER,
    HEADER,
    LEAST,
    LOW,
    NARROW,
    NEEDS,
    NOTICE,
    TOO_SMALL,
)
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from textual.widget import Widget

    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.one_screen import OneScreen
    from equitr_coder.tui.place import Place

_TICK = 0.25
_NOTICE_SECONDS = 8.0
_ROWS, _ROWS_NARROW = 2, 1
"""Rows of text in the prompt: always so many, whatever is written."""
_NOT_DRAWN = (-1, -1)
_SOME = 5
"""Footer entries below 100 columns."""

PLACES = {
    "home": ("home", "Home"),
    "talk": ("talk", "Talk"),
    "run": ("run", "Run"),
    "lane": ("lane", "Lane"),
    "inbox": ("inbox", "Inbox"),
    "review": ("review", "Review"),
    "diff": ("diff", "Diff"),
    "sessions": ("sessions", "Sessions"),
    "settings": ("settings", "Settings"),
    "money": ("money", "Money"),
    "help": ("help", "Help"),
    "palette": ("palette", "Palette"),
}
"""Name -> module in `places` and class; imported when first opened."""


class Presenter:
    def __init__(self, screen: OneScreen, desk: Desk) -> None:
        self._screen = screen
        self._desk = desk
        self.place: Place | None = None
        self._is_new = False
        """Whether the place has not been drawn since it was opened."""
        self._before: list[str] = []
        """Places that Esc goes back to."""
        self._drawn = _NOT_DRAWN
        self._ticks = 0
        self._had_focus: Widget | None = None
        """What had the focus before the screen became too small."""
        self._hides_at = 0
        """Tick at which the notice goes."""
        self._is_due = False
        # Called by tasks of the door too; what they want is done in the screen's own context.
        desk.changed = self._draw_soon
        desk.open = self._open_soon

    def start(self) -> None:
        self._screen.set_interval(_TICK, self._tick)
        self.resized()

    # ------------------------------------------------------------ places

    def open(self, name: str) -> None:
        """Show a place; nothing happens before the engine is there."""
        if not self._desk.is_connected or (self.place is not None and name == self.place.NAME):
            return
        if self.place is not None:
            self._before = [*(earlier for earlier in self._before if earlier != self.place.NAME), self.place.NAME]
        self._show(name)

    def back(self) -> bool:
        """Go to the place before the open one; False when there is none."""
        if not self._before:
            return False
        self._show(self._before.pop())
        return True

    def _show(self, name: str) -> None:
        body = self._screen.query_one(f"#{BODY}")
        self._screen.query_one(f"#{EMPTY}").display = False
        if self.place is not None:
            self.place.display = False
        try:
            place = body.query_one(f"#{name}", _place_class(name))
        except NoMatches:
            place = _place_class(name)(self._desk)
            body.mount(place)
        place.display = True
        place.reopened()
        self.place = place
        self._screen.prompt.focus()
        self._is_new = True
        self._screen.call_after_refresh(self.draw)

    def _focus_first(self, place: Place) -> None:
        """It may have a pane that takes keys before the prompt does; what is typed already stays in the prompt."""
        self._is_new = False
        screen = self._screen
        if (pane := place.first_pane) is not None and screen.focused is screen.prompt and not screen.prompt.text:
            pane.focus()

    @property
    def is_settled(self) -> bool:
        """Whether the open place has the focus, if it wants it."""
        place = self.place
        if place is None or self._screen.has_class("-tiny"):
            return True
        return not self._is_new and place.is_settled

    @property
    def under(self) -> Place | None:
        """The place that the open one was opened over: what help and the palette are about."""
        found = self._screen.query(f"#{self._before[-1]}") if self._before else None
        return cast("Place", found.first()) if found else None

    def _open_soon(self, name: str) -> None:
        self._screen.call_later(self.open, name)

    # ------------------------------------------------------------ drawing

    def _draw_soon(self) -> None:
        if not self._is_due and self._screen.is_running:
            self._is_due = True
            self._screen.call_later(self.draw)

    def draw(self) -> None:
        """All that is seen, now."""
        self._is_due = False
        screen = self._screen
        if not screen.is_mounted or screen.has_class("-tiny"):
            return
        if self.place is None and self._desk.is_connected:
            self.hide_notice()  # that something waits for the engine is true no more
            self._show("home")
            return
        self._draw_bars()
        if self.place is not None:
            if not (self.place.is_mounted and self.place.size.width):
                self._drawn = _NOT_DRAWN  # it has no size yet: the next tick draws it
                return
            self.place.show()
            if self._is_new:
                self._focus_first(self.place)
        self._drawn = self._state

    def focus_moved(self) -> None:
        """Other keys act now."""
        self._draw_soon()

    def redraw_all(self) -> None:
        """After a change of theme: what panes have kept is drawn anew."""
        for pane in self._screen.query(RowsPane):
            pane.forget_drawn()
        self.draw()

    def resized(self) -> None:
        screen = self._screen
        width, height = screen.app.size
        is_tiny = width < LEAST[0] or height < LEAST[1]
        if is_tiny and not screen.has_class("-tiny"):
            self._had_focus = screen.focused
        is_narrow = width < NARROW or height < LOW
        screen.prompt.rows = _ROWS_NARROW if is_narrow else _ROWS
        screen.set_class(is_tiny, "-tiny")
        screen.set_class(is_narrow, "-narrow")
        screen.set_class(screen.is_ascii, "-ascii")
        if is_tiny:
            self._tell_too_small(width, height)
        elif self._had_focus is not None:
            self._had_focus.focus()
            self._had_focus = None
        screen.call_after_refresh(self.draw)

    def _tell_too_small(self, width: int, height: int) -> None:
        is_, needed = f"{width}x{height} is too small,", f"{LEAST[0]}x{LEAST[1]} needed"
        words = [f"{is_} {needed}"] if len(is_) + len(needed) < width else [is_, needed]
        above: list[Row] = [()] * max(0, (height - len(words)) // 2)
        bar = self._screen.query_one(f"#{TOO_SMALL}", Bar)
        bar.show([*above, *(row(text.center(width)) for text in words)])

    @property
    def _state(self) -> tuple[int, int]:
        run = self._desk.run
        return (self._desk.version, run.version if run is not None else 0)

    def _tick(self) -> None:
        self._ticks += 1
        if self._hides_at and self._ticks >= self._hides_at:
            self.hide_notice()
        # Clocks on the screen go on while something works; nothing is drawn while nothing does.
        if self._state != self._drawn or (self._ticks % 4 == 0 and self._desk.live):
            self.draw()

    def _draw_bars(self) -> None:
        screen, desk = self._screen, self._desk
        width = screen.app.size.width
        rows = 1 if screen.has_class("-narrow") else 2
        title = self.place.TITLE if self.place is not None else ""
        screen.query_one(f"#{HEADER}", Bar).show(header_rows(desk, width, rows, title))
        screen.query_one(f"#{NEEDS}", Bar).show([needs_row(desk, width)])
        screen.query_one(f"#{FOOTER}", Bar).show([self._footer(width)])
        screen.prompt.mode, screen.prompt.cap = prompt_titles(desk, width)
        if desk.notices:
            bar = screen.query_one(f"#{NOTICE}", Bar)
            bar.show(notice_rows(desk.notices.popleft(), width))
            bar.add_class("-shown")
            self._hides_at = self._ticks + int(_NOTICE_SECONDS / _TICK)

    def _footer(self, width: int) -> Row:
        own = [key for key in self.place.KEYS if key.in_footer] if self.place is not None else []
        first = []
        if self._screen.focused in (self._screen.prompt, None):
            first = [SEND, TAB] if any(key.is_letter for key in own) else [SEND]  # letters are for a pane
        keys = [*first, *own, *(key for key in GLOBAL_KEYS if key.in_footer)]
        return row(Span(footer_text(keys, width, at_most=_SOME if width < 100 else None), Ink.DIM))

    def hide_notice(self) -> None:
        self._hides_at = 0
        self._screen.query_one(f"#{NOTICE}").remove_class("-shown")


def _place_class(name: str) -> type[Place]:
    module, attribute = PLACES[name]
    found: type[Place] = getattr(importlib.import_module(f"equitr_coder.tui.places.{module}"), attribute)
    return found
