"""A place with a list and what the chosen line stands for: beside each other, or on a narrow screen one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal

from equitr_coder.presentation.rows import Row
from equitr_coder.tui.ask_line import AskLine
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

_LEAST = 20
"""Columns that rows are drawn for while a pane has no size."""


class TwoPanes(Place):
    """Subclasses say the rows; this lays them out, moves between the panes, and asks for lines of text."""

    WIDE_FROM: ClassVar[int] = 100
    """Columns from which both panes are seen."""
    LIST_SHARE: ClassVar[float] = 0.34
    DETAIL_HAS_CURSOR: ClassVar[bool] = False

    DEFAULT_CSS = """
    TwoPanes .list { width: 1fr; }
    TwoPanes .detail { width: 1fr; border-left: solid $line; }
    TwoPanes.-narrow-place .detail { border-left: none; }
    """

    shows_detail = False
    """On a narrow screen: whether the detail is seen in place of the list."""

    def compose(self) -> ComposeResult:
        yield Bar(id=f"{self.NAME}-head")
        with Horizontal():
            yield RowsPane(has_cursor=True, id=f"{self.NAME}-list").add_class("list")
            yield RowsPane(has_cursor=self.DETAIL_HAS_CURSOR, id=f"{self.NAME}-detail").add_class("detail")
        yield Bar(id=f"{self.NAME}-foot")

    # ------------------------------------------------------------ what subclasses say

    def head_rows(self, width: int) -> Sequence[Row]:
        raise NotImplementedError

    def list_rows(self, width: int) -> Sequence[Row]:
        raise NotImplementedError

    def detail_rows(self, width: int) -> Sequence[Row]:
        """Of the chosen line."""
        raise NotImplementedError

    def foot_rows(self, width: int) -> Sequence[Row]:
        """Below both; nothing as a rule."""
        del width
        return ()

    @property
    def is_single(self) -> bool:
        """Whether the detail takes the whole width now, without a list."""
        return False

    def cursor_moved(self) -> None:
        """Another line was chosen."""

    def answered(self, purpose: str, text: str) -> None:
        """A line that was asked for."""

    def typed(self, purpose: str, text: str) -> None:
        """A line that is being typed."""

    # ------------------------------------------------------------ panes

    @property
    def list_pane(self) -> RowsPane:
        return self.query_one(f"#{self.NAME}-list", RowsPane)

    @property
    def detail_pane(self) -> RowsPane:
        return self.query_one(f"#{self.NAME}-detail", RowsPane)

    @property
    def first_pane(self) -> RowsPane:
        return self.detail_pane if self.is_single else self.list_pane

    @property
    def at(self) -> int:
        """The chosen line."""
        return self.list_pane.cursor

    @property
    def is_wide(self) -> bool:
        return self.size.width >= self.WIDE_FROM

    def show(self) -> None:
        width = self.size.width
        list_width = self._lay_out(width)
        self._tell("head", self.head_rows(width))
        if self.list_pane.display:
            self.list_pane.show(self.list_rows(max(_LEAST, list_width - 1)))
        if self.detail_pane.display:
            line = 1 if self.list_pane.display else 0
            room = width - line - 1 if self.is_single or not self.is_wide else width - list_width - line - 1
            self.detail_pane.show(self.detail_rows(max(_LEAST, room)))
        self._tell("foot", self.foot_rows(width))

    def _lay_out(self, width: int) -> int:
        """Which panes are seen; the width of the list."""
        has_list = not self.is_single and (self.is_wide or not self.shows_detail)
        has_detail = self.is_single or self.is_wide or self.shows_detail
        list_width = max(30, int(width * self.LIST_SHARE)) if has_detail else width
        self.list_pane.display, self.detail_pane.display = has_list, has_detail
        if has_list:
            self.list_pane.styles.width = list_width
        self.set_class(not (has_list and has_detail), "-narrow-place")
        return list_width

    def _tell(self, name: str, rows: Sequence[Row]) -> None:
        bar = self.query_one(f"#{self.NAME}-{name}", Bar)
        bar.display = bool(rows)
        bar.styles.height = len(rows) or 1
        bar.show(rows)

    def on_rows_pane_cursor_moved(self, message: RowsPane.CursorMoved) -> None:
        if message.pane is self.list_pane:
            self.detail_pane.scroll_home(animate=False)
            self.cursor_moved()
        self.show()

    def on_rows_pane_chosen(self, message: RowsPane.Chosen) -> None:
        message.stop()
        if message.pane is self.list_pane:
            self.chosen()

    def chosen(self) -> None:
        """Enter on a line: its detail."""
        self.shows_detail = True
        self.show()
        self.detail_pane.focus()

    def back(self) -> bool:
        for line in self.query(AskLine):
            line.close()
            return True
        if self.shows_detail and not self.is_wide and not self.is_single:
            self.shows_detail = False
            self.show()
            self.list_pane.focus()
            return True
        return False

    # ------------------------------------------------------------ asking

    def ask(self, label: str, *, purpose: str, text: str = "") -> None:
        """Ask for one line; `answered` gets it."""
        if not self.query(AskLine):
            self.mount(AskLine(label, purpose=purpose, text=text, back_to=self.screen.focused))

    def on_ask_line_answered(self, message: AskLine.Answered) -> None:
        message.stop()
        self.answered(message.purpose, message.text)
        self.show()

    def on_ask_line_typed(self, message: AskLine.Typed) -> None:
        message.stop()
        self.typed(message.purpose, message.text)
        self.show()
