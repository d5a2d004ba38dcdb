"""What each task of a run waits for, always by name: the same words on every screen."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from equitr_coder.domain.conflicts import ConflictStage, ConflictState
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.run_view import ConflictView, RunView, TaskView
from equitr_coder.domain.runs import RunState
from equitr_coder.domain.task_graph import promised, unmet
from equitr_coder.presentation.figures import countdown
from equitr_coder.presentation.happenings import Happenings
from equitr_coder.presentation.text import first_line, prose, visible

_NAMED = 3
_NOTHING_LEFT = timedelta()


@frozen
class Wait:
    """`on` is whom or what: `needs T5`, `contract S1 of T3`, `gate`, `review`, `turn in the merge queue`,
    `rate limit 0:22`, `you`, `supervisor`, `T3 holds a.py`, `a free worker`, `resume`, `more money`.
    """

    on: str
    about: str = ""
    """One line more: the question, the command."""
    is_person: bool = False
    is_conflict: bool = False
    is_held: bool = False
    """The person has stopped its worker for now; nobody asks anything."""


def wait_of(view: RunView, happenings: Happenings, task: TaskView, now: datetime) -> Wait | None:
    """None for a task that is at work, or at its end."""
    if task.state.is_final:
        return None
    found = _of_person(view, task) or _of_supervisor(view, task)
    if found is not None:
        return found
    if f"task {task.id}" in happenings.short:
        return Wait("more money", about=f"the budget of {task.id} is reached", is_person=True)
    if task.is_held:
        return Wait("you", "held: p lets it go on", is_held=True)
    if view.state is not RunState.RUNNING:
        return Wait("resume" if view.state is RunState.PAUSED else "the end of the run")
    match task.state:
        case TaskState.WORKING:
            return _of_provider(happenings, task, now)
        case TaskState.REVIEW:
            return Wait(task.waits.removeprefix("waits for ")) if task.waits else _of_merge(view, happenings, task)
        case _:
            return _to_start(view, task)


def waits_for_person(view: RunView, found: ConflictView) -> bool:
    """Whether its task stands still until the person says how it merges, or whether it may."""
    task = view.tasks.get(found.conflict.tasks[0])
    return (
        found.is_open
        and found.state is ConflictState.ESCALATED
        and found.conflict.stage is not ConflictStage.FORECAST
        and task is not None
        and task.state is TaskState.REVIEW
        and task.attempt == found.conflict.attempt
    )


def _of_person(view: RunView, task: TaskView) -> Wait | None:
    for approval in view.approvals.values():
        if approval.task == task.id:
            if approval.tool == "merge":
                return Wait("you", "a merge is proposed", is_person=True, is_conflict=True)
            if approval.is_verdict:
                return Wait("you", "its reviewers disagree", is_person=True, is_conflict=True)
            return Wait("you", f"{approval.tool} {first_line(visible(approval.what))}", is_person=True)
    for question in view.questions.values():
        if question.task == task.id:
            return Wait("you", first_line(prose(question.text)), is_person=True)
    for found in view.conflicts.values():
        if found.conflict.tasks[0] == task.id and waits_for_person(view, found):
            where = f" in {', '.join(found.conflict.paths)}" if found.conflict.paths else ""
            others = f" with {', '.join(found.conflict.tasks[1:])}" if found.conflict.tasks[1:] else ""
            return Wait("you", f"conflict {found.conflict.id}{others}{where}", is_person=True, is_conflict=True)
    return None


def _of_supervisor(view: RunView, task: TaskView) -> Wait | None:
    for asked, answered in reversed(view.escalations):
        if asked.task == task.id and answered is None and view.state is RunState.RUNNING:
            return Wait("supervisor", first_line(prose(asked.question)))
    return None


def _of_provider(happenings: Happenings, task: TaskView, now: datetime) -> Wait | None:
    delay = next(
        (delay for session, delay in happenings.delays.items() if session == f"{task.id}.{task.attempt}"), None
    )
    if delay is None:
        return None
    return Wait(f"{delay.words} {countdown(max(_NOTHING_LEFT, delay.until - now))}")


def _of_merge(view: RunView, happenings: Happenings, task: TaskView) -> Wait:
    asks = any(row.is_open and row.purpose is Purpose.REVIEW and row.task == task.id for row in view.ledger.values())
    if asks:
        return Wait("review")
    return Wait("gate" if task.id in happenings.queue else "merge queue")


def _to_start(view: RunView, task: TaskView) -> Wait:
    planned = next((one for one in view.plan.tasks if one.id == task.id), None) if view.plan is not None else None
    if view.plan is None or planned is None or not view.is_approved:
        return Wait("your approval of the plan", is_person=False)
    needed = _needed(view, view.plan, planned)
    if needed:
        return Wait(needed)
    said = prose(task.waits).removeprefix("waits for ")
    return Wait({"": "its turn", "no free worker": "a free worker"}.get(said, said))


def _needed(view: RunView, plan: Plan, task: Task) -> str:
    """`needs T4,T6`, `contract S1 of T3`; what is both stands behind a comma."""
    done = {other.id for other in view.tasks.values() if other.state is TaskState.DONE}
    produced = {name for name, point in view.sync_points.items() if point.newest is not None}
    missing = unmet(task, promised(plan, task), done=done, produced=produced)
    whole = [other for other, points in missing if not points]
    parts = [f"needs {_some(whole)}"] if whole else []
    owed = [f"{point.id} of {other}" for other, points in missing for point in points]
    if owed:
        parts.append(f"contract {_some(owed)}")
    return ", ".join(parts)


def _some(names: Sequence[str]) -> str:
    return ",".join(names[:_NAMED]) + (f" +{len(names) - _NAMED}" if len(names) > _NAMED else "")
