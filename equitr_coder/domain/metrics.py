"""Where the time and the money of one run went: computed from its events and from nothing else.

Times are seconds. An interval is *live* while a process worked on the run; pauses and the time between a death and the
resume count nowhere. What is *outstanding* of somebody is a model call (with the waits before its next try), a tool, or
a command of the gate that runs; reviews and answers of the supervisor are model calls of the task they are for.

- `wall` is the live time of the whole run, `execution` the live time from the first task's start to the last one's end.
- `task_time` sums over tasks the live time in which each was worked on or reviewed; `speed_up = task_time / execution`.
- `overhead = (active - |outstanding of anybody|) / active`, where `active` is `wall` without the moments in which
  nothing was outstanding and a person was waited for (a question, an approval). |...| is the length of a union: while
  one worker waits for a model, what the host does for another costs the run nothing.
- `worker_overhead = sum over tasks(task time - |outstanding of the task|) / task_time`: what each worker itself waited
  for the host: git, checkouts, the log, its turn in the merge queue.
- `utilization = sum over tasks |outstanding of the task, inside span| / (agents * |span|)`, where `agents` is the
  number of workers allowed, or the most tasks that could run at once when those were fewer, and `span` is the time in
  which at least that many tasks could run: their prerequisites were done and they were not.
- `coordinator` is the share of `active` in which a strong model was outstanding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, TaskState
from equitr_coder.domain.ids import EpicId, RunId, SessionId, TaskId
from equitr_coder.domain.models import Tier
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.domain.time_spans import Spans, merged, overlaps
from equitr_coder.domain.value import Value

_ACTIVE = (TaskState.WORKING, TaskState.REVIEW)


class TaskMetrics(Value):
    """`waiting` lies before an attempt: the task could have run and had no worker. The parts from `model` to `other`
    add up to `total`; what happened at once counts for the first of them.
    """

    task: TaskId
    state: TaskState
    attempts: int
    escalations: int
    calls: int
    usd: Decimal
    waiting: float
    total: float
    model: float
    tool: float
    gate: float
    merge: float
    """Handed in and not yet landed: merging, checkouts, the turn in the queue."""
    other: float
    queue: float
    """The part of `merge` in which the queue was busy with other tasks."""
    worktree: float
    """Making worktrees ready, for the worker and for its checks."""
    git: float
    """Sum over git commands."""
    git_commands: int


class TierMetrics(Value):
    tier: Tier
    calls: int
    usd: Decimal
    seconds: float
    """Sum over calls."""


class RunMetrics(Value):
    run: RunId
    epic: EpicId | None
    kind: RunKind
    state: RunState
    workers: int
    """Allowed at once."""
    peak_workers: int
    wall: float
    execution: float
    task_time: float
    speed_up: float | None
    utilization: float | None
    """None when no task ran."""
    overhead: float
    worker_overhead: float | None
    coordinator: float
    person: float
    """Waiting for a person while nothing else went on."""
    queue: float
    git: float
    git_commands: int
    attempts: int
    escalations: int
    usd: Decimal
    tiers: tuple[TierMetrics, ...]
    tasks: tuple[TaskMetrics, ...]


def measure(events: Iterable[e.Event]) -> RunMetrics:
    """`events` are the whole log of one run, in order."""
    log = _Log()
    for event in events:
        log.add(event)
    log.close()
    return _metrics(log)


@dataclass
class _Times:
    """Raw intervals of one task, or of what belongs to none."""

    working: list[tuple[datetime, datetime]] = field(default_factory=list)
    review: list[tuple[datetime, datetime]] = field(default_factory=list)
    model: list[tuple[datetime, datetime]] = field(default_factory=list)
    tool: list[tuple[datetime, datetime]] = field(default_factory=list)
    gate: list[tuple[datetime, datetime]] = field(default_factory=list)
    available: list[tuple[datetime, datetime]] = field(default_factory=list)
    proven: list[tuple[datetime, datetime]] = field(default_factory=list)
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


class _Log:
    """What the events say, before anything is computed from it."""

    def __init__(self) -> None:
        self.started: e.RunStarted | None = None
        self.plan: Plan | None = None
        self.workers = 1
        self.state = RunState.INITIALIZING
        self.live: list[tuple[datetime, datetime]] = []
        self.strong: list[tuple[datetime, datetime]] = []
        self.person: list[tuple[datetime, datetime]] = []
        self.tiers: dict[Tier, TierMetrics] = {}
        self.times: dict[TaskId | None, _Times] = {None: _Times()}
        self._since: datetime | None = None
        self._last: datetime | None = None
        self._calls: dict[str, datetime] = {}
        self._tools: dict[tuple[SessionId, str], datetime] = {}
        self._delayed: dict[SessionId, datetime] = {}
        self._asked: dict[str, datetime] = {}
        self._active: dict[TaskId, tuple[TaskState, datetime]] = {}
        self._available: dict[TaskId, datetime] = {}

    def of(self, task: TaskId | None) -> _Times:
        return self.times.setdefault(task, _Times())

    def add(self, event: e.Event) -> None:
        at = event.at
        if at is None:
            return
        if isinstance(event, e.RunStarted | e.RunResumed):
            self._stop(self._last or at)
            self._since = at
            self.state = RunState.RUNNING
            self.workers = event.options.max_workers
        match event:
            case e.RunStarted():
                self.started = event
            case e.PlanSubmitted() | e.PlanApproved():
                self.plan = event.plan
                if isinstance(event, e.PlanApproved):
                    self._open_ready(at)
            case e.TaskChanged():
                self._task(event, at)
            case e.ModelCallDelayed() | e.ModelCallReserved() | e.ModelCallSettled() | e.ModelCallFailed():
                self._model(event, at)
            case e.ToolCalled():
                self._tools[(event.session, event.call)] = at
            case e.ToolReturned():
                begun = self._tools.pop((event.session, event.call), at)
                ended = min(at, begun + timedelta(milliseconds=event.duration_ms))
                self.of(event.task).tool.append((begun, ended))
            case e.QuestionAsked():
                self._asked[event.question] = at
            case e.ApprovalRequested():
                self._asked[event.approval.id] = at
            case e.QuestionAnswered():
                self.person.append((self._asked.pop(event.question, at), at))
            case e.ApprovalResolved():
                self.person.append((self._asked.pop(event.approval, at), at))
            case e.EscalationAsked():
                self.of(event.task).escalations += 1
            case e.ReceiptStored():
                spent = timedelta(milliseconds=sum(check.duration_ms for check in event.receipt.checks))
                self.of(event.task).proven.append((at - spent, at))
            case e.AttemptMeasured():
                self._measured(event)
            case e.RunPaused() | e.RunFinished():
                self._stop(at)
                self.state = event.state if isinstance(event, e.RunFinished) else RunState.PAUSED
            case _:
                pass
        self._last = at

    def close(self) -> None:
        """The log ends here; whoever was at work was so until the last event."""
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
        elif event.state.is_final:
            if (since := self._available.pop(event.task, None)) is not None:
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
        before = self.tiers.get(event.tier) or TierMetrics(tier=event.tier, calls=0, usd=ZERO, seconds=0.0)
        self.tiers[event.tier] = TierMetrics(
            tier=event.tier,
            calls=before.calls + 1,
            usd=before.usd + event.usd,
            seconds=before.seconds + (at - begun).total_seconds(),
        )

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


@dataclass
class _Measured:
    """The times of one task as unions of live intervals."""

    working: Spans
    review: Spans
    model: Spans
    tool: Spans
    gate: Spans
    available: Spans

    @property
    def active(self) -> Spans:
        return self.working | self.review

    @property
    def outstanding(self) -> Spans:
        return self.model | self.tool | self.gate


def _metrics(log: _Log) -> RunMetrics:
    assert log.started is not None, "a log begins with run_started"
    origin = log.started.at
    assert origin is not None

    def spans(raw: Iterable[tuple[datetime, datetime]]) -> Spans:
        return merged([((begun - origin).total_seconds(), (ended - origin).total_seconds()) for begun, ended in raw])

    live = spans(log.live)
    measured = {
        task: _Measured(
            working=spans(times.working) & live,
            review=spans(times.review) & live,
            model=spans(times.model) & live,
            tool=spans(times.tool) & live,
            gate=spans(times.gate or times.proven) & live,
            available=spans(times.available) & live,
        )
        for task, times in log.times.items()
    }
    tasks = {task: one for task, one in measured.items() if task is not None}
    outstanding = merged([span for one in measured.values() for span in one.outstanding.all])
    person = (spans(log.person) & live) - outstanding
    active = live - person
    working = merged([span for one in tasks.values() for span in one.active.all])
    execution = (live & working.hull).length
    task_time = sum(one.active.length for one in tasks.values())
    idle = sum((one.active - one.outstanding).length for one in tasks.values())
    return RunMetrics(
        run=log.started.run,
        epic=log.started.epic,
        kind=log.started.kind,
        state=log.state,
        workers=log.workers,
        peak_workers=overlaps([one.active for one in tasks.values()]),
        wall=_seconds(live.length),
        execution=_seconds(execution),
        task_time=_seconds(task_time),
        speed_up=_share(task_time, execution),
        utilization=_utilization(list(tasks.values()), log.workers),
        overhead=_share((active - outstanding).length, active.length) or 0.0,
        worker_overhead=_share(idle, task_time),
        coordinator=_share((spans(log.strong) & active).length, active.length) or 0.0,
        person=_seconds(person.length),
        queue=_seconds(sum(times.queue for times in log.times.values())),
        git=_seconds(sum(times.git for times in log.times.values())),
        git_commands=sum(times.git_commands for times in log.times.values()),
        attempts=sum(times.attempts for times in log.times.values()),
        escalations=sum(times.escalations for times in log.times.values()),
        usd=sum((times.usd for times in log.times.values()), ZERO),
        tiers=tuple(
            tier.model_copy(update={"seconds": _seconds(tier.seconds)})
            for tier in sorted(log.tiers.values(), key=lambda tier: tier.tier.value)
        ),
        tasks=_task_rows(log, tasks),
    )


def _task_rows(log: _Log, measured: Mapping[TaskId, _Measured]) -> tuple[TaskMetrics, ...]:
    order = [task.id for task in log.plan.tasks] if log.plan is not None else []
    rows = []
    for task in [*order, *(task for task in measured if task not in order)]:
        times = log.of(task)
        one = measured.get(task)
        if one is None:
            continue
        model = one.model & one.active
        tool = (one.tool & one.active) - model
        gate = (one.gate & one.active) - model - tool
        rest = one.active - model - tool - gate
        rows.append(
            TaskMetrics(
                task=task,
                state=times.state,
                attempts=times.attempts,
                escalations=times.escalations,
                calls=times.calls,
                usd=times.usd,
                waiting=_seconds((one.available - one.active).length),
                total=_seconds(one.active.length),
                model=_seconds(model.length),
                tool=_seconds(tool.length),
                gate=_seconds(gate.length),
                merge=_seconds((rest & one.review).length),
                other=_seconds((rest & one.working).length),
                queue=_seconds(times.queue),
                worktree=_seconds(times.worktree),
                git=_seconds(times.git),
                git_commands=times.git_commands,
            )
        )
    return tuple(rows)


def _utilization(tasks: Sequence[_Measured], workers: int) -> float | None:
    agents = min(workers, overlaps([one.available for one in tasks]))
    if agents == 0:
        return None
    span = _at_least(agents, [one.available for one in tasks])
    busy = sum((one.outstanding & one.active & span).length for one in tasks)
    return _share(busy, agents * span.length)


def _at_least(count: int, several: Sequence[Spans]) -> Spans:
    """The time in which at least `count` of them hold."""
    edges = sorted(edge for one in several for begun, ended in one.all for edge in ((begun, 1), (ended, -1)))
    found: list[tuple[float, float]] = []
    open_now, since = 0, 0.0
    for at, change in edges:
        if open_now < count <= open_now + change:
            since = at
        elif open_now >= count > open_now + change:
            found.append((since, at))
        open_now += change
    return merged(found)


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 else None


def _seconds(value: float) -> float:
    return round(value, 3)
