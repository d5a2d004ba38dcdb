"""What may start now, why the rest waits, and what never will. Pure: the state of a run in, ids and words out.

A task may start when what it needs is there (`task_graph.unmet`), when nothing that is at work claims the same
(`footprint.collision`), and when a worker is free. More urgent tasks go first, then those with the longer chain behind
them, then the plan's own order. What a task claims that could start but for a collision is kept for it: no less urgent
task takes it first, so urgent work is never overtaken by a row of others. Whoever is first in the order either starts
or waits for something that is at work, so the schedule never stands still.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from itertools import combinations

from equitr_coder.domain.epic import Plan, SyncPoint, Task, TaskState
from equitr_coder.domain.footprint import claim_of, collision
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, TaskId
from equitr_coder.domain.task_graph import (
    NO_FREE_WORKER,
    chain_lengths,
    collisions,
    prerequisites,
    promised,
    unmet,
    waiting_words,
)

_DEAD = frozenset({TaskState.FAILED, TaskState.BLOCKED, TaskState.CANCELLED})
_OPEN = frozenset({TaskState.WAITING, TaskState.READY})
_INTERRUPTED = (TaskState.WORKING, TaskState.REVIEW)


@frozen
class Now:
    """How far a run has got."""

    states: Mapping[TaskId, TaskState]
    running: Collection[TaskId] = ()
    """Tasks that a worker has in hand, whatever their state says."""
    parked: Collection[TaskId] = ()
    """Tasks that nobody takes up in this run any more; they hold nothing."""
    produced: Collection[str] = ()
    """Sync points with at least one version."""
    touched: Mapping[TaskId, Collection[str]] = field(default_factory=dict)
    """Files outside its footprint that a task changed or was allowed to change."""

    def is_held_back(self, task: TaskId) -> bool:
        """Handed in, and nobody merges it: it waits for what it needs, or was interrupted."""
        return self.states[task] is TaskState.REVIEW and task not in self.running and task not in self.parked


@frozen
class Outlook:
    start: tuple[TaskId, ...]
    """The ones to start or to take up again, first in front."""
    waiting: Mapping[TaskId, str]
    """Why each other task that nobody has in hand waits, in one line."""


class Schedule:
    """Of one plan; what does not change while it runs is worked out once."""

    def __init__(
        self,
        plan: Plan,
        *,
        agents: Mapping[TaskId, AgentName] | None = None,
        sizes: Mapping[TaskId, int] | None = None,
    ) -> None:
        """Two tasks of the same agent never run at once. `sizes` say how long tasks take, where somebody knows."""
        lengths = chain_lengths(plan, sizes)
        position = {task.id: index for index, task in enumerate(plan.tasks)}
        self._plan = plan
        self._tasks = {task.id: task for task in plan.tasks}
        self._order = sorted(plan.tasks, key=lambda task: (task.priority.rank, -lengths[task.id], position[task.id]))
        self._points = {task.id: promised(plan, task) for task in plan.tasks}
        self._before = prerequisites(plan)
        self._clashes: dict[tuple[TaskId, TaskId], str] = {}
        for (one, other), what in collisions(plan).items():
            self._clashes[one, other] = self._clashes[other, one] = what
        named = agents or {}
        self._shared_agents: dict[tuple[TaskId, TaskId], AgentName] = {}
        for one, other in combinations(named, 2):
            if named[one] == named[other]:
                self._shared_agents[one, other] = self._shared_agents[other, one] = named[one]

    def look(self, now: Now, *, slots: int) -> Outlook:
        """What to start with so many free workers."""
        done = {task for task, state in now.states.items() if state is TaskState.DONE}
        at_work = [task.id for task in self._order if task.id in now.running or now.is_held_back(task.id)]
        start: list[TaskId] = []
        waiting: dict[TaskId, str] = {}
        kept: list[Task] = []
        for task in self._idle(now):
            if words := self._misses(task, done, now):
                waiting[task.id] = words
            elif words := self._held(task, at_work, now):
                waiting[task.id] = words
                kept.append(task)
            elif words := self._kept(task, kept, now):
                waiting[task.id] = words
            elif len(start) >= slots and now.states[task.id] is not TaskState.REVIEW:
                waiting[task.id] = NO_FREE_WORKER
            else:
                start.append(task.id)
                at_work.append(task.id)
        return Outlook(tuple(start), waiting)

    def doomed(self, now: Now) -> dict[TaskId, TaskId]:
        """Tasks that nobody has in hand and that can never start, or never land, each with the task that dooms it."""
        lost = {task for task, state in now.states.items() if state in _DEAD}
        found: dict[TaskId, TaskId] = {}
        changed = True
        while changed:
            changed = False
            for task in self._plan.tasks:
                if task.id in found or not (self._is_open(task, now) or now.is_held_back(task.id)):
                    continue
                cause = next((other for other in self._relies_on(task, now) if other in lost), None)
                if cause is not None:
                    found[task.id] = cause
                    lost.add(task.id)
                    changed = True
        return found

    def _idle(self, now: Now) -> list[Task]:
        """Tasks to take up again, then tasks to start, each in order."""
        idle = [task for task in self._order if task.id not in now.running and task.id not in now.parked]
        interrupted = [task for state in _INTERRUPTED for task in idle if now.states[task.id] is state]
        return [*interrupted, *(task for task in idle if now.states[task.id] in _OPEN)]

    def _is_open(self, task: Task, now: Now) -> bool:
        return now.states[task.id] in _OPEN and task.id not in now.running and task.id not in now.parked

    def _relies_on(self, task: Task, now: Now) -> list[TaskId]:
        """What the task cannot do without: what it needs, and who still owes it a sync point."""
        owing = (other for other, points in self._points[task.id].items() if _pending(points, now))
        return [*task.needs, *owing]

    def _misses(self, task: Task, done: Collection[TaskId], now: Now) -> str:
        match now.states[task.id]:
            case TaskState.WORKING:
                return ""
            case TaskState.REVIEW:
                return waiting_words(self._plan, [(need, ()) for need in task.needs if need not in done])
            case _:
                missing = unmet(task, self._points[task.id], done=done, produced=now.produced)
                return waiting_words(self._plan, missing)

    def _held(self, task: Task, at_work: Sequence[TaskId], now: Now) -> str:
        if now.states[task.id] is TaskState.REVIEW:
            return ""  # its work is done, and it holds what it claims until it has landed
        for other in at_work:
            if now.is_held_back(other) and task.id in self._before[other]:
                continue  # that one waits for this one
            if agent := self._shared_agents.get((task.id, other)):
                return f"{agent} is busy with {other}"
            if what := self._clash(task.id, other, now):
                return f"{other} holds {what}"
        return ""

    def _kept(self, task: Task, kept: Sequence[Task], now: Now) -> str:
        for other in kept:
            if other.priority.rank < task.priority.rank and (what := self._clash(task.id, other.id, now)):
                return f"{what} is kept for {other.id}"
        return ""

    def _clash(self, one: TaskId, other: TaskId, now: Now) -> str:
        mine, theirs = now.touched.get(one, ()), now.touched.get(other, ())
        if not mine and not theirs:
            return self._clashes.get((one, other), "")
        return collision(claim_of(self._tasks[one], mine), claim_of(self._tasks[other], theirs))


def _pending(points: Iterable[SyncPoint], now: Now) -> bool:
    return any(point.id not in now.produced for point in points)
