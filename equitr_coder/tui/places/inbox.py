"""Everything that waits for the person, of every run, the oldest first: answered here in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from equitr_coder.domain.commands import (
    AbortConflict,
    AnswerQuestion,
    Command,
    Interrupt,
    ResolveApproval,
    ResolveConflict,
    StopTask,
)
from equitr_coder.domain.queries import ConflictAnswer, ConflictQuery
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.tui.answering import resolution
from equitr_coder.tui.ask_line import AskLine
from equitr_coder.tui.boards import Boards
from equitr_coder.tui.budget import raise_budget
from equitr_coder.tui.conflict_pane import ConflictPane
from equitr_coder.tui.draw.conflict import conflict_keys
from equitr_coder.tui.draw.needs import ask_rows
from equitr_coder.tui.draw.permission import Answer, card_of
from equitr_coder.tui.keys import Key
from equitr_coder.tui.permission_pane import PermissionPane
from equitr_coder.tui.place import Place
from equitr_coder.tui.question_pane import QuestionPane
from equitr_coder.tui.rows_pane import Bar, RowsPane
from equitr_coder.tui.waiting import Waiting, waiting_of

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from equitr_coder.domain.ids import RequestId, RunId
    from equitr_coder.tui.desk import Desk

_LISTED = 26
"""Rows of the screen from which on the list stands above what is asked."""
_REFUSE, _SAY, _BUDGET = "refuse", "say", "budget"
_TAKES = {"o": "ours", "t": "theirs", "e": "edited", "m": "proposal"}


class Inbox(Place):
    NAME: ClassVar[str] = "inbox"
    TITLE: ClassVar[str] = "needs you"
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("enter",), "Enter", "answer", "choose", "inbox"),
        *(Key((str(n),), str(n), f"answer {n}", f"press({n})", "inbox") for n in range(1, 10)),
        Key(("n", "right"), "n", "next one", "turn(1)", "inbox", in_footer=True),
        Key(("N", "left"), "N", "one before", "turn(-1)", "inbox"),
        Key(("left_square_bracket",), "[", "side before", "side(-1)", "inbox"),
        Key(("right_square_bracket",), "]", "next side", "side(1)", "inbox"),
        Key(("o",), "o", "take what has landed", "take('o')", "inbox"),
        Key(("t",), "t", "take what was handed in", "take('t')", "inbox"),
        Key(("m",), "m", "take the proposed merge", "take('m')", "inbox"),
        Key(("e",), "e", "take the files as edited", "take('e')", "inbox"),
        Key(("a",), "a", "give it back to its worker", "give_back", "inbox"),
    )

    DEFAULT_CSS = """
    Inbox { layers: base menu; }
    Inbox #inbox-list { height: auto; max-height: 5; border-bottom: solid $line; }
    Inbox #inbox-words { height: 1fr; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._boards = Boards(desk)
        self._now: Waiting | None = None
        """What is being asked."""
        self._sides: dict[tuple[RunId, RequestId], ConflictAnswer | None] = {}
        self._takes_focus = self._is_focusing = False

    def compose(self) -> ComposeResult:
        yield Bar(id="inbox-list")
        yield PermissionPane(self.desk.now, id="inbox-permission")
        yield QuestionPane(self.desk.now, id="inbox-question")
        yield ConflictPane(id="inbox-conflict")
        yield RowsPane(has_cursor=True, id="inbox-words")

    # ------------------------------------------------------------ drawing

    def reopened(self) -> None:
        """Whoever opens it wants to answer: the oldest first."""
        self._now = None
        self._takes_focus = True

    def show(self) -> None:
        waiting = waiting_of(self.desk)
        self._now = self._still(waiting)
        bar = self.query_one("#inbox-list", Bar)
        bar.display = self.app.size.height >= _LISTED and len(waiting) > 1
        bar.show(ask_rows([one.ask for one in waiting], self.size.width, chosen=self._at(waiting)))
        shown = self._show_detail(waiting)
        for name in ("#inbox-permission", "#inbox-question", "#inbox-conflict", "#inbox-words"):
            self.query_one(name).display = name == f"#{shown.id}"
        if self._takes_focus or (self._is_focused_within and not shown.has_focus and not self.query(AskLine)):
            self._takes_focus, self._is_focusing = False, True
            self.call_after_refresh(self._focus, shown)

    @property
    def _is_focused_within(self) -> bool:
        focused = self.app.focused
        return focused is not None and self in focused.ancestors

    @property
    def is_settled(self) -> bool:
        return not (self._takes_focus or self._is_focusing)

    def _focus(self, shown: Widget) -> None:
        self._is_focusing = False
        if isinstance(shown, ConflictPane):
            shown.query_one("#conflict-side").focus()
        else:
            shown.focus()

    def _still(self, waiting: list[Waiting]) -> Waiting | None:
        """What is asked stays until it is answered, whatever comes meanwhile."""
        known = self._now
        found = [one for one in waiting if known is not None and one.is_same(known)]
        return found[0] if found else waiting[0] if waiting else None

    def _at(self, waiting: list[Waiting]) -> int:
        return next((at for at, one in enumerate(waiting) if self._now is not None and one.is_same(self._now)), 0)

    def _show_detail(self, waiting: list[Waiting]) -> Widget:
        now = self._now
        place = f"{self._at(waiting) + 1} of {len(waiting)} waiting"
        words = self.query_one("#inbox-words", RowsPane)
        if now is None:
            words.show([(), row(Span(" nothing needs you", Ink.DIM))])
            return words
        view = now.run.view
        match now.ask.kind:
            case "permission":
                pane = self.query_one(PermissionPane)
                can_stop = now.ask.task is not None or not view.tasks
                board = self._boards.of(now.run)
                pane.ask(card_of(view.approvals[now.ask.id], view, board, can_stop=can_stop))
                return pane
            case "question":
                asked = self.query_one(QuestionPane)
                asked.ask(view.questions[now.ask.id], who=now.ask.who, place=place)
                return asked
            case "conflict":
                found = self.query_one(ConflictPane)
                found.tell(view, view.conflicts[now.ask.id], self._sides_of(now))
                return found
            case "plan" | "budget":
                words.show(self._words(now, place))
                return words

    def _words(self, now: Waiting, place: str) -> list[Row]:
        width = max(10, self.size.width - 1)
        next_key = "Enter opens the review" if now.ask.kind == "plan" else "Enter raises the budget"
        return [
            fit(row(Span(f" {now.ask.who}", bold=True), Span(f"   {place}", Ink.DIM)), width),
            (),
            fit(row(" ", Span(now.ask.words, Ink.ASK)), width),
            (),
            fit(row(Span(f" {next_key} · Esc later (stays in the inbox)", Ink.DIM)), width),
        ]

    def _sides_of(self, now: Waiting) -> ConflictAnswer | None:
        key = (now.run.run, now.ask.id)
        if key not in self._sides:
            self._sides[key] = None
            self.desk.do(self._ask_sides(key))
        return self._sides[key]

    async def _ask_sides(self, key: tuple[RunId, RequestId]) -> None:
        answer = await self.desk.api.query(ConflictQuery(run=key[0], conflict=key[1]))
        assert isinstance(answer, ConflictAnswer)
        self._sides[key] = answer

    # ------------------------------------------------------------ answers

    def on_permission_pane_decided(self, message: PermissionPane.Decided) -> None:
        message.stop()
        now = self._now
        if now is None:
            return
        if message.answer is Answer.REFUSE:
            self._ask(_REFUSE, f"why not ({now.ask.who}):")
            return
        self._send(ResolveApproval(run=now.run.run, approval=message.approval, answer=resolution(message.answer)))
        if message.answer is Answer.STOP:
            task = now.ask.task
            self._send(StopTask(run=now.run.run, task=task) if task is not None else Interrupt(run=now.run.run))

    def on_question_pane_decided(self, message: QuestionPane.Decided) -> None:
        message.stop()
        now = self._now
        if now is None:
            return
        if message.text is None:
            self._ask(_SAY, f"your answer ({now.ask.who}):")
        else:
            self._send(AnswerQuestion(run=now.run.run, question=message.question, answer=message.text))

    def on_rows_pane_chosen(self, message: RowsPane.Chosen) -> None:
        message.stop()
        self.action_choose()

    def action_choose(self) -> None:
        """Enter on words: the plan's review, or a new budget."""
        now = self._now
        if now is None or now.ask.kind not in ("plan", "budget"):
            return
        if now.ask.kind == "plan":
            self.desk.run = now.run
            self.desk.open("review")
        else:
            self._ask(_BUDGET, f"new budget of {now.run.view.epic or now.run.run}: $")

    def action_press(self, number: int) -> None:
        for pane in (self.query_one(PermissionPane), self.query_one(QuestionPane)):
            if pane.display:
                pane.press(number)

    def action_take(self, key: str) -> None:
        now = self._decidable(key)
        if now is not None:
            command = {"run": now.run.run, "conflict": now.ask.id, "take": _TAKES[key]}
            self._send(ResolveConflict.model_validate(command))

    def action_give_back(self) -> None:
        now = self._decidable("a")
        if now is not None:
            self._send(AbortConflict(run=now.run.run, conflict=now.ask.id))

    def _decidable(self, key: str) -> Waiting | None:
        """The conflict that is shown, when the key makes sense for it."""
        now = self._now
        if now is None or now.ask.kind != "conflict":
            return None
        view = now.run.view
        known = [one for one, _ in conflict_keys(view.conflicts[now.ask.id], view)]
        return now if key in known else None

    def action_turn(self, by: int) -> None:
        waiting = waiting_of(self.desk)
        if waiting:
            self._now = waiting[(self._at(waiting) + by) % len(waiting)]
            self.show()

    def action_side(self, by: int) -> None:
        self.query_one(ConflictPane).turn(by)

    def _ask(self, name: str, label: str) -> None:
        if not self.query(AskLine):
            self.mount(AskLine(label, purpose=name))

    def on_ask_line_answered(self, message: AskLine.Answered) -> None:
        message.stop()
        now, text = self._now, message.text.strip()
        self._takes_focus = True
        if now is None:
            return
        if message.purpose == _REFUSE:
            answer = resolution(Answer.REFUSE, text)
            self._send(ResolveApproval(run=now.run.run, approval=now.ask.id, answer=answer))
        elif message.purpose == _SAY and text:
            self._send(AnswerQuestion(run=now.run.run, question=now.ask.id, answer=text))
        elif message.purpose == _BUDGET and text:
            raise_budget(self.desk, now.run, text)
        self.desk.changed()

    def _send(self, command: Command) -> None:
        self.desk.do(self.desk.api.submit(command))

    def back(self) -> bool:
        for line in self.query(AskLine):
            line.close()
            self._takes_focus = True
            return True
        return False
