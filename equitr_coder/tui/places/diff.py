"""Diff review: what a task or the whole run changed, with comments that go back to whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from equitr_coder.domain import commands as c
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.footprint import claim_of, outside
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.queries import DiffAnswer, DiffQuery
from equitr_coder.domain.runs import RunKind
from equitr_coder.presentation.diff_comments import Anchor, Comment, comments_message
from equitr_coder.presentation.figures import duration
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.presentation.text import plural
from equitr_coder.presentation.unified_diff import FileDiff, read_diff, without_blank_changes
from equitr_coder.tui.draw.diff import SPLIT_FROM, DrawnLine, diff_head, file_diff, file_rows
from equitr_coder.tui.draw.frame import marked, nothing, rule
from equitr_coder.tui.editor import open_file
from equitr_coder.tui.keys import Key
from equitr_coder.tui.two_panes import TwoPanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equitr_coder.domain.run_view import RunView, TaskView

_COMMENT = "comment"
_WANTED = tuple[str, str | None]
"""Run, and its task."""


class Diff(TwoPanes):
    NAME: ClassVar[str] = "diff"
    TITLE: ClassVar[str] = "diff"
    LIST_SHARE: ClassVar[float] = 0.28
    DETAIL_HAS_CURSOR: ClassVar[bool] = True
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("n",), "n", "next hunk", "hunk(1)", "diff", in_footer=True),
        Key(("N",), "N", "hunk before", "hunk(-1)", "diff"),
        Key(("right_square_bracket",), "]", "next file", "file(1)", "diff", in_footer=True),
        Key(("left_square_bracket",), "[", "file before", "file(-1)", "diff"),
        Key(("c",), "c", "comment", "comment", "diff", in_footer=True),
        Key(("r",), "r", "send comments back", "send_back", "diff", in_footer=True),
        Key(("y",), "y", "accept file", "accept", "diff", in_footer=True),
        Key(("o",), "o", "open in $EDITOR", "edit", "diff"),
        Key(("w",), "w", "white space", "white_space", "diff"),
        Key(("u",), "u", "unified", "unified", "diff"),
        Key(("s",), "s", "side by side", "split", "diff"),
        Key(("t",), "t", "task, or whole run", "next_task", "diff"),
    )

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type] # passed on
        self.files: tuple[FileDiff, ...] = ()
        self.of_task: TaskId | None = None
        self.comments: list[Comment] = []
        self.accepted: set[str] = set()
        self.ignores_blanks = False
        self._split: bool | None = None
        """None: as the width says."""
        self._asked_for: _WANTED | None = None
        self._why_empty = ("Reading what was changed...", "")
        self._drawn: tuple[tuple[object, ...], list[DrawnLine]] = ((), [])

    # ------------------------------------------------------------ what is seen

    @property
    def view(self) -> RunView | None:
        return self.desk.run.view if self.desk.run is not None else None

    @property
    def is_split(self) -> bool:
        return self._split if self._split is not None else self.size.width >= SPLIT_FROM

    def reopened(self) -> None:
        """A task that is chosen elsewhere is shown; what was read before may be old."""
        self.of_task = self.desk.selected_task
        self._asked_for = None

    def show(self) -> None:
        view = self.view
        if view is not None:
            wanted: _WANTED = (view.run, self.of_task)
            if self._asked_for is None or wanted != self._asked_for:
                if self._asked_for is not None and self._asked_for[0] != view.run:
                    self.comments, self.accepted = [], set()
                self._asked_for = wanted
                self.desk.do(self._read(view))
        super().show()

    async def _read(self, view: RunView) -> None:
        try:
            answer = await self.desk.api.query(DiffQuery(run=view.run, task=self.of_task))
        except UserError as error:
            self.files, self._why_empty = (), (str(error), error.hint)
            return
        assert isinstance(answer, DiffAnswer)
        self.files = read_diff(answer.text)
        self._why_empty = ("Nothing was changed.", "Esc goes back.")

    @property
    def file(self) -> FileDiff | None:
        files = self.files
        return files[self.at] if self.at < len(files) else None

    def head_rows(self, width: int) -> Sequence[Row]:
        view = self.view
        if view is None:
            return ()
        title = f"{view.epic or view.run} in total"
        if view.kind is RunKind.CHAT:
            title = "this conversation"
        elif self.of_task is not None:
            title = f"{self.of_task} {_title(view, self.of_task)}"
        proof = _proof(view, self.of_task)
        return [diff_head(title, self.files, proof, is_split=self.is_split, width=width), rule(width)]

    def list_rows(self, width: int) -> Sequence[Row]:
        if not self.files:
            return [row(Span(" no files", Ink.DIM))]
        strays = _outside(self.view, self.of_task, [file.path for file in self.files])
        rows = file_rows(self.files, width - 3, accepted=self.accepted, comments=self.comments, outside=strays)
        return [marked(line, width, selected=number == self.at) for number, line in enumerate(rows)]

    def detail_rows(self, width: int) -> Sequence[Row]:
        if self.file is None:
            return nothing(*self._why_empty, width)
        return [line.line for line in self._lines(width)]

    def _lines(self, width: int) -> list[DrawnLine]:
        """Drawn once for each file, width and way."""
        file = self.file
        key = (file, width, self.is_split, self.ignores_blanks, tuple(self.comments))
        if key != self._drawn[0]:
            shown = without_blank_changes(file) if file is not None and self.ignores_blanks else file
            self._drawn = (key, file_diff(shown, width, is_split=self.is_split, comments=self.comments))
        return self._drawn[1]

    def foot_rows(self, width: int) -> Sequence[Row]:
        said = []
        if self.comments:
            said.append(f"{plural(len(self.comments), 'comment')} not sent yet: r sends back")
        if self.accepted:
            said.append(f"{len(self.accepted)} of {plural(len(self.files), 'file')} accepted")
        if self.ignores_blanks:
            said.append("white space is left out of account (w)")
        return [fit(row(Span(" " + " · ".join(said), Ink.ACCENT)), width, padded=False)] if said else []

    def cursor_moved(self) -> None:
        self.detail_pane.cursor = 0

    # ------------------------------------------------------------ moving

    def action_hunk(self, by: int) -> None:
        drawn, pane = self._drawn[1], self.detail_pane
        hunks = [number for number, line in enumerate(drawn) if line.is_hunk]
        if not self.is_wide and not self.shows_detail:
            self.chosen()
        ahead = [number for number in hunks if (number > pane.cursor if by > 0 else number < pane.cursor)]
        if ahead:
            pane.focus()
            pane.move_cursor(ahead[0] if by > 0 else ahead[-1])
        else:
            self.action_file(by)

    def action_file(self, by: int) -> None:
        self.list_pane.move_cursor(self.at + by)
        self.show()

    def action_next_task(self) -> None:
        """The run in total, then task by task."""
        view = self.view
        if view is None or view.kind is RunKind.CHAT:
            self.desk.say("a conversation has no tasks")
            return
        every: list[TaskId | None] = [None, *view.tasks]
        self.of_task = every[(every.index(self.of_task) + 1) % len(every)] if self.of_task in every else None
        self.list_pane.cursor = 0
        self.show()

    def action_white_space(self) -> None:
        self.ignores_blanks = not self.ignores_blanks
        self.show()

    def action_unified(self) -> None:
        self._split = False
        self.show()

    def action_split(self) -> None:
        self._split = True
        self.show()

    # ------------------------------------------------------------ deciding

    def action_accept(self) -> None:
        """Mark the file as looked at, or take the mark back, and go on to the next."""
        file = self.file
        if file is None:
            return
        if file.path in self.accepted:
            self.accepted.discard(file.path)
        else:
            self.accepted.add(file.path)
            if self.at + 1 < len(self.files):
                self.list_pane.move_cursor(self.at + 1)
        self.show()

    @property
    def _line(self) -> DrawnLine | None:
        drawn, at = self._drawn[1], self.detail_pane.cursor
        return drawn[at] if self.detail_pane.display and at < len(drawn) else None

    def action_comment(self) -> None:
        line = self._line
        if line is None or line.anchor is None:
            self.chosen()
            self.desk.say("choose a line of the diff first", "Tab goes to it, the arrow keys move in it")
            return
        old = next((comment.text for comment in self.comments if comment.anchor == line.anchor), "")
        self.ask(f"{line.anchor.path}:{line.anchor.line}", purpose=_COMMENT, text=old)

    def answered(self, purpose: str, text: str) -> None:
        line, file = self._line, self.file
        if purpose != _COMMENT or line is None or line.anchor is None or file is None:
            return
        kept = [comment for comment in self.comments if comment.anchor != line.anchor]
        said = [Comment(line.anchor, _quoted(file, line.anchor), text.strip())] if text.strip() else []
        order = [each.path for each in self.files]
        self.comments = sorted(
            [*kept, *said],
            key=lambda comment: (
                (order.index(comment.anchor.path), comment.anchor.line)
                if comment.anchor.path in order
                else (len(order), 0)
            ),
        )

    def action_send_back(self) -> None:
        view = self.view
        if view is None or not self.comments:
            self.desk.say("there is no comment to send", "c on a line says what is wrong with it")
            return
        self.desk.do(self._send(view))

    async def _send(self, view: RunView) -> None:
        """To whoever wrote it: the chat's agent as the next message, a task's worker before its next step."""
        if view.kind is RunKind.CHAT:
            said = comments_message(self.comments)
            await self.desk.api.submit(c.QueueMessage(run=view.run, text=said))
            self.desk.say(f"{plural(len(self.comments), 'comment')} sent as your next message")
            self.comments = []
            return
        by_task: dict[TaskId, list[Comment]] = {}
        for comment in self.comments:
            by_task.setdefault(self.of_task or _writer(view, comment.anchor.path), []).append(comment)
        for task, comments in by_task.items():
            said = comments_message(comments)
            await self.desk.api.submit(c.QueueMessage(run=view.run, text=said, to=task, steer=True))
            self.comments = [comment for comment in self.comments if comment not in comments]
            self.desk.say(f"{plural(len(comments), 'comment')} sent to {task}, delivered at its next step")

    def action_edit(self) -> None:
        view, file = self.view, self.file
        if view is not None and file is not None:
            self.desk.do(self._open(view, file))

    async def _open(self, view: RunView, file: FileDiff) -> None:
        task = view.tasks.get(self.of_task) if self.of_task is not None else None
        folder = task.worktree if task is not None and task.worktree else view.workspace
        path = Path(folder) / file.path
        if not path.is_file():
            raise UserError(f"{path} is not there", hint="it was deleted, or its worktree is gone")
        anchor = self._line.anchor if self._line is not None else None
        await open_file(self.app, path, environ=self.desk.environ, line=anchor.line if anchor is not None else None)


def _title(view: RunView, task: TaskId) -> str:
    return view.plan.task(task).title if view.plan is not None and task in view.tasks else ""


def _proof(view: RunView, task: TaskId | None) -> str:
    """The receipts of its checks, or that there is none."""
    tasks = [view.tasks[task]] if task is not None and task in view.tasks else list(view.tasks.values())
    if not tasks:
        return ""
    if task is None:
        proven = sum(each.receipt is not None for each in tasks)
        return f"{proven} of {plural(len(tasks), 'receipt')}"
    return _receipt(tasks[0])


def _receipt(task: TaskView) -> str:
    if task.receipt is None:
        state = task.state.value if task.state is not TaskState.DONE else "done"
        return f"attempt {max(1, task.attempt)}, {state}, no receipt"
    checks = [
        f"{check.command} exit {check.exit_code} ({duration(check.duration_ms / 1000)})"
        for check in task.receipt.checks
    ]
    return f"attempt {max(1, task.attempt)} · {'; '.join(checks) or 'unchecked'} · {task.receipt.commit[:7]}"


def _outside(view: RunView | None, task: TaskId | None, paths: Sequence[str]) -> tuple[str, ...]:
    """Files that the task did not say it would touch."""
    if view is None or view.plan is None or task is None or task not in view.tasks:
        return ()
    return outside(claim_of(view.plan.task(task)), paths)


def _writer(view: RunView, path: str) -> TaskId:
    """The task that changed the file last."""
    for task in reversed(list(view.tasks.values())):
        if path in task.files or path in task.touched:
            return task.id
    raise UserError(f"no task of this run is known to have changed {path}", hint="t shows one task; comment there")


def _quoted(file: FileDiff, anchor: Anchor) -> str:
    for hunk in file.hunks:
        for line in hunk.lines:
            if Anchor.of(file.path, line) == anchor:
                return line.text
    return ""
