"""Who should do a task: by measured strength at its type, else by what a profile says of itself, else by load. Pure.

The score of a profile at a type of task is `(first + later / 2 + 1) / (ended + 2)`: the share of tasks it did at its
first attempt, a task that took it more counting half, by Laplace's rule of succession, so that no history is 1/2 and
little history stays near it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import SessionId, TaskId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.run_view import RunView, TaskView

WORKER = "worker"
"""The profile that does what is assigned to nobody; also of every attempt in logs that name none."""
ENOUGH = 2
"""Ended tasks of a type, of all candidates together, from which on history decides."""
_NOBODYS_FAULT = frozenset(
    {StopReason.INTERNAL_ERROR, StopReason.CHECK_UNPROVEN, StopReason.INTERRUPTED, StopReason.CANCELLED}
)


@frozen
class Candidate:
    """A worker profile that a task can be given to."""

    name: str
    specialization: str = ""


@frozen
class Record:
    """What a profile has done of one type of task."""

    first: int = 0
    """Done at the profile's first attempt."""
    later: int = 0
    """Done, but not at the first attempt."""
    failed: int = 0
    """Given up by it: failed for good, or done by another profile in the end."""

    @property
    def ended(self) -> int:
        return self.first + self.later + self.failed

    @property
    def score(self) -> Fraction:
        return (self.first + Fraction(self.later, 2) + 1) / (self.ended + 2)


@frozen
class Choice:
    task: TaskId
    profile: str
    by: Literal["analytics", "declared", "load"]
    why: str


Strengths = Mapping[tuple[str, str], Record]
"""(profile, type of task) -> what it has done."""


def measure(views: Iterable[RunView]) -> Strengths:
    """The records of every profile in these runs. Tasks that have not ended say nothing."""
    found: dict[tuple[str, str], Record] = {}
    for view in views:
        for task in view.tasks.values():
            if view.plan is None or task.id not in {known.id for known in view.plan.tasks}:
                continue
            for profile, (first, later, failed) in _outcomes(view, task):
                key = (profile, type_of(view.plan.task(task.id)))
                before = found.get(key, Record())
                found[key] = Record(before.first + first, before.later + later, before.failed + failed)
    return found


def choose(
    plan: Plan,
    tasks: Collection[TaskId],
    *,
    candidates: Sequence[Candidate],
    strengths: Strengths,
    assigned: Mapping[TaskId, str],
) -> list[Choice]:
    """A profile for each of `tasks`, in plan order. `assigned` is who has what already; it counts as load. The same
    input gives the same answer whatever the order of the candidates. There is at least one.
    """
    load = {candidate.name: 0 for candidate in candidates}
    for profile in assigned.values():
        load[profile] = load.get(profile, 0) + 1
    choices: list[Choice] = []
    for task in plan.tasks:
        if task.id in tasks:
            choice = _choose(task, sorted(candidates, key=lambda candidate: candidate.name), strengths, load)
            load[choice.profile] += 1
            choices.append(choice)
    return choices


def type_of(task: Task) -> str:
    return task.type.strip().lower()


def described(record: Record) -> str:
    """`score 0.75, 2 of 2 at the first attempt`."""
    later = f", {record.later} later" if record.later else ""
    return f"score {float(record.score):.2f}, {record.first} of {record.ended} at the first attempt{later}"


def _choose(task: Task, candidates: Sequence[Candidate], strengths: Strengths, load: Mapping[str, int]) -> Choice:
    if len(candidates) == 1:
        return Choice(task.id, candidates[0].name, "load", "the only worker profile")
    kind = type_of(task)
    records = {candidate.name: strengths.get((candidate.name, kind), Record()) for candidate in candidates}
    ended = sum(record.ended for record in records.values())
    note = f"history does not tell them apart at {kind}" if ended >= ENOUGH else f"too little history of {kind}"
    pool = list(candidates)
    if ended >= ENOUGH:
        best = max(record.score for record in records.values())
        pool = [candidate for candidate in candidates if records[candidate.name].score == best]
        if len(pool) == 1:
            others = [name for name in records if name != pool[0].name]
            second = max(others, key=lambda name: records[name].score)
            why = f"{kind}: {described(records[pool[0].name])}; next is {second}: {described(records[second])}"
            return Choice(task.id, pool[0].name, "analytics", why)
    fit = {candidate.name: _fit(candidate, task) for candidate in pool}
    fitting = [candidate for candidate in pool if fit[candidate.name] == max(fit.values())]
    if len(fitting) == 1 and len(pool) > 1:
        chosen = fitting[0]
        area = task.specialization or kind
        what = f"declared for {chosen.specialization}" if fit[chosen.name] > 1 else f"nobody is declared for {area}"
        return Choice(task.id, chosen.name, "declared", f"{what}; {note}")
    chosen = min(fitting, key=lambda candidate: (load[candidate.name], candidate.name))
    return Choice(task.id, chosen.name, "load", f"fewest tasks so far ({load[chosen.name]}); {note}")


def _fit(candidate: Candidate, task: Task) -> int:
    """2 for one declared for the task's area, 1 for one declared for nothing, 0 for one declared for something else."""
    declared = _words(candidate.specialization)
    if not declared:
        return 1
    return 2 if declared & _words(f"{task.specialization} {task.type}") else 0


def _words(text: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _outcomes(view: RunView, task: TaskView) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Each profile that tried the task, with one under first, later or failed."""
    if task.state not in (TaskState.DONE, TaskState.FAILED) or not task.attempt or task.reason in _NOBODYS_FAULT:
        return
    tried = [task.profiles.get(number, WORKER) for number in range(1, task.attempt + 1)]
    is_own = task.state is TaskState.DONE and not _was_lent(view, task)
    for profile in dict.fromkeys(tried):
        if not (is_own and profile == tried[-1]):
            yield profile, (0, 0, 1)
        elif tried.count(profile) == 1:
            yield profile, (1, 0, 0)
        else:
            yield profile, (0, 1, 0)


def _was_lent(view: RunView, task: TaskView) -> bool:
    """Whether a stronger model than the one before made the last attempt: that is not the profile's strength."""
    work = (row for row in view.ledger.values() if row.task == task.id and row.purpose is Purpose.WORK)
    tiers = {row.session: row.tier for row in work}
    first, last = (tiers.get(SessionId(f"{task.id}.{number}")) for number in (1, task.attempt))
    return first is Tier.WEAK and last is Tier.STRONG
