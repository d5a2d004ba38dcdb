from datetime import UTC, datetime, timedelta

from equitr_coder.demo.timeline import Timeline
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.events import MergeQueued, TaskChanged
from equitr_coder.domain.ids import CommitId, TaskId

START = datetime(2026, 1, 5, tzinfo=UTC)


def change(task: str, state: TaskState, second: float) -> TaskChanged:
    return TaskChanged(task=TaskId(task), state=state, at=START + timedelta(seconds=second))


def timeline_of(*changes: TaskChanged) -> Timeline:
    timeline = Timeline()
    for event in changes:
        timeline.add(event)
    return timeline


def test_a_bar_shows_work_then_checking_then_the_end_at_their_times() -> None:
    timeline = timeline_of(
        change("T1", TaskState.WORKING, 0),
        change("T1", TaskState.REVIEW, 16),
        change("T1", TaskState.DONE, 32),
        change("T2", TaskState.WORKING, 32),
        change("T2", TaskState.READY, 48),
        change("T2", TaskState.WORKING, 56),
        change("T2", TaskState.FAILED, 64),
    )

    assert timeline.lines() == [
        f"  T1  {'=' * 16}{'?' * 16}+",
        f"  T2  {' ' * 32}{'=' * 16}{' ' * 8}{'=' * 8}x",
        f"      0 s{' ' * 56}64.0 s",
    ]
    assert timeline.peak == 1


def test_the_peak_counts_tasks_that_somebody_works_on() -> None:
    timeline = timeline_of(
        change("T1", TaskState.WORKING, 0),
        change("T2", TaskState.WORKING, 1),
        change("T1", TaskState.REVIEW, 2),
        change("T3", TaskState.WORKING, 3),
    )

    assert timeline.peak == 2


def test_other_events_and_an_instant_are_no_trouble() -> None:
    timeline = timeline_of(change("T1", TaskState.WORKING, 0), change("T1", TaskState.DONE, 0))
    timeline.add(MergeQueued(task=TaskId("T1"), attempt=1, commit=CommitId("c")))

    assert timeline.lines()[0] == "  T1  +"
    assert Timeline().lines() == []
