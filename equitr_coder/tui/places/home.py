"""Home: runs to go on with, and how to begin."""

from typing import ClassVar

from textual.app import ComposeResult

from equitr_coder.domain.queries import (
    RunsAnswer,
    RunsQuery,
    RunSummary,
)
from equitr_coder.tui.draw.home import continue_rows, heading, intro_rows
from equitr_coder.tui.keys import Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane

_SHOWN = 6


class Home(Place):
    NAME: ClassVar[str] = "home"
    TITLE: ClassVar[str] = "home"
    KEYS: ClassVar[tuple[Key, ...]] = (Key(("enter",), "Enter", "go on with it", "choose", "home"),)

    DEFAULT_CSS = """
    Home #home-heading { margin: 1 0 0 0; }
    Home #home-runs { height: auto; max-height: 6; }
    Home #home-intro { height: 1fr; margin: 1 0 0 0; }
    """

    _runs: tuple[RunSummary, ...] = ()
    _asked = False

    def compose(self) -> ComposeResult:
        yield Bar(id="home-heading")
        yield RowsPane(has_cursor=True, id="home-runs")
        yield Bar(id="home-intro")

    def show(self) -> None:
        desk = self.desk
        if not self._asked:
            self._asked = True
            desk.do(self._ask())
        width = self.size.width
        self.query_one("#home-heading", Bar).show([heading(self._runs)])
        self.query_one("#home-runs", RowsPane).show(continue_rows(self._runs, now=desk.now(), width=width))
        more = len(self._runs) - _SHOWN
        self.query_one("#home-intro", Bar).show(intro_rows(width=width, warnings=desk.warnings, more=more))

    def reopened(self) -> None:
        """The list is asked for anew each time the place is opened."""
        self._asked = False

    async def _ask(self) -> None:
        answer = await self.desk.api.query(RunsQuery())
        assert isinstance(answer, RunsAnswer)
        self._runs = answer.runs
        if self.is_mounted:
            self.show()

    def on_rows_pane_chosen(self, message: RowsPane.Chosen) -> None:
        if message.index < len(self._runs):
            self.desk.go_on(self._runs[message.index].run)
