"""Where the time and the money of one run went: computed from its events and from nothing else.

Times are seconds. An interval is *live* while a process worked on the run; pauses and the time between a death and the
resume count nowhere. What is *outstanding* of somebody is a model call (with the waits before its next try), a tool, or
a command of the gate that runs; reviews and answers of the supervisor are model calls of the task they are for.

- `wall` is the live time of the whole run, `execution` the live time from the first task's start to the last one's end.
- `task_time` sums over tasks the live time in which each was worked on or reviewed; `speed_up = task_time / execution`.
- `overhead = (active - |outstanding of anybody|) / active`, where `active` is `wall` without the moments in which
  nothing was outstanding and a person was waited for (a question, an approval). |...| is the length of a union: while
  one worker waits for a model, what the host does for another costs the run nothing.
- `execution_overhead` is the same between the first task's start and the last one's end: without what the start of the
  program, the planning and the landing cost.
- `worker_overhead = sum over tasks(task time - |outstanding of the task|) / task_time`: what each worker itself waited
  for the host: git, checkouts, the log, its turn in the merge queue.
- `utilization = sum over tasks |outstanding of the task while its worker is at work, inside span| / (agents * |span|)`,
  where `agents` is the number of workers allowed, or the most tasks that could be worked on at once when those were
  fewer, and `span` is the time in which at least that many could be: their prerequisites were done, and they were
  neither done nor handed in. A handed-in task keeps no worker, so its checks and its review count for nobody.
- `coordinator` is the share of `active` in which a strong model was outstanding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.events import Event
from equitr_coder.domain.ids import EpicId, RunId, TaskId
from equitr_coder.domain.models import Tier
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.run_times import Interval, RunTimes
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.domain.time_spans import Spans, merged, overlaps
from equitr_coder.domain.value import Value


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
    execution_overhead: float | None
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
    strong_alone: Decimal | None
    """What all tokens would have cost at the strong model's rates; None when it was not called, or has no price."""
    tiers: tuple[TierMetrics, ...]
    tasks: tuple[TaskMetrics, ...]


def measure(events: Iterable[Event]) -> RunMetrics:
    """`events` are the whole log of one run, in order."""
    log = RunTimes()
    for event in events:
        log.add(event)
    return metrics_of(log)


def metrics_of(log: RunTimes) -> RunMetrics:
    """Of a log that may go on: as if it ended with its last event."""
    return _metrics(log.ended())


@dataclass
class _Measured:
    """The times of one task as unions of live intervals."""

    working: Spans
    review: Spans
    model: Spans
    tool: Spans
    gate: Spans
    available: Spans
    """Its prerequisites are done, and it is not."""

    @property
    def workable(self) -> Spans:
        return self.available - self.review

    @property
    def active(self) -> Spans:
        return self.working | self.review

    @property
    def outstanding(self) -> Spans:
        return self.model | self.tool | self.gate


def _metrics(log: RunTimes) -> RunMetrics:
    assert log.started is not None, "a log begins with run_started"
    origin = log.started.at
    assert origin is not None

    def spans(raw: Iterable[Interval]) -> Spans:
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
        peak_workers=overlaps([one.working for one in tasks.values()]),
        wall=_seconds(live.length),
        execution=_seconds(execution),
        task_time=_seconds(task_time),
        speed_up=_share(task_time, execution),
        utilization=_utilization(list(tasks.values()), log.workers),
        overhead=_share((active - outstanding).length, active.length) or 0.0,
        execution_overhead=_share((active & working.hull - outstanding).length, (active & working.hull).length),
        worker_overhead=_share(idle, task_time),
        coordinator=_share((spans(log.strong) & active).length, active.length) or 0.0,
        person=_seconds(person.length),
        queue=_seconds(sum(times.queue for times in log.times.values())),
        git=_seconds(sum(times.git for times in log.times.values())),
        git_commands=sum(times.git_commands for times in log.times.values()),
        attempts=sum(times.attempts for times in log.times.values()),
        escalations=sum(times.escalations for times in log.times.values()),
        usd=sum((times.usd for times in log.times.values()), ZERO),
        strong_alone=_strong_alone(log),
        tiers=tuple(
            TierMetrics(tier=name, calls=tier.calls, usd=tier.usd, seconds=_seconds(tier.seconds))
            for name, tier in sorted(log.tiers.items())
        ),
        tasks=_task_rows(log, tasks),
    )


def _task_rows(log: RunTimes, measured: Mapping[TaskId, _Measured]) -> tuple[TaskMetrics, ...]:
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


def _strong_alone(log: RunTimes) -> Decimal | None:
    strong = log.tiers.get(Tier.STRONG)
    if strong is None or strong.price is None:
        return None
    return sum((strong.price.cost(tier.usage) for tier in log.tiers.values()), ZERO)


def _utilization(tasks: Sequence[_Measured], workers: int) -> float | None:
    agents = min(workers, overlaps([one.workable for one in tasks]))
    if agents == 0:
        return None
    span = _at_least(agents, [one.workable for one in tasks])
    busy = sum((one.outstanding & one.working & span).length for one in tasks)
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
