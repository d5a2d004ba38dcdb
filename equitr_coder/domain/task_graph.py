"""What follows from a plan's edges, sync points and footprints: order, what keeps a task waiting, what cannot run
together, and whether parallel work pays at all. Pure.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from equitr_coder.domain.epic import Plan, SyncPoint, Task
from equitr_coder.domain.footprint import claim_of, collision
from equitr_coder.domain.ids import TaskId

NO_FREE_WORKER = "no free worker"
_TITLE = 40
_NAMED = 3
_PAYS = 0.9
"""Parallel work that takes more than this share of the serial time is not worth its price."""
_WORK, _UNTIL_PRODUCED = 2, 1
"""The shape of a task where durations are unknown: all take as long, and promises are kept half-way."""


def chain_lengths(plan: Plan, sizes: Mapping[TaskId, int] | None = None) -> dict[TaskId, int]:
    """For each task what the longest chain that starts with it adds up to: its todos, or these `sizes`."""
    known = sizes if sizes is not None else {task.id: max(1, len(task.todos)) for task in plan.tasks}
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
        lengths[current] = known[current] + max((lengths[follower] for follower in followers[current]), default=0)
    return lengths


def prerequisites(plan: Plan) -> dict[TaskId, frozenset[TaskId]]:
    """Everything each task needs, directly or through others."""
    needs = {task.id: task.needs for task in plan.tasks}
    found: dict[TaskId, frozenset[TaskId]] = {}
    stack = list(needs)
    while stack:
        current = stack[-1]
        missing = [need for need in needs[current] if need not in found]
        if missing and current not in found:
            stack.extend(missing)
            continue
        stack.pop()
        found[current] = frozenset(needs[current]).union(*(found[need] for need in needs[current]))
    return found


def promised(plan: Plan, task: Task) -> dict[TaskId, list[SyncPoint]]:
    """Producer -> the sync points of it that this task consumes."""
    found: dict[TaskId, list[SyncPoint]] = {}
    for point in plan.consumed_by(task.id):
        found.setdefault(point.producer, []).append(point)
    return found


def unmet(
    task: Task,
    points: Mapping[TaskId, Collection[SyncPoint]],
    *,
    done: Collection[TaskId],
    produced: Collection[str],
) -> list[tuple[TaskId, tuple[SyncPoint, ...]]]:
    """What the task still waits for: a task, or sync points of one. `points` as `promised` gives them.

    Where a task consumes sync points of another, these stand for it: once all of them are produced, the producer
    needs not be done. Once it is done, nothing of it is waited for.
    """
    missing: list[tuple[TaskId, tuple[SyncPoint, ...]]] = []
    for other in dict.fromkeys((*task.needs, *points)):
        pending = tuple(point for point in points.get(other, ()) if point.id not in produced)
        if other not in done and (pending or other not in points):
            missing.append((other, pending))
    return missing


def waiting_words(plan: Plan, missing: Iterable[tuple[TaskId, Collection[SyncPoint]]]) -> str:
    """`waits for T1 (Schema) and sync point S1 of T3`; empty when nothing is missing."""
    named: list[str] = []
    for other, points in missing:
        title = plan.task(other).title
        short = title if len(title) <= _TITLE else f"{title[: _TITLE - 1].rstrip()}…"
        named += [f"sync point {point.id} of {other}" for point in points] or [f"{other} ({short})"]
    if len(named) > _NAMED:
        named = [*named[: _NAMED - 1], f"{len(named) - _NAMED + 1} more"]
    return f"waits for {' and '.join(filter(None, (', '.join(named[:-1]), *named[-1:])))}" if named else ""


def collisions(plan: Plan) -> dict[tuple[TaskId, TaskId], str]:
    """Pairs in plan's order that must not be at work at once, each with what both claim; ordered pairs as well,
    because a sync point may let them meet.
    """
    claims = [(task.id, claim_of(task)) for task in plan.tasks]
    found = {(one, other): collision(mine, theirs) for (one, mine), (other, theirs) in combinations(claims, 2)}
    return {pair: what for pair, what in found.items() if what}


def unordered_collisions(plan: Plan) -> dict[tuple[TaskId, TaskId], str]:
    """Only pairs that nothing but their footprints keeps apart."""
    before = prerequisites(plan)
    return {
        (one, other): what
        for (one, other), what in collisions(plan).items()
        if one not in before[other] and other not in before[one]
    }


def serial_advice(plan: Plan) -> str:
    """Why one worker does this plan as well as many, in one line; empty when parallel work pays."""
    count = len(plan.tasks)
    if count < 2:
        return ""
    length = _parallel_length(plan) / _WORK
    if length <= count * _PAYS:
        return ""
    what = (
        f"no two of the {count} tasks can run at the same time"
        if length == count
        else (f"many workers would save less than a tenth of the time that one takes for the {count} tasks")
    )
    clashes = [f"{one} and {other} share {what}" for (one, other), what in unordered_collisions(plan).items()]
    more = [f"{len(clashes) - _NAMED} more pairs collide"] if len(clashes) > _NAMED else []
    why = "; ".join([*clashes[:_NAMED], *more]) or "each needs another"
    return f"serial work is the better choice: {what} ({why}); one worker does the same (--max-workers 1)"


def _parallel_length(plan: Plan) -> int:
    """Time of a greedy schedule with a worker for every task, the longest chain first, in halves of a task."""
    clashing: dict[TaskId, set[TaskId]] = {task.id: set() for task in plan.tasks}
    for one, other in collisions(plan):
        clashing[one].add(other)
        clashing[other].add(one)
    lengths = chain_lengths(plan)
    points = {task.id: promised(plan, task) for task in plan.tasks}
    waiting = sorted(plan.tasks, key=lambda task: -lengths[task.id])
    ends: dict[TaskId, int] = {}
    now = 0
    while True:
        done = {task for task, end in ends.items() if end <= now}
        kept = {task for task, end in ends.items() if end - _WORK + _UNTIL_PRODUCED <= now}
        produced = {point.id for point in plan.sync_points if point.producer in kept}
        for task in tuple(waiting):
            is_free = not any(ends.get(other, 0) > now for other in clashing[task.id])
            if is_free and not unmet(task, points[task.id], done=done, produced=produced):
                ends[task.id] = now + _WORK
                waiting.remove(task)
        later = [time for end in ends.values() for time in (end - _WORK + _UNTIL_PRODUCED, end) if time > now]
        if not later:
            return max(ends.values(), default=0)
        now = min(later)
