"""The palette: every command and key, found by a few letters. Enter does it in the place that it was opened over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.widgets import Input

from equitr_coder.tui.actions import doable
from equitr_coder.tui.draw.frame import marked, rule
from equitr_coder.tui.draw.help import Entry, found, palette_rows
from equitr_coder.tui.keys import Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from equitr_coder.tui.one_screen import OneScreen


class PaletteLine(Input):
    """What is typed to find; the arrow keys move in the list below it."""

    cursor_blink = False  # nothing on the screen moves by itself

    DEFAULT_CSS = """
    PaletteLine, PaletteLine:focus { height: 1; border: none; padding: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "list(-1)", show=False),
        Binding("down", "list(1)", show=False),
        Binding("pageup", "list(-10)", show=False),
        Binding("pagedown", "list(10)", show=False),
    ]

    def action_list(self, by: int) -> None:
        for pane in self.screen.query("#palette-rows").results(RowsPane):
            pane.move_cursor(pane.cursor + by)


class Palette(Place):
    NAME: ClassVar[str] = "palette"
    TITLE: ClassVar[str] = "palette"
    KEYS: ClassVar[tuple[Key, ...]] = (Key(("enter",), "Enter", "do it", "take", "palette", in_footer=True),)

    def compose(self) -> ComposeResult:
        yield PaletteLine(placeholder="what do you want to do?", compact=True, id="palette-line")
        yield Bar(id="palette-head")
        yield RowsPane(has_cursor=True, id="palette-rows")

    @property
    def first_pane(self) -> PaletteLine:
        return self.query_one(PaletteLine)

    @property
    def pane(self) -> RowsPane:
        return self.query_one("#palette-rows", RowsPane)

    @property
    def _screen(self) -> OneScreen:
        return cast("OneScreen", self.screen)

    @property
    def entries(self) -> list[Entry]:
        return doable(self._screen.presenter.under)

    def reopened(self) -> None:
        if self.is_mounted:
            self.query_one(PaletteLine).value = ""
            self.pane.cursor = 0

    def show(self) -> None:
        width, typed = self.size.width, self.query_one(PaletteLine).value
        self.query_one("#palette-head", Bar).show([rule(width)])
        rows = palette_rows(self.entries, typed, width - 4)
        if found(self.entries, typed):
            rows = [marked(line, width - 1, selected=at == self.pane.cursor) for at, line in enumerate(rows)]
        self.pane.show(rows)

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self.pane.cursor = 0
        self.show()

    def on_rows_pane_cursor_moved(self, message: RowsPane.CursorMoved) -> None:
        message.stop()
        self.show()

    def on_rows_pane_chosen(self, message: RowsPane.Chosen) -> None:
        message.stop()
        self.call_later(self.action_take)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.call_later(self.action_take)

    async def action_take(self) -> None:
        """Go back to the place below, and do it there."""
        shown = found(self.entries, self.query_one(PaletteLine).value)
        if self.pane.cursor >= len(shown):
            return
        entry, under = shown[self.pane.cursor], self._screen.presenter.under
        self._screen.presenter.back()
        if entry.is_command:
            if " " in entry.shown:  # it takes a word: the person types it
                self._screen.prompt.set_text(f"{entry.action} ")
                self._screen.prompt.focus()
            else:
                self.desk.hear(entry.action)
        elif under is not None and entry.section == under.TITLE:
            await under.run_action(entry.action)
        else:
            await self._screen.run_action(entry.action)
