"""Money: the same figures as `equitrcoder cost`, of the run in focus or of every run here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from equitr_coder.domain.queries import CostAnswer, CostQuery
from equitr_coder.presentation.rows import Row
from equitr_coder.tui.draw.frame import nothing, rule
from equitr_coder.tui.draw.money import money_head, money_rows
from equitr_coder.tui.keys import Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Money(Place):
    NAME: ClassVar[str] = "money"
    TITLE: ClassVar[str] = "money"
    KEYS: ClassVar[tuple[Key, ...]] = (Key(("a",), "a", "this run, or all", "everything", "money", in_footer=True),)

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type] # passed on
        self.answer: CostAnswer | None = None
        self.is_of_all = False
        self._asked_for: tuple[object, ...] = ()
        self._is_asking = False

    def compose(self) -> ComposeResult:
        yield Bar(id="money-head")
        yield RowsPane(id="money-rows")

    @property
    def first_pane(self) -> RowsPane:
        return self.query_one("#money-rows", RowsPane)

    def reopened(self) -> None:
        self._asked_for = ()

    def show(self) -> None:
        """Asked anew when a call of the run was reserved or ended."""
        run = self.desk.run
        of_run = run is not None and not self.is_of_all
        ledger = (len(run.view.ledger), run.view.spent, run.view.held) if run is not None else ()
        wanted = (run.run if run is not None and of_run else None, self.is_of_all, ledger)
        if wanted != self._asked_for and not self._is_asking:
            self._asked_for, self._is_asking = wanted, True
            self.desk.do(self._ask(run.run if run is not None and of_run else None))
        width = self.size.width
        head = self.query_one("#money-head", Bar)
        rows: list[Row] = [()]
        if self.answer is None:
            self.first_pane.show(nothing("Adding up...", "", width))
        else:
            rows = [money_head(self.answer, width), rule(width)]
            self.first_pane.show(money_rows(self.answer, self.desk.now(), width - 1))
        head.styles.height = len(rows)
        head.show(rows)

    async def _ask(self, run: str | None) -> None:
        try:
            answer = await self.desk.api.query(CostQuery(run=run))
            assert isinstance(answer, CostAnswer)
            self.answer = answer
        finally:
            self._is_asking = False

    def action_everything(self) -> None:
        self.is_of_all = not self.is_of_all
        self.show()
