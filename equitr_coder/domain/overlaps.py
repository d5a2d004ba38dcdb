"""Which tasks touch the same files though nothing orders them. Pure."""

from collections.abc import Collection, Mapping
from itertools import combinations

from equitr_coder.domain.epic import Plan, dependents
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId


@frozen
class Overlap:
    tasks: tuple[TaskId, TaskId]
    files: tuple[str, ...]


def overlaps(plan: Plan, changed: Mapping[TaskId, Collection[str]]) -> tuple[Overlap, ...]:
    """Each pair of tasks with the files that both changed, in plan order. A pair of which one needs the other, directly
    or through others, is none: the second builds on the first.
    """
    found: list[Overlap] = []
    for one, other in combinations([task.id for task in plan.tasks], 2):
        files = tuple(sorted(set(changed.get(one, ())) & set(changed.get(other, ()))))
        if files and not is_ordered(plan, one, other):
            found.append(Overlap((one, other), files))
    return tuple(found)


def is_ordered(plan: Plan, one: TaskId, other: TaskId) -> bool:
    return other in dependents(plan, one) or one in dependents(plan, other)
