"""What a person says of one task, as events: it is held, let go or stopped. Stopping its worker is not done here."""

from collections.abc import Sequence

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import RunStopped, StopReason, UserError
from equitr_coder.domain.events import TaskChanged
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import HELD, RunView, TaskView


def held(task: TaskId) -> TaskChanged:
    return TaskChanged(task=task, state=TaskState.WAITING, detail=HELD)


def let_go(task: TaskId) -> TaskChanged:
    return TaskChanged(task=task, state=TaskState.WAITING)


def stopped(task: TaskView) -> TaskChanged:
    return TaskChanged(
        task=task.id,
        state=TaskState.CANCELLED,
        agent=task.agent,
        attempt=task.attempt,
        reason=StopReason.CANCELLED,
        detail="stopped by you",
    )


def require_stoppable(task: TaskView, *, landing: str) -> None:
    """`landing` says what becomes of work that is handed in.

    Raises:
        UserError: the task has ended, or what it has handed in is on its way onto the branch.
    """
    if task.state.is_final:
        raise UserError(f"{task.id} is {task.state.value} already", hint="nothing is to be stopped")
    if task.state is TaskState.REVIEW:
        raise UserError(f"what {task.id} has handed in is on its way onto the branch", hint=landing)


def nothing_else(view: RunView, tasks: Sequence[TaskId]) -> RunStopped:
    """Why the run waits when only these, which are held, and what needs them are left; and how it goes on."""
    name = view.epic or view.run
    are, which = ("is", tasks[0]) if len(tasks) == 1 else ("are", "TASK")
    return RunStopped(
        StopReason.HELD,
        f"{', '.join(tasks)} {are} held by you, and nothing else can go on",
        hint=f"`equitrcoder epic release {which} --run {name}`, then `equitrcoder resume {name}`",
    )
