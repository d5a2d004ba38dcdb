"""Kill the process anywhere: after a resume everything is there, nothing was paid twice and nothing is left behind.

`POINTS` says how often a play passes each kind of point; the numbers of a parallel play vary a little, and a point that
is not reached leaves an ordinary run, for which the same laws hold.
"""

from collections.abc import Iterator

import pytest

from equitr_coder.domain.events import ToolReturned
from equitr_coder.domain.runs import RunState
from tests.faults import scenes
from tests.faults.conftest import OpenVictim, Play, Undisturbed, Victim, assert_money, assert_nothing_lost

Point = tuple[str, str, int]

SHORT = Play(tuple(scenes.short_epic()), "epic", scenes.REQUEST)
EPIC = Play(tuple(scenes.epic()), "epic", scenes.REQUEST)
CHAT = Play(tuple(scenes.chat()), "chat", "Write a note.")

_EPIC_POINTS = {
    "append.approval_requested": 2,
    "append.approval_resolved": 2,
    "append.document_written": 2,
    "append.escalation_answered": 1,
    "append.escalation_asked": 1,
    "append.merge_landed": 2,
    "append.merge_queued": 4,
    "append.merge_rejected": 1,
    "append.message_added": 7,
    "append.model_call_reserved": 10,
    "append.model_call_settled": 10,
    "append.plan_approved": 1,
    "append.plan_submitted": 1,
    "append.review_given": 1,
    "append.run_finished": 1,
    "append.run_started": 1,
    "append.task_changed": 12,
    "append.tool_called": 15,
    "append.tool_returned": 15,
    "client.stream": 10,
    "executor.run": 6,
    "repository.add_worktree": 9,
    "repository.commit_tree": 13,
    "repository.delete_ref": 4,
    "repository.ensure": 1,
    "repository.forecast": 6,
    "repository.keep": 5,
    "repository.land": 1,
    "repository.move_ref": 16,
    "repository.put_back": 1,
    "repository.recover_landings": 1,
    "repository.remove_worktree": 5,
    "repository.restore": 1,
    "repository.snapshot": 14,
    "repository.tree_with": 2,
    "store.clear_journal": 6,
    "store.create_run": 1,
    "store.put_blob": 5,
    "store.write_journal": 5,
}
_CHAT_POINTS = {
    "append.approval_requested": 1,
    "append.approval_resolved": 1,
    "append.checkpoint_taken": 1,
    "append.message_added": 1,
    "append.model_call_reserved": 4,
    "append.model_call_settled": 4,
    "append.run_finished": 1,
    "append.run_started": 1,
    "append.tool_called": 3,
    "append.tool_returned": 3,
    "client.stream": 4,
    "executor.run": 1,
    "repository.commit_tree": 1,
    "repository.delete_ref": 1,
    "repository.keep": 2,
    "repository.move_ref": 1,
    "repository.recover_landings": 1,
    "repository.snapshot": 3,
    "store.create_run": 1,
}
_SAMPLE: tuple[Point, ...] = (
    ("store.create_run", "after", 1),
    ("append.model_call_reserved", "after", 1),
    ("append.plan_submitted", "after", 1),
    ("store.write_journal", "after", 1),
    ("repository.move_ref", "after", 1),
    ("append.task_changed", "after", 1),
    ("append.model_call_reserved", "before", 2),
    ("client.stream", "after", 2),
    ("append.tool_called", "after", 4),
    ("repository.keep", "after", 1),
    ("append.tool_returned", "before", 4),
    ("repository.move_ref", "after", 2),
    ("append.merge_queued", "after", 1),
    ("executor.run", "after", 1),
    ("store.write_journal", "after", 2),
    ("repository.move_ref", "after", 4),
    ("store.clear_journal", "before", 3),
    ("repository.remove_worktree", "after", 1),
    ("repository.land", "before", 1),
    ("store.write_journal", "after", 4),
    ("store.clear_journal", "before", 5),
    ("repository.delete_ref", "after", 1),
    ("append.run_finished", "before", 1),
)


def _all(points: dict[str, int]) -> Iterator[Point]:
    for kind, count in points.items():
        for number in range(1, count + 1):
            yield from ((kind, "before", number), (kind, "after", number))


def _name(point: Point) -> str:
    kind, when, number = point
    return f"{when}-{kind}-{number}"


def _kill_and_finish(victim: Victim, point: Point) -> None:
    victim.go(kill=point)
    victim.finish()


@pytest.mark.e2e
@pytest.mark.parametrize("point", _SAMPLE, ids=_name)
def test_an_epic_survives_the_death_of_its_process(victim: OpenVictim, undisturbed: Undisturbed, point: Point) -> None:
    killed = victim(SHORT)
    assert killed.go(kill=point) is None, "the point is never reached"
    killed.finish()
    assert_nothing_lost(killed, undisturbed(SHORT))


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("point", list(_all(_EPIC_POINTS)), ids=_name)
def test_an_epic_survives_its_death_anywhere(victim: OpenVictim, undisturbed: Undisturbed, point: Point) -> None:
    killed = victim(EPIC)
    _kill_and_finish(killed, point)
    assert_nothing_lost(killed, undisturbed(EPIC))


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("point", list(_all(_EPIC_POINTS))[::7], ids=_name)
def test_an_epic_survives_dying_twice_at_the_same_kind_of_point(
    victim: OpenVictim, undisturbed: Undisturbed, point: Point
) -> None:
    killed = victim(EPIC)
    killed.go(kill=point)
    killed.go(kill=(point[0], point[1], 1))
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC))


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("point", list(_all(_CHAT_POINTS)), ids=_name)
def test_a_chat_survives_its_death_and_never_repeats_a_step_in_the_checkout(victim: OpenVictim, point: Point) -> None:
    killed = victim(CHAT)
    _kill_and_finish(killed, point)
    assert killed.view.state is RunState.COMPLETED
    assert_money(killed)
    told = [event for event in killed.log if isinstance(event, ToolReturned) and "interrupted by a crash" in event.text]
    note = killed.files.get("note.txt", "")
    assert note.count("one\n") <= 1
    assert note.count("two\n") <= 1
    assert told or note == "one\ntwo\n"


@pytest.mark.e2e
@pytest.mark.slow
def test_every_kind_of_point_that_an_epic_passes_is_one_where_it_is_killed(victim: OpenVictim) -> None:
    counts = victim(EPIC).go()
    assert counts is not None
    assert set(counts) == set(_EPIC_POINTS)
