"""Who does the tasks of a plan: what a person says, else what past runs and the profiles themselves tell."""

from collections.abc import Sequence

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import TaskAssigned
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView, TaskView, fold
from equitr_coder.domain.runs import RunState
from equitr_coder.domain.strengths import WORKER, Candidate, Strengths, choose, measure
from equitr_coder.ports import EventStore

MOST_RUNS = 50
"""Runs that are read for what profiles have done, newest first."""
BY_HAND = "chosen by hand"


async def measured(store: EventStore, workspace: str) -> Strengths:
    """What every worker profile has done in this workspace. Damaged logs are left out."""
    views: list[RunView] = []
    for row in await store.runs(workspace):
        if row.epic_number is None:
            continue  # a chat has no tasks
        try:
            views.append(fold(await store.read(row.run, transcripts=False)))
        except UserError:
            continue
        if len(views) == MOST_RUNS:
            break
    return measure(views)


def assign_free(view: RunView, workers: Sequence[Candidate], strengths: Strengths) -> list[TaskAssigned]:
    """A worker for every task that has none and is not done."""
    return _assign(view, [task.id for task in _open(view) if task.assigned is None], workers, strengths)


def assign(
    view: RunView, workers: Sequence[Candidate], strengths: Strengths, *, task: str | None, to: str | None
) -> list[TaskAssigned]:
    """As `epic assign` asks: `task` alone or all of them; `to` a named profile or to the best one. Nothing for tasks
    that have a worker already, unless `to` names another.

    Raises:
        UserError: the epic has no tasks to assign, or there is no such task or profile.
    """
    name = view.epic or view.run
    if view.plan is None:
        raise UserError(f"{name} has no plan yet", hint=f"equitrcoder resume {name} goes on with planning")
    if view.state in (RunState.COMPLETED, RunState.CANCELLED):
        raise UserError(f"{name} is {view.state.value} already", hint=f"`equitrcoder epic status {name}` shows it")
    chosen = [_find(view, task)] if task is not None else _open(view)
    if to is None:
        return _assign(view, [one.id for one in chosen if one.assigned is None], workers, strengths)
    known = [worker.name for worker in workers]
    if to not in known:
        raise UserError(
            f"there is no worker profile {to!r}",
            hint=f"known: {', '.join(sorted(known))}; a profile of your own is a file in ~/.equitr/profiles "
            "with `extends: worker`",
        )
    return [
        TaskAssigned(task=one.id, profile=to, by="user", why=BY_HAND)
        for one in chosen
        if one.assigned is None or (one.assigned.profile, one.assigned.by) != (to, "user")
    ]


def require_profiles(view: RunView, workers: Sequence[Candidate]) -> None:
    """Raises UserError when an open task is assigned to a profile that is not there any more."""
    known = {WORKER, *(worker.name for worker in workers)}
    name = view.epic or view.run
    for task in _open(view):
        is_at_work = task.state in (TaskState.WORKING, TaskState.REVIEW)
        wanted = (
            task.profiles.get(task.attempt, WORKER) if is_at_work else WORKER,
            task.assigned.profile if task.assigned is not None else WORKER,
        )
        gone = next((profile for profile in wanted if profile not in known), None)
        if gone is not None:
            other = f", or: equitrcoder epic assign {name} {task.id} --to {WORKER}" if gone == wanted[1] else ""
            raise UserError(
                f"{task.id} is in the hands of the worker profile {gone}, which is not there any more",
                hint=f"put the profile's file back{other}",
            )


def _assign(
    view: RunView, tasks: Sequence[TaskId], workers: Sequence[Candidate], strengths: Strengths
) -> list[TaskAssigned]:
    assert view.plan is not None
    held = {task.id: task.assigned.profile for task in view.tasks.values() if task.assigned is not None}
    choices = choose(
        view.plan, set(tasks), candidates=workers or (Candidate(WORKER),), strengths=strengths, assigned=held
    )
    return [TaskAssigned(task=one.task, profile=one.profile, by=one.by, why=one.why) for one in choices]


def _open(view: RunView) -> list[TaskView]:
    return [task for task in view.tasks.values() if task.state is not TaskState.DONE]


def _find(view: RunView, name: str) -> TaskView:
    task = next((task for task in view.tasks.values() if task.id.lower() == name.lower()), None)
    if task is None:
        raise UserError(f"{view.epic or view.run} has no task {name!r}", hint=f"its tasks are {', '.join(view.tasks)}")
    if task.state is TaskState.DONE:
        raise UserError(f"{task.id} is done already", hint="assign a task that is not")
    return task
