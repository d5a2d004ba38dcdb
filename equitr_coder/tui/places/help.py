"""Help: the keys of the place under it first, then everywhere, then commands. Made of the key tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from equitr_coder.tui.actions import entries
from equitr_coder.tui.ask_line import AskLine
from equitr_coder.tui.draw.frame import rule
from equitr_coder.tui.draw.help import help_head, help_rows
from equitr_coder.tui.keys import Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from equitr_coder.tui.one_screen import OneScreen


class Help(Place):
    NAME: ClassVar[str] = "help"
    TITLE: ClassVar[str] = "help"
    KEYS: ClassVar[tuple[Key, ...]] = (Key(("slash",), "/", "filter", "filter", "help", in_footer=True),)

    typed = ""
    is_typing = False

    def compose(self) -> ComposeResult:
        yield Bar(id="help-head")
        yield RowsPane(id="help-rows")

    @property
    def first_pane(self) -> RowsPane:
        return self.query_one("#help-rows", RowsPane)

    def reopened(self) -> None:
        self.typed = ""

    def show(self) -> None:
        under = cast("OneScreen", self.screen).presenter.under
        width = self.size.width
        head = self.query_one("#help-head", Bar)
        head.styles.height = 2
        title = under.TITLE if under is not None else ""
        head.show([help_head(title, self.typed, width, is_typing=self.is_typing), rule(width)])
        self.first_pane.show(help_rows(entries(under), self.typed, width - 1))

    def action_filter(self) -> None:
        if not self.query(AskLine):
            self.is_typing = True
            self.mount(AskLine("filter", purpose="filter", text=self.typed, back_to=self.first_pane))

    def on_ask_line_typed(self, message: AskLine.Typed) -> None:
        message.stop()
        self.typed = message.text
        self.first_pane.scroll_home(animate=False)
        self.show()

    def on_ask_line_answered(self, message: AskLine.Answered) -> None:
        message.stop()
        self.is_typing = False
        self.show()

    def back(self) -> bool:
        was_filtered = bool(self.typed) or self.is_typing
        for line in self.query(AskLine):
            line.close()
        self.typed, self.is_typing = "", False
        return was_filtered
