"""What the screen of a run says that `RunView` does not keep: a second fold of the same events.

Who works in which lane, what each session did last, what waits for its merge and since when, when things were asked.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import ModelErrorKind
from equitr_coder.domain.ids import CallId, CommitId, RequestId, SessionId, TaskId
from equitr_coder.domain.metrics import RunMetrics, metrics_of
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.run_times import RunTimes
from equitr_coder.presentation.actions import Action, called, returned

_SHOWN_ACTIONS = 3
_RATE_LIMITED = "rate limit"
_DELAYS = {"rate_limited": _RATE_LIMITED, "paced": "turn at the provider", "shared_prefix": "cached prefix"}


@dataclass
class Recent:
    """What one session did last."""

    actions: deque[Action] = field(default_factory=lambda: deque(maxlen=_SHOWN_ACTIONS))
    """Finished ones, oldest first."""
    running: dict[CallId, Action] = field(default_factory=dict)
    said: str = ""
    """The last words of its model."""
    at: datetime | None = None
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Path -> lines added and removed, summed over its steps."""
    pending: tuple[int, int] = (0, 0)
    """Of the step whose result is still to be recorded."""


@dataclass(frozen=True)
class Delay:
    """A session that waits before its next model call."""

    words: str
    """`rate limit`, `turn at the provider`, `cached prefix`, `timeout`."""
    until: datetime


@dataclass(frozen=True)
class Queued:
    """A hand-in on its way onto the branch."""

    task: TaskId
    attempt: int
    commit: CommitId
    at: datetime | None


class Happenings:
    """A fold; `add` each event of the run once, in order."""

    def __init__(self) -> None:
        self.lanes: dict[TaskId, int] = {}
        """Task -> the number of the lane that it is worked on in, from 1."""
        self.was_in: dict[TaskId, int] = {}
        """The lane that a task had last."""
        self.sessions: dict[SessionId, Recent] = {}
        self.delays: dict[SessionId, Delay] = {}
        self.queue: dict[TaskId, Queued] = {}
        """Handed in and neither landed nor rejected, in order."""
        self.landed: e.MergeLanded | None = None
        """The last one."""
        self.rejected: e.MergeRejected | None = None
        self.asked_at: dict[RequestId, datetime] = {}
        """When a question, a permission or a conflict began to wait for the person."""
        self.plan_at: datetime | None = None
        self.since: dict[TaskId, datetime] = {}
        """When a task came into its state."""
        self.ticked: dict[TaskId, set[int]] = {}
        """Numbers of the todos that its worker has ticked."""
        self.short: dict[str, e.BudgetReached] = {}
        """Accounts at their limit, since the run was started or resumed."""
        self.question_limit: int | None = None
        """How many questions the run may ask the supervisor, as far as the log tells."""
        self.version = 0
        """Rises with each event."""
        self._times = RunTimes()
        self._metrics: tuple[int, RunMetrics] | None = None
        self._workers = 1
        self._worked = timedelta()
        self._works_since: datetime | None = None
        self._last: datetime | None = None

    def add(self, event: e.Event) -> None:
        self.version += 1
        self._times.add(event)
        match event:
            case e.RunStarted() | e.RunResumed() | e.RunPaused() | e.RunFinished():
                self._turn(event)
            case e.TaskChanged():
                self._task(event)
            case e.ModelCallReserved() | e.ModelCallSettled() | e.ModelCallFailed() | e.ModelCallDelayed():
                self._model(event)
            case e.ToolCalled() | e.ToolReturned() | e.FileChanged() | e.MessageAdded():
                self._step(event)
            case e.QuestionAsked() | e.ApprovalRequested() | e.ConflictFound() | e.ConflictChanged():
                self._asked(event)
            case e.PlanSubmitted():
                self.plan_at = event.at
            case e.MergeQueued() | e.MergeLanded() | e.MergeRejected():
                self._merge(event)
            case e.BudgetReached():
                self.short[event.account] = event
            case e.EscalationSkipped():
                self.question_limit = event.limit
            case _:
                pass
        self._last = event.at or self._last

    def recent(self, session: SessionId) -> Recent:
        return self.sessions.get(session, _NOTHING)

    def lane_number(self, task: TaskId) -> int:
        """Of the lane that it has or had; 0 when it was never begun."""
        return self.was_in.get(task, 0)

    def worked(self, now: datetime) -> timedelta:
        """How long the run has been at work: pauses, and the time between a death and the resume, count nowhere."""
        running = now - self._works_since if self._works_since is not None else timedelta()
        return self._worked + max(timedelta(), running)

    @property
    def metrics(self) -> RunMetrics | None:
        """As `equitrcoder metrics` says them of the same events; None before the first one."""
        if self._times.started is None or self._times.started.at is None:
            return None
        if self._metrics is None or self._metrics[0] != self.version:
            self._metrics = self.version, metrics_of(self._times)
        return self._metrics[1]

    def _turn(self, event: e.RunStarted | e.RunResumed | e.RunPaused | e.RunFinished) -> None:
        at = event.at
        if self._works_since is not None:
            # Whoever starts again after a death finds the last one still at work; that one was so until its last event.
            ended = self._last if isinstance(event, e.RunResumed | e.RunStarted) else at
            self._worked += (ended or self._works_since) - self._works_since
            self._works_since = None
        match event:
            case e.RunStarted() | e.RunResumed():
                self._works_since = at
                self._workers = event.options.max_workers
                self.short.clear()
                self.delays.clear()
                for recent in self.sessions.values():
                    recent.running.clear()
            case e.RunPaused() | e.RunFinished():
                self.delays.clear()
                if isinstance(event, e.RunFinished):
                    self.queue.clear()

    def _task(self, event: e.TaskChanged) -> None:
        if event.at is not None and not (event.state is TaskState.WAITING and event.task in self.since):
            self.since[event.task] = event.at
        match event.state:
            case TaskState.WORKING:
                self._take_lane(event.task)
            case TaskState.DONE | TaskState.FAILED | TaskState.BLOCKED | TaskState.CANCELLED:
                self.lanes.pop(event.task, None)
                self.queue.pop(event.task, None)
            case TaskState.READY:
                self.queue.pop(event.task, None)
            case TaskState.WAITING | TaskState.REVIEW:
                pass

    def _take_lane(self, task: TaskId) -> None:
        """The lowest free one; when none is free, that of a task which waits without a worker."""
        if task in self.lanes:
            return
        taken = {number: other for other, number in self.lanes.items()}
        free = next((number for number in range(1, self._workers + 1) if number not in taken), None)
        if free is None:
            times = self._times
            idle = [n for n, other in taken.items() if times.of(other).state is not TaskState.WORKING]
            free = min(idle, default=len(taken) + 1)
            if free in taken:
                del self.lanes[taken[free]]
        self.lanes[task] = self.was_in[task] = free

    def _model(self, event: e.ModelCallReserved | e.ModelCallSettled | e.ModelCallFailed | e.ModelCallDelayed) -> None:
        match event:
            case e.ModelCallDelayed() if event.at is not None:
                self.delays[event.session] = Delay(_DELAYS[event.why], event.at + timedelta(seconds=event.seconds))
            case e.ModelCallFailed() if event.at is not None and event.retry_in is not None:
                is_limited = event.kind is ModelErrorKind.RATE_LIMITED
                words = _RATE_LIMITED if is_limited else f"next try after {event.kind.value.replace('_', ' ')}"
                self.delays[event.session] = Delay(words, event.at + timedelta(seconds=event.retry_in))
            case _:
                self.delays.pop(event.session, None)

    def _step(self, event: e.ToolCalled | e.ToolReturned | e.FileChanged | e.MessageAdded) -> None:
        recent = self.sessions.setdefault(event.session, Recent())
        recent.at = event.at or recent.at
        match event:
            case e.ToolCalled():
                recent.running[event.call] = called(event)
            case e.ToolReturned():
                begun = recent.running.pop(event.call, None)
                recent.actions.append(returned(event, begun, *recent.pending))
                recent.pending = (0, 0)
                if event.name == "tick_todo" and not event.is_error and event.task is not None:
                    self._tick(event.task, event.summary)
            case e.FileChanged():
                added, removed = recent.files.get(event.path, (0, 0))
                recent.files[event.path] = added + event.added, removed + event.removed
                recent.pending = recent.pending[0] + event.added, recent.pending[1] + event.removed
            case e.MessageAdded(message=AssistantMessage() as said) if said.text.strip():
                recent.said = said.text
            case _:
                pass

    def _tick(self, task: TaskId, summary: str) -> None:
        """`tick_todo` says `todo 3: write the parser`."""
        number = summary.removeprefix("todo ").partition(":")[0]
        if number.isdecimal():
            self.ticked.setdefault(task, set()).add(int(number))

    def _asked(self, event: e.QuestionAsked | e.ApprovalRequested | e.ConflictFound | e.ConflictChanged) -> None:
        if event.at is None:
            return
        match event:
            case e.QuestionAsked():
                self.asked_at[event.question] = event.at
            case e.ApprovalRequested():
                self.asked_at[event.approval.id] = event.at
            case e.ConflictFound():
                self.asked_at[event.conflict.id] = event.at
            case e.ConflictChanged():
                self.asked_at[event.conflict] = event.at

    def _merge(self, event: e.MergeQueued | e.MergeLanded | e.MergeRejected) -> None:
        match event:
            case e.MergeQueued():
                self.queue.pop(event.task, None)  # queued again after a restart: at the end
                self.queue[event.task] = Queued(event.task, event.attempt, event.commit, event.at)
            case e.MergeLanded():
                self.landed = event if event.task is not None or self.landed is None else self.landed
                if event.task is not None:
                    self.queue.pop(event.task, None)
            case e.MergeRejected():
                self.rejected = event
                if event.task is not None:
                    self.queue.pop(event.task, None)


_NOTHING = Recent()


def happenings_of(events: Iterable[e.Event]) -> Happenings:
    """All of a log at once."""
    happenings = Happenings()
    for event in events:
        happenings.add(event)
    return happenings
