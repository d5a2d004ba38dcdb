"""Review: the plan before it is approved. What is asked to be changed is noted here and sent together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from equitr_coder.domain import commands as c
from equitr_coder.domain.queries import ModelsAnswer, ModelsQuery
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.review import Mark, blocking, marks, revisions
from equitr_coder.presentation.review import Place as Spot
from equitr_coder.presentation.rows import Row
from equitr_coder.presentation.text import plural
from equitr_coder.tui.document_editing import DocumentEditing
from equitr_coder.tui.draw.frame import marked, nothing, rule
from equitr_coder.tui.draw.plan_graph import graph_rows
from equitr_coder.tui.draw.review_detail import review_detail
from equitr_coder.tui.draw.review_list import review_entries
from equitr_coder.tui.draw.review_paper import (
    Entry,
    Paper,
    ReviewTab,
    approval_rows,
    notes_row,
    review_head,
    review_tabs,
    why_empty,
)
from equitr_coder.tui.keys import Key
from equitr_coder.tui.two_panes import TwoPanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equitr_coder.domain.ids import RunId

_NOTE = "note"


class Review(TwoPanes):
    NAME: ClassVar[str] = "review"
    TITLE: ClassVar[str] = "review"
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("a",), "a", "approve", "approve", "review", in_footer=True),
        Key(("r",), "r", "note a change", "note", "review", in_footer=True),
        Key(("R",), "R", "send the notes", "send_notes", "review"),
        Key(("e", "ctrl+g"), "e", "edit in $EDITOR", "edit", "review", in_footer=True),
        Key(("g",), "g", "graph", "graph", "review", in_footer=True),
        Key(("left_square_bracket",), "[", "tab before", "turn(-1)", "review"),
        Key(("right_square_bracket",), "]", "next tab", "turn(1)", "review", in_footer=True),
        Key(("j",), "j", "jump to the task", "jump", "review"),
        Key(("q",), "q", "back", "leave_review", "review"),
    )

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type] # passed on
        self.tab = ReviewTab.TODOS
        self.notes: dict[Spot, str] = {}
        self._asks_again = False
        self._models: ModelsAnswer | None = None
        self._editing = DocumentEditing(self.desk)
        self._of: RunId | None = None
        self._has_asked = False

    # ------------------------------------------------------------ what is seen

    @property
    def view(self) -> RunView | None:
        return self.desk.run.view if self.desk.run is not None else None

    @property
    def paper(self) -> Paper:
        view = self.view
        assert view is not None
        return Paper(view, self._marks(view), self.notes)

    def _marks(self, view: RunView) -> tuple[Mark, ...]:
        return marks(view, self._models)

    @property
    def entries(self) -> list[Entry]:
        return review_entries(self.paper, self.tab, self.list_pane.size.width) if self.view is not None else []

    @property
    def entry(self) -> Entry | None:
        entries = self.entries
        return entries[self.at] if self.at < len(entries) else None

    @property
    def is_single(self) -> bool:
        return self.tab is ReviewTab.GRAPH or self._asks_again or self.view is None

    def reopened(self) -> None:
        self._has_asked = False

    def show(self) -> None:
        view = self.view
        if view is not None and view.run != self._of:
            self._of, self.notes, self._asks_again = view.run, {}, False
        if not self._has_asked:
            self._has_asked = True
            self.desk.do(self._ask_models())
        super().show()

    async def _ask_models(self) -> None:
        answer = await self.desk.api.query(ModelsQuery())
        assert isinstance(answer, ModelsAnswer)
        self._models = answer

    def head_rows(self, width: int) -> Sequence[Row]:
        if self.view is None:
            return ()
        return [review_head(self.paper, width), review_tabs(self.paper, self.tab, width), rule(width)]

    def list_rows(self, width: int) -> Sequence[Row]:
        entries = review_entries(self.paper, self.tab, width)
        return [marked(entry.line, width, selected=number == self.at) for number, entry in enumerate(entries)]

    def detail_rows(self, width: int) -> Sequence[Row]:
        if self.view is None:
            return nothing(
                "No plan is in focus.", "Shift+Tab to plan, say what you want; F6 opens an earlier one.", width
            )
        if self._asks_again:
            return approval_rows(self.paper, width)
        if self.tab is ReviewTab.GRAPH:
            return graph_rows(self.paper, width, selected=self.desk.selected_task)
        if not self.entries:
            return nothing(*why_empty(self.tab), width)
        return review_detail(self.paper, self.tab, self.entry, width)

    def foot_rows(self, width: int) -> Sequence[Row]:
        found = notes_row(self.paper, width) if self.view is not None else ()
        return [found] if found else ()

    # ------------------------------------------------------------ moving

    def action_turn(self, by: int) -> None:
        every = list(ReviewTab)
        self._turn_to(every[(every.index(self.tab) + by) % len(every)])

    def action_graph(self) -> None:
        self._turn_to(ReviewTab.TODOS if self.tab is ReviewTab.GRAPH else ReviewTab.GRAPH)

    def _turn_to(self, tab: ReviewTab, at: int = 0) -> None:
        self.tab, self._asks_again, self.shows_detail = tab, False, False
        self.list_pane.cursor = at
        self.list_pane.scroll_home(animate=False)
        self.show()
        self.first_pane.focus()

    def action_jump(self) -> None:
        """To the task that the chosen line is about."""
        entry, view = self.entry, self.view
        if entry is None or entry.task is None or view is None or view.plan is None:
            self.desk.say("no task belongs to this line")
            return
        ids = [task.id for task in view.plan.tasks]
        self._turn_to(ReviewTab.TODOS, ids.index(entry.task))

    def back(self) -> bool:
        if self._asks_again:
            self._asks_again = False
            self.show()
            self.first_pane.focus()
            return True
        return super().back()

    def action_leave_review(self) -> None:
        if not self.back():
            self.desk.open("talk")

    # ------------------------------------------------------------ deciding

    def action_approve(self) -> None:
        """The first time it names what stands in the way, and the second time it approves all the same."""
        view = self.view
        if view is None or view.plan is None:
            self.desk.say("there is no plan to approve yet", "answer the supervisor's questions first")
            return
        if view.is_approved:
            self.desk.say("this plan is approved already")
            return
        if not self._asks_again and (blocking(self._marks(view)) or self.notes):
            self._asks_again = True
            self.show()
            self.detail_pane.focus()
            return
        self._asks_again = False
        self.notes = {}
        self.desk.do(self._approve(view))

    async def _approve(self, view: RunView) -> None:
        known = self.desk.runs.get(view.run)
        if known is not None and known.is_live:
            await self.desk.api.submit(c.ApprovePlan(run=view.run))
            self.desk.open("run")
        else:
            self.desk.hear(f"/run {view.epic or view.run}")

    def action_note(self) -> None:
        entry = self.entry
        if entry is None or entry.place is None:
            self.desk.say("choose a line to say something about")
            return
        if not self._require_open():
            return
        about = entry.place.about or entry.place.document
        self.ask(f"change in {about}:", purpose=_NOTE, text=self.notes.get(entry.place, ""))

    def answered(self, purpose: str, text: str) -> None:
        entry = self.entry
        if purpose == _NOTE and entry is not None and entry.place is not None:
            if text.strip():
                self.notes[entry.place] = text.strip()
            else:
                self.notes.pop(entry.place, None)

    def action_send_notes(self) -> None:
        view = self.view
        if view is None or not self.notes:
            self.desk.say("there is no note to send", "r on a line says what should change in it")
            return
        self.desk.do(self._send(view.run, dict(self.notes)))

    async def _send(self, run: RunId, notes: dict[Spot, str]) -> None:
        for name, request in revisions(notes):
            self.desk.say(f"the supervisor changes {name}")
            await self.desk.api.submit(c.ReviseDocument(run=run, name=name, request=request))
            for place in [place for place in notes if place.document == name]:
                if self.notes.get(place) == notes[place]:
                    del self.notes[place]
        self.desk.say(f"{plural(len(notes), 'note')} sent; the plan changes here when it is done")

    def action_edit(self) -> None:
        view = self.view
        if view is not None:
            self.desk.do(self._editing.edit(self.app, view, self.tab.document))

    def _require_open(self) -> bool:
        view = self.view
        if view is not None and view.is_approved:
            self.desk.say("the plan is approved and fixed", "start another epic for further changes")
            return False
        return view is not None
