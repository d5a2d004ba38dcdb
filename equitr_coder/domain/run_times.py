"""When what of a run went on, as its events say; before anything is computed from it (`metrics`)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, TaskState
from equitr_coder.domain.ids import SessionId, TaskId
from equitr_coder.domain.models import Tier
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.runs import RunState

Interval = tuple[datetime, datetime]
_ACTIVE = (TaskState.WORKING, TaskState.REVIEW)


@dataclass
class TierTimes:
    calls: int = 0
    usd: Decimal = ZERO
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    price: Price | None = None
    """Of its last call whose price is known."""


@dataclass
class TaskTimes:
    """Raw intervals of one task, or of what belongs to none."""

    working: list[Interval] = field(default_factory=list)
    review: list[Interval] = field(default_factory=list)
    model: list[Interval] = field(default_factory=list)
    tool: list[Interval] = field(default_factory=list)
    gate: list[Interval] = field(default_factory=list)
    available: list[Interval] = field(default_factory=list)
    proven: list[Interval] = field(default_factory=list)
    """Checks as the receipt tells them: for logs that measured none."""
    queue: float = 0.0
    worktree: float = 0.0
    git: float = 0.0
    git_commands: int = 0
    calls: int = 0
    usd: Decimal = ZERO
    escalations: int = 0
    attempts: int = 0
    state: TaskState = TaskState.WAITING


class RunTimes:
    """What the events say, before anything is computed from it."""

    def __init__(self) -> None:
        self.started: e.RunStarted | None = None
        self.plan: Plan | None = None
        self.workers = 1
        self.state = RunState.INITIALIZING
        self.live: list[Interval] = []
        self.strong: list[Interval] = []
        self.person: list[Interval] = []
        self.tiers: dict[Tier, TierTimes] = {}
        self.times: dict[TaskId | None, TaskTimes] = {None: TaskTimes()}
        self._since: datetime | None = None
        self._last: datetime | None = None
        self._calls: dict[str, datetime] = {}
        self._tools: dict[tuple[SessionId, str], datetime] = {}
        self._delayed: dict[SessionId, datetime] = {}
        self._asked: dict[str, datetime] = {}
        self._active: dict[TaskId, tuple[TaskState, datetime]] = {}
        self._available: dict[TaskId, datetime] = {}

    def of(self, task: TaskId | None) -> TaskTimes:
        return self.times.setdefault(task, TaskTimes())

    def add(self, event: e.Event) -> None:
        at = event.at
        if at is None:
            return
        match event:
            case e.RunStarted() | e.RunResumed() | e.RunPaused() | e.RunFinished():
                self._turn(event, at)
            case e.PlanSubmitted() | e.PlanApproved():
                self.plan = event.plan
                if isinstance(event, e.PlanApproved):
                    self._open_ready(at)
            case e.TaskChanged():
                self._task(event, at)
            case e.ModelCallDelayed() | e.ModelCallReserved() | e.ModelCallSettled() | e.ModelCallFailed():
                self._model(event, at)
            case e.ToolCalled() | e.ToolReturned():
                self._tool(event, at)
            case e.QuestionAsked() | e.QuestionAnswered() | e.ApprovalRequested() | e.ApprovalResolved():
                self._person(event, at)
            case e.EscalationAsked():
                self.of(event.task).escalations += 1
            case e.ReceiptStored():
                spent = timedelta(milliseconds=sum(check.duration_ms for check in event.receipt.checks))
                self.of(event.task).proven.append((at - spent, at))
            case e.AttemptMeasured():
                self._measured(event)
            case _:
                pass
        self._last = at

    def _turn(self, event: e.RunStarted | e.RunResumed | e.RunPaused | e.RunFinished, at: datetime) -> None:
        """Somebody begins or ends to work on the run."""
        match event:
            case e.RunStarted() | e.RunResumed():
                self._stop(self._last or at)  # the last one died
                self._since, self.state, self.workers = at, RunState.RUNNING, event.options.max_workers
                if isinstance(event, e.RunStarted):
                    self.started = event
            case e.RunPaused():
                self._stop(at)
                self.state = RunState.PAUSED
            case e.RunFinished():
                self._stop(at)
                self.state = event.state

    def _tool(self, event: e.ToolCalled | e.ToolReturned, at: datetime) -> None:
        key = (event.session, event.call)
        if isinstance(event, e.ToolCalled):
            self._tools[key] = at
            return
        begun = self._tools.pop(key, at)
        # What the host does with the result, snapshots above all, is no time of the tool.
        self.of(event.task).tool.append((begun, min(at, begun + timedelta(milliseconds=event.duration_ms))))

    def _person(
        self,
        event: e.QuestionAsked | e.QuestionAnswered | e.ApprovalRequested | e.ApprovalResolved,
        at: datetime,
    ) -> None:
        match event:
            case e.QuestionAsked():
                self._asked[event.question] = at
            case e.ApprovalRequested():
                self._asked[event.approval.id] = at
            case e.QuestionAnswered():
                self.person.append((self._asked.pop(event.question, at), at))
            case e.ApprovalResolved():
                self.person.append((self._asked.pop(event.approval, at), at))

    def ended(self) -> "RunTimes":
        """A copy in which the log ends here; whoever was at work was so until the last event."""
        times = {
            task: replace(one, working=list(one.working), review=list(one.review), available=list(one.available))
            for task, one in self.times.items()
        }
        copied = RunTimes()
        vars(copied).update(vars(self) | {"live": list(self.live), "_active": dict(self._active), "times": times})
        copied.close()
        return copied

    def close(self) -> None:
        """Nothing is added afterwards."""
        if self._last is None:
            return
        end = self._last
        for task, since in self._available.items():
            self.of(task).available.append((since, end))
        self._stop(end)

    def _stop(self, at: datetime) -> None:
        if self._since is not None:
            self.live.append((self._since, at))
        self._since = None
        for task, (state, begun) in self._active.items():
            self._end_active(task, state, begun, at)
        self._active.clear()

    def _task(self, event: e.TaskChanged, at: datetime) -> None:
        times = self.of(event.task)
        times.state, times.attempts = event.state, max(times.attempts, event.attempt)
        if (before := self._active.pop(event.task, None)) is not None:
            self._end_active(event.task, *before, at)
        if event.state in _ACTIVE:
            self._active[event.task] = (event.state, at)
            self._available.setdefault(event.task, at)
        elif event.state.is_final and (since := self._available.pop(event.task, None)) is not None:
            times.available.append((since, at))
        self._open_ready(at)

    def _end_active(self, task: TaskId, state: TaskState, begun: datetime, at: datetime) -> None:
        times = self.of(task)
        (times.working if state is TaskState.WORKING else times.review).append((begun, at))

    def _open_ready(self, at: datetime) -> None:
        """From here on the tasks whose prerequisites are done could run."""
        for task in self.plan.tasks if self.plan is not None else ():
            is_open = not self.of(task.id).state.is_final and task.id not in self._available
            if is_open and all(self.of(need).state is TaskState.DONE for need in task.needs):
                self._available[task.id] = at

    def _model(
        self, event: e.ModelCallDelayed | e.ModelCallReserved | e.ModelCallSettled | e.ModelCallFailed, at: datetime
    ) -> None:
        if isinstance(event, e.ModelCallDelayed):
            self._delayed.setdefault(event.session, at)
            return
        if isinstance(event, e.ModelCallReserved):
            self._calls[event.call] = at
            if (waited := self._delayed.pop(event.session, None)) is not None:
                self.of(event.task).model.append((waited, at))
            return
        reserved, end = self._calls.pop(event.call, at), at
        begun = reserved
        if isinstance(event, e.ModelCallSettled) and event.latency_ms:
            # What the host took to record the reservation is no time of the model.
            begun = max(reserved, at - timedelta(milliseconds=event.latency_ms))
        elif isinstance(event, e.ModelCallFailed) and event.retry_in:
            end = at + timedelta(seconds=event.retry_in)
        times = self.of(event.task)
        times.model.append((begun, end))
        times.calls += 1
        times.usd += event.usd
        if event.tier is Tier.STRONG:
            self.strong.append((begun, end))
        tier = self.tiers.setdefault(event.tier, TierTimes())
        tier.calls += 1
        tier.usd += event.usd
        tier.seconds += (at - begun).total_seconds()
        if isinstance(event, e.ModelCallSettled):
            tier.usage = tier.usage.plus(event.usage)
            tier.price = event.price or tier.price

    def _measured(self, event: e.AttemptMeasured) -> None:
        times = self.of(event.task)
        times.git += event.git_ms / 1000
        times.git_commands += event.git_commands
        for span in event.spans:
            match span.kind:
                case "check":
                    times.gate.append((span.at, span.at + timedelta(milliseconds=span.ms)))
                case "turn":
                    times.queue += span.ms / 1000
                case "worktree":
                    times.worktree += span.ms / 1000
