"""A person's word on one task of a run that nobody drives: the next resume obeys it."""

from typing import assert_never

from equitr_coder.domain.commands import HoldTask, ReleaseTask, StopTask
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import Event, RunPaused, RunResumed, TaskChanged
from equitr_coder.domain.run_view import RunView, TaskView
from equitr_coder.domain.runs import RunState
from equitr_coder.orchestration.conflict_log import ended_with
from equitr_coder.orchestration.holding import held, let_go, nothing_else, require_stoppable, stopped


def told(view: RunView, command: HoldTask | ReleaseTask | StopTask) -> list[Event]:
    """Of a run that is paused, broken off, or has failed and can be tried again.

    Raises:
        UserError: it makes no sense for this task, or for any task of this run, now.
    """
    task = _find(view, command.task)
    name = view.epic or view.run
    match command:
        case HoldTask():
            return _after(view, _held(view, task), holds=task)
        case ReleaseTask():
            if not task.is_held:
                raise UserError(f"{task.id} is not held", hint="only what was held can be let go on")
            return _after(view, [let_go(task.id)])
        case StopTask():
            if view.state.is_final:
                hint = f"`equitrcoder epic hold {task.id} --run {name}` keeps it from being tried again"
                raise UserError(f"{name} has ended, and nothing of {task.id} goes on", hint=hint)
            require_stoppable(task, landing=_landing(name))
            return _after(view, [stopped(task), *ended_with(view, task.id, None)])
        case _ as unreachable:
            assert_never(unreachable)


def tried_again(task: TaskView) -> list[TaskChanged]:
    """What lets a task of a failed run that is resumed begin anew; nothing for one that did not end so."""
    match task.state:
        case TaskState.FAILED | TaskState.CANCELLED:
            ready = TaskState.READY if task.attempt else TaskState.WAITING
            return [TaskChanged(task=task.id, state=ready, reason=task.reason, detail=task.detail)]
        case TaskState.BLOCKED:
            return [TaskChanged(task=task.id, state=TaskState.WAITING)]
        case _:
            return []


def _find(view: RunView, wanted: str) -> TaskView:
    name = view.epic or view.run
    if view.epic is None:
        raise UserError(f"{name} has no tasks", hint="`equitrcoder epic list` lists the epics, which have")
    if not view.is_approved:
        hint = f"`equitrcoder epic run {name}` approves its plan and executes it"
        raise UserError(f"nothing of {name} is being built yet", hint=hint)
    if view.state.is_final and not view.can_be_tried_again:
        raise UserError(f"{name} is {view.state.value} already", hint=f"`equitrcoder epic status {name}` shows it")
    task = next((task for task in view.tasks.values() if task.id.lower() == wanted.lower()), None)
    if task is None:
        raise UserError(f"{name} has no task {wanted!r}", hint=f"its tasks are {', '.join(view.tasks)}")
    return task


def _held(view: RunView, task: TaskView) -> list[Event]:
    name = view.epic or view.run
    if task.is_held:
        hint = f"`equitrcoder epic release {task.id} --run {name}` lets it go on"
        raise UserError(f"{task.id} is held already", hint=hint)
    again = tried_again(task) if view.state.is_final else []
    if not again:
        require_stoppable(task, landing=_landing(name))
    return [*again, held(task.id)]


def _landing(name: str) -> str:
    return f"`equitrcoder resume {name}` lands it, or gives it back to its worker"


def _after(view: RunView, events: list[Event], *, holds: TaskView | None = None) -> list[Event]:
    """With a new word on why the run waits, where it waits for what is held."""
    if view.state is not RunState.PAUSED or view.reason is not StopReason.HELD:
        return events
    resumed = RunResumed(options=view.options, supervisor_model=view.supervisor_model, worker_model=view.worker_model)
    if holds is not None:
        stop = nothing_else(view, [task.id for task in view.tasks.values() if task.is_held or task is holds])
        return [resumed, *events, RunPaused(reason=stop.reason, detail=str(stop), hint=stop.hint)]
    paused = RunPaused(
        reason=StopReason.INTERRUPTED,
        detail="what is not held goes on with the next resume",
        hint=f"equitrcoder resume {view.epic or view.run}",
    )
    return [resumed, *events, paused]
