"""Sessions: every run of this workspace, or of all; go on with one, look at it, name, export or clear it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from equitr_coder.domain import commands as c
from equitr_coder.domain.queries import PruneAnswer, PruneQuery, RunsAnswer, RunsQuery
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.presentation.text import plural
from equitr_coder.tui.draw.frame import marked, rule
from equitr_coder.tui.draw.sessions import delete_rows, session_detail, sessions_head, sessions_rows, wanted
from equitr_coder.tui.export import Form, export
from equitr_coder.tui.keys import Key
from equitr_coder.tui.two_panes import TwoPanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equitr_coder.domain.ids import RunId
    from equitr_coder.domain.queries import Prunable, RunSummary
    from equitr_coder.domain.run_view import RunView

_FILTER, _NAME = "filter", "name"


class Sessions(TwoPanes):
    NAME: ClassVar[str] = "sessions"
    TITLE: ClassVar[str] = "sessions"
    LIST_SHARE: ClassVar[float] = 0.62
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("slash",), "/", "filter", "filter", "sessions", in_footer=True),
        Key(("a",), "a", "all workspaces", "everywhere", "sessions", in_footer=True),
        Key(("n",), "n", "rename", "rename", "sessions", in_footer=True),
        Key(("e",), "e", "export Markdown", "export('md')", "sessions", in_footer=True),
        Key(("E",), "E", "export JSON lines", "export('jsonl')", "sessions"),
        Key(("d",), "d", "delete what it left", "delete", "sessions", in_footer=True),
        Key(("i",), "i", "details", "details", "sessions"),
    )

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type] # passed on
        self.runs: tuple[RunSummary, ...] = ()
        self.filter = ""
        self.is_everywhere = False
        self._is_typing = False
        self._has_asked = False
        self._unreadable: tuple[RunId, ...] = ()
        self._views: dict[RunId, RunView] = {}
        self._reading: set[RunId] = set()
        self._leftover: Prunable | None = None
        """Of the run that the first `d` was pressed on."""

    # ------------------------------------------------------------ what is seen

    @property
    def shown(self) -> list[RunSummary]:
        return wanted(self.runs, self.filter)

    @property
    def run(self) -> RunSummary | None:
        shown = self.shown
        return shown[self.at] if self.at < len(shown) else None

    def reopened(self) -> None:
        self._has_asked = False
        self._views.clear()
        self._leftover = None

    def show(self) -> None:
        if not self._has_asked:
            self._has_asked = True
            self.desk.do(self._ask())
        self._look_at_chosen()
        super().show()

    async def _ask(self) -> None:
        answer = await self.desk.api.query(RunsQuery(everywhere=self.is_everywhere))
        assert isinstance(answer, RunsAnswer)
        self.runs, self._unreadable = answer.runs, answer.unreadable

    def _look_at_chosen(self) -> None:
        run = self.run
        if run is not None and run.run not in self._views and run.run not in self._reading:
            self._reading.add(run.run)
            self.desk.do(self._look(run.run))

    async def _look(self, run: RunId) -> None:
        try:
            self._views[run] = await self.desk.api.view(run)
        finally:
            self._reading.discard(run)

    def head_rows(self, width: int) -> Sequence[Row]:
        head = sessions_head(
            self.filter,
            len(self.shown),
            len(self.runs),
            width,
            is_everywhere=self.is_everywhere,
            is_typing=self._is_typing,
        )
        return [head, rule(width)]

    def list_rows(self, width: int) -> Sequence[Row]:
        shown = self.shown
        rows = sessions_rows(shown, self.desk.now(), width - 3, is_everywhere=self.is_everywhere, typed=self.filter)
        if not shown:
            return rows
        return [marked(line, width, selected=number == self.at) for number, line in enumerate(rows)]

    def detail_rows(self, width: int) -> Sequence[Row]:
        run = self.run
        if run is None:
            return []
        if self._leftover is not None and self._leftover.run == run.run:
            left = self._leftover
            return delete_rows(run, left.refs, left.worktrees, len(left.lost), width)
        return session_detail(run, self._views.get(run.run), width, here=self._here)

    @property
    def _here(self) -> str:
        return next((run.view.workspace for run in self.desk.runs.values()), str(self.desk.folder))

    def foot_rows(self, width: int) -> Sequence[Row]:
        if not self._unreadable:
            return ()
        words = f" ! {plural(len(self._unreadable), 'run')} left out: a damaged log, or one of a newer version"
        return [fit(row(Span(words, Ink.BAD)), width)]

    def cursor_moved(self) -> None:
        self._leftover = None
        self._look_at_chosen()

    # ------------------------------------------------------------ keys

    def chosen(self) -> None:
        """Enter: go on with it."""
        run = self.run
        if run is None:
            return
        if self.is_everywhere and run.workspace and run.workspace not in ("", self._here):
            self.desk.say(
                "that run belongs to another workspace",
                f"cd {run.workspace} && equitrcoder resume {run.epic or run.run}",
                is_bad=True,
            )
            return
        self.desk.go_on(run.run)

    def action_details(self) -> None:
        super().chosen()

    def action_filter(self) -> None:
        self._is_typing = True
        self.ask("filter", purpose=_FILTER, text=self.filter)

    def action_everywhere(self) -> None:
        self.is_everywhere = not self.is_everywhere
        self._has_asked = False
        self.list_pane.cursor = 0
        self.show()

    def action_rename(self) -> None:
        if (run := self.run) is not None:
            self.ask("new name", purpose=_NAME, text=run.title)

    def typed(self, purpose: str, text: str) -> None:
        if purpose == _FILTER and text != self.filter:
            self.filter = text
            self.list_pane.cursor = 0

    def answered(self, purpose: str, text: str) -> None:
        self._is_typing = False
        run = self.run
        if purpose == _NAME and run is not None and text.strip() != run.title:
            self.desk.do(self._rename(run.run, text))

    async def _rename(self, run: RunId, title: str) -> None:
        await self.desk.api.submit(c.RenameRun(run=run, title=title))
        await self._ask()

    def back(self) -> bool:
        was_typing, self._is_typing = self._is_typing, False
        if super().back():
            if was_typing:
                self.filter = ""
            return True
        if self._leftover is not None:
            self._leftover = None
            return True
        if self.filter:
            self.filter = ""
            return True
        return False

    def action_export(self, form: Form) -> None:
        if (run := self.run) is not None:
            self.desk.do(self._export(run.run, form))

    async def _export(self, run: RunId, form: Form) -> None:
        path = await export(self.desk.api, run, self.desk.folder, form)
        self.desk.say(f"exported to {path}")

    def action_delete(self) -> None:
        """The first time it says what would go, and the second time it goes."""
        if (run := self.run) is not None:
            is_sure = self._leftover is not None and self._leftover.run == run.run
            self.desk.do(self._delete(run, is_sure=is_sure))

    async def _delete(self, run: RunSummary, *, is_sure: bool) -> None:
        answer = await self.desk.api.query(PruneQuery(run=run.run, delete=is_sure))
        assert isinstance(answer, PruneAnswer)
        self._leftover = None
        if not answer.runs:
            why = answer.spared[0].why if answer.spared else "it left nothing in git or on disk"
            self.desk.say(f"{run.epic or run.run} keeps what it has: {why}")
        elif is_sure:
            self.desk.say(f"deleted what {run.epic or run.run} had left", "its log and its cost stay")
        else:
            self._leftover = answer.runs[0]
            self.shows_detail = True
