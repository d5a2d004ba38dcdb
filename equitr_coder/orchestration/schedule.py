"""What may start now, and what never will. Pure: states in, ids out."""

from collections.abc import Mapping
from functools import lru_cache

from equitr_coder.domain.epic import Plan, TaskState
from equitr_coder.domain.ids import TaskId

_DEAD = frozenset({TaskState.FAILED, TaskState.BLOCKED, TaskState.CANCELLED})
_OPEN = frozenset({TaskState.WAITING, TaskState.READY})


def startable(plan: Plan, states: Mapping[TaskId, TaskState], *, slots: int) -> list[TaskId]:
    """At most `slots` tasks whose prerequisites are done, the ones to start first in front.

    Order: priority, then the longest chain of tasks that still waits behind it, then the plan's own order.
    """
    lengths = chain_lengths(plan)
    ready = [
        task
        for task in plan.tasks
        if states[task.id] in _OPEN and all(states[need] is TaskState.DONE for need in task.needs)
    ]
    position = {task.id: index for index, task in enumerate(plan.tasks)}
    ready.sort(key=lambda task: (task.priority.rank, -lengths[task.id], position[task.id]))
    return [task.id for task in ready[: max(0, slots)]]


def doomed(plan: Plan, states: Mapping[TaskId, TaskState]) -> dict[TaskId, TaskId]:
    """Tasks that can never start, each with the unfinished prerequisite that dooms it."""
    dead = {task_id for task_id, state in states.items() if state in _DEAD}
    found: dict[TaskId, TaskId] = {}
    changed = True
    while changed:
        changed = False
        for task in plan.tasks:
            if states[task.id] in _OPEN and task.id not in found:
                cause = next((need for need in task.needs if need in dead or need in found), None)
                if cause is not None:
                    found[task.id] = cause
                    changed = True
    return found


def waits_for(plan: Plan, states: Mapping[TaskId, TaskState], task_id: TaskId) -> tuple[TaskId, ...]:
    """The prerequisites of a task that are not done yet."""
    return tuple(need for need in plan.task(task_id).needs if states[need] is not TaskState.DONE)


@lru_cache(maxsize=32)
def chain_lengths(plan: Plan) -> Mapping[TaskId, int]:
    """For each task the number of tasks on the longest chain that starts with it."""
    followers: dict[TaskId, list[TaskId]] = {task.id: [] for task in plan.tasks}
    for task in plan.tasks:
        for need in task.needs:
            followers[need].append(task.id)
    lengths: dict[TaskId, int] = {}
    stack = [task.id for task in plan.tasks]
    while stack:
        current = stack[-1]
        missing = [follower for follower in followers[current] if follower not in lengths]
        if missing and current not in lengths:
            stack.extend(missing)
            continue
        stack.pop()
        lengths[current] = 1 + max((lengths[follower] for follower in followers[current]), default=0)
    return lengths
