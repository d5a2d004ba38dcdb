from datetime import UTC, datetime, timedelta

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, SessionId, TaskId
from equitr_coder.domain.runs import RunOptions, RunState
from equitr_coder.presentation.tally import Tally

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)


def at(seconds: int, event: e.Event) -> e.Event:
    return event.model_copy(update={"at": BEGIN + timedelta(seconds=seconds)})


def task(name: str, state: TaskState) -> e.TaskChanged:
    return e.TaskChanged(task=TaskId(name), state=state, attempt=1)


def tally(*events: e.Event) -> Tally:
    made = Tally()
    for event in events:
        made.add(event)
    return made


def test_parallel_tasks_take_more_task_time_than_clock() -> None:
    made = tally(
        at(0, task("T1", TaskState.WORKING)),
        at(2, task("T2", TaskState.WORKING)),
        at(8, task("T1", TaskState.REVIEW)),
        at(10, task("T1", TaskState.DONE)),
        at(12, task("T2", TaskState.DONE)),
        at(30, e.RunFinished(state=RunState.COMPLETED)),
    )

    assert (made.wall_time, made.task_time) == (timedelta(seconds=12), timedelta(seconds=20))


def test_time_between_attempts_is_not_task_time() -> None:
    made = tally(
        at(0, task("T1", TaskState.WORKING)),
        at(5, task("T1", TaskState.READY)),
        at(9, task("T1", TaskState.WORKING)),
        at(10, task("T1", TaskState.DONE)),
        at(10, e.RunFinished(state=RunState.COMPLETED)),
    )

    assert (made.wall_time, made.task_time) == (timedelta(seconds=10), timedelta(seconds=6))


def test_pause_and_the_time_after_a_crash_do_not_count() -> None:
    resumed = e.RunResumed(options=RunOptions())
    made = tally(
        at(0, task("T1", TaskState.WORKING)),
        at(4, e.RunPaused(reason=StopReason.INTERRUPTED)),
        at(1000, resumed),
        at(1001, task("T1", TaskState.WORKING)),
        at(1003, e.BudgetWarned(account="run", usd=1, limit=2)),
        at(5000, resumed),
        at(5001, task("T1", TaskState.WORKING)),
        at(5002, task("T1", TaskState.DONE)),
        at(5002, e.RunFinished(state=RunState.COMPLETED)),
    )

    assert (made.wall_time, made.task_time) == (timedelta(seconds=7), timedelta(seconds=7))


def test_files_of_a_chat_are_added_up_and_those_of_tasks_left_out() -> None:
    chat = {"session": SessionId("chat"), "agent": AgentName("assistant")}
    made = tally(
        e.FileChanged.model_validate({**chat, "path": "a.py", "change": "created", "added": 5}),
        e.FileChanged.model_validate({**chat, "path": "a.py", "change": "modified", "added": 2, "removed": 1}),
        e.FileChanged.model_validate({**chat, "task": "T1", "path": "b.py", "change": "created"}),
    )

    assert made.files == {"a.py": ("modified", 7, 1)}
