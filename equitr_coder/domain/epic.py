"""Plan, tasks and their graph. Pure: validation, order and states, no clock and no files."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import Field, field_validator, model_validator

from equitr_coder.domain.ids import AgentName, EpicId, TaskId
from equitr_coder.domain.value import Value


class Priority(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 is most urgent."""
        return list(Priority).index(self)


class TaskState(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    WORKING = "working"
    REVIEW = "review"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (TaskState.DONE, TaskState.FAILED, TaskState.BLOCKED, TaskState.CANCELLED)


class ArtifactType(StrEnum):
    TYPES = "types"
    SCHEMAS = "schemas"
    CONTRACTS = "contracts"
    INTERFACES = "interfaces"


class SyncPoint(Value):
    """A promise of an artifact by one task to others."""

    id: str
    type: ArtifactType = ArtifactType.CONTRACTS
    description: str = ""
    producer: TaskId
    consumers: tuple[TaskId, ...] = ()
    detected: bool = False
    """Proposed by the host from the plan's order; the planner did not name it."""

    @field_validator("type", mode="before")
    @classmethod
    def _accept_singular(cls, value: Any) -> Any:
        if isinstance(value, str):
            text = value.strip().lower()
            return text if text in set(ArtifactType) or text == "types" else f"{text}s"
        return value


class Task(Value):
    """What is scheduled: one agent, one worktree, one result."""

    id: TaskId = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = Field(min_length=1)
    description: str = ""
    type: str = "code"
    specialization: str = ""
    priority: Priority = Priority.MEDIUM
    needs: tuple[TaskId, ...] = ()
    files: tuple[str, ...] = ()
    """The footprint: paths or globs the task says it will touch. Empty means it did not say."""
    symbols: tuple[str, ...] = ()
    """The part of a footprint file it will touch, as `path::Name` or `path::Class.method`: two tasks may share a file
    of which they name different symbols. A file without symbols is claimed whole.
    """
    resources: tuple[str, ...] = ()
    """What only one task at a time may use besides files: `port:8080`, `db:test`, `cpu`."""
    covers: tuple[str, ...] = ()
    """Numbers of the requirements it fulfils, such as `2.1.3`."""
    todos: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """What the task will run besides its check, each one line; approved with the plan, to the letter."""
    check: str | None = None
    """Shell command that proves the task; None means `checks.default`, and without one the result is unchecked."""
    check_reason: str = ""
    """Why the check passes before the task is done, or why there is none."""
    check_waived: bool = False
    """The plan says `check: none`, which is more than to leave it out."""
    critical: bool = False
    """The planner's mark: always reviewed."""

    @model_validator(mode="before")
    @classmethod
    def _read_none(cls, values: Any) -> Any:
        said = values.get("check") if isinstance(values, dict) else None
        is_none = isinstance(said, str) and said.strip().lower() == "none"
        return values | {"check_waived": True} if is_none else values

    @field_validator("priority", mode="before")
    @classmethod
    def _lower_priority(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("needs", "files", "symbols", "resources", "covers", "todos", "commands", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("check", mode="before")
    @classmethod
    def _blank_is_none(cls, value: Any) -> Any:
        """`none` is how a plan says that a task has no check."""
        return None if isinstance(value, str) and value.strip().lower() in ("", "none") else value


class Plan(Value):
    """What the planner submits and the user approves."""

    title: str = Field(min_length=1)
    tasks: tuple[Task, ...] = Field(min_length=1)
    sync_points: tuple[SyncPoint, ...] = ()

    def task(self, task_id: TaskId) -> Task:
        return next(task for task in self.tasks if task.id == task_id)

    def point(self, sync_point: str) -> SyncPoint | None:
        return next((point for point in self.sync_points if point.id == sync_point), None)

    def produced_by(self, task_id: TaskId) -> tuple[SyncPoint, ...]:
        return tuple(point for point in self.sync_points if point.producer == task_id)

    def consumed_by(self, task_id: TaskId) -> tuple[SyncPoint, ...]:
        return tuple(point for point in self.sync_points if task_id in point.consumers)

    @property
    def todo_numbers(self) -> dict[TaskId, tuple[int, ...]]:
        """The continuous number of every todo line, by task; numbers start at 1 and follow plan order."""
        numbers: dict[TaskId, tuple[int, ...]] = {}
        start = 1
        for task in self.tasks:
            numbers[task.id] = tuple(range(start, start + len(task.todos)))
            start += len(task.todos)
        return numbers


class Epic(Value):
    """The approved plan with its identity."""

    id: EpicId
    plan: Plan
    branch: str
    """Integration branch, `equitr/epic-NNN`."""


def plan_problems(plan: Plan) -> list[str]:
    """Everything that makes the plan unusable, in words for the planner; empty when it is sound."""
    problems: list[str] = []
    ids = [task.id for task in plan.tasks]
    duplicates = sorted({task_id for task_id in ids if ids.count(task_id) > 1})
    problems += [f"task id {task_id} is used more than once" for task_id in duplicates]
    known = set(ids)
    for task in plan.tasks:
        for need in task.needs:
            if need == task.id:
                problems.append(f"cycle: {task.id} → {task.id}")
            elif need not in known:
                problems.append(f"task {task.id} needs {need}, which is not a task of this plan")
    for point in plan.sync_points:
        for task_id in (point.producer, *point.consumers):
            if task_id not in known:
                problems.append(f"sync point {point.id} names {task_id}, which is not a task of this plan")
    if not problems:
        cycle = find_cycle(plan.tasks)
        if cycle:
            problems.append("cycle: " + " → ".join(cycle))
        elif cycle := find_cycle(plan.tasks, plan.sync_points):
            problems.append(f"cycle: {' → '.join(cycle)} (a task waits for the sync points that it consumes as well)")
    return problems


def find_cycle(tasks: Iterable[Task], points: Iterable[SyncPoint] = ()) -> tuple[TaskId, ...]:
    """A path `A, B, ..., A` where each task needs the next, or consumes one of `points` that it produces."""
    graph = {task.id: list(task.needs) for task in tasks}
    for point in points:
        for consumer in point.consumers:
            if consumer != point.producer:
                graph[consumer].append(point.producer)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[TaskId] = list(error.args[1])
        cycle.reverse()  # graphlib lists each node before the one that depends on it
        start = min(range(len(cycle) - 1), key=lambda i: list(graph).index(cycle[i]))
        ring = cycle[:-1]
        return (*ring[start:], *ring[:start], ring[start])
    return ()


def dependents(plan: Plan, task_id: TaskId) -> set[TaskId]:
    """Every task that needs `task_id`, directly or through others."""
    found: set[TaskId] = set()
    frontier = {task_id}
    while frontier:
        frontier = {task.id for task in plan.tasks if frontier & set(task.needs)} - found
        found |= frontier
    return found


def agent_names(plan: Plan) -> Mapping[TaskId, AgentName]:
    """A name for the worker of each task, by area: `infrastructure_worker`, `backend_worker_1`, `backend_worker_2`."""
    areas = {task.id: _area(task.specialization) for task in plan.tasks}
    counts: dict[str, int] = {}
    names: dict[TaskId, AgentName] = {}
    for task_id, area in areas.items():
        stem = f"{area}_worker" if area else "worker"
        if sum(other == area for other in areas.values()) > 1:
            counts[area] = counts.get(area, 0) + 1
            stem = f"{stem}_{counts[area]}"
        names[task_id] = AgentName(stem)
    return names


def _area(specialization: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in specialization.lower()).split())
