"""Kill the process anywhere: after one resume everything is there, nothing was paid twice and nothing is left behind.

A point is named by what is passed there and how often it was passed before. How often a play passes each kind is found
out by playing it undisturbed; the numbers of a parallel play vary a little, and a point that is not reached this time
leaves an ordinary run, for which the same laws hold.
"""

import random
from collections.abc import Iterable

import pytest

from equitr_coder.domain.events import ToolReturned
from equitr_coder.domain.runs import RunState
from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_laws, assert_nothing_lost, assert_sound_in_death
from tests.faults.plays import APPROVED, CHAT, CROWDED, EPIC, PROMISED, SHORT, TOGETHER
from tests.faults.points import KINDS, Point, points_of
from tests.faults.victim import Play, Victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

_SAMPLE = (
    # the order in which things become durable
    Point("store.create_run", "after", 1),
    Point("append.run_started", "after", 1),
    Point("append.model_call_reserved", "before", 1),
    Point("append.model_call_reserved", "after", 2),
    Point("client.stream", "after", 2),
    Point("append.model_call_settled", "after", 1),
    Point("append.plan_submitted", "after", 1),
    Point("repository.move_ref", "after", 1),
    Point("append.plan_approved", "before", 1),
    Point("append.task_changed", "after", 1),
    Point("append.tool_called", "after", 4),
    Point("repository.keep", "after", 1),
    Point("append.tool_returned", "before", 4),
    Point("git.read-tree", "during", 1),
    Point("git.read-tree", "during", 3),
    Point("files.check_out", "after", 1),
    Point("files.replace_index", "before", 1),
    Point("files.replace_index", "after", 1),
    # a gate that is green for this tree and no other
    Point("repository.commit_tree", "after", 2),
    Point("append.merge_queued", "after", 1),
    Point("repository.forecast", "after", 1),
    Point("executor.run", "after", 3),
    Point("store.put_blob", "after", 1),
    Point("store.write_journal", "after", 2),
    Point("git.update-ref", "during", 6),
    Point("store.clear_journal", "before", 3),
    Point("repository.move_worktree", "after", 1),
    Point("repository.remove_worktree", "after", 1),
    # landing on the branch that the user has checked out
    Point("store.write_journal", "after", 4),
    Point("files.claim", "after", 1),
    Point("files.put", "after", 2),
    Point("files.replace", "before", 1),
    Point("files.replace", "after", 1),
    Point("append.run_finished", "before", 1),
)
_NEVER_PASSED = {
    "append.artifact_produced": "is recorded with the message that tells of it",
    "append.budget_raised": "needs a person: tests/faults/test_told.py",
    "append.budget_reached": "needs a limit: tests/e2e/test_limits.py",
    "append.budget_warned": "is recorded with the settlement",
    "append.conflict_changed": "needs a conflict that somebody decides: tests/faults/test_clashes.py",
    "append.escalation_skipped": "needs a cap on questions: tests/e2e/test_escalation.py",
    "append.file_changed": "is recorded with the result of the tool",
    "append.message_cancelled": "needs a person",
    "append.model_call_delayed": "needs a rate limit: tests/e2e/test_limiter.py",
    "append.model_call_failed": "needs a provider that fails: tests/e2e/test_budget.py",
    "append.question_answered": "needs a person",
    "append.question_asked": "needs a person",
    "append.receipt_stored": "is recorded with the end of the task",
    "append.run_renamed": "needs a person: tests/faults/test_told.py",
    "append.task_assigned": "needs profiles of workers: tests/e2e/test_assignment.py",
    "git.init": "needs a plain folder",
    "git.worktree": "needs a repository with settings for each worktree",
    "repository.mixed": "needs a conflict that structure resolves: tests/faults/test_clashes.py",
    "store.bury": "prune --logs, which a person asks for: tests/e2e/test_retention.py",
    "repository.restore_files": "undo, which a person asks for",
}
"""Why no play of ours passes them."""


def _die_and_finish(victim: Victim, *points: Point) -> None:
    for point in points:
        if victim.kill(point):
            assert_sound_in_death(victim)
    victim.finish()


def _assert_survived(open_victim: OpenVictim, undisturbed: Undisturbed, play: Play, points: Iterable[Point]) -> None:
    """Every point has its own victim; what goes wrong is told for all of them."""
    expected, wrong = undisturbed(play).files, []
    for point in points:
        victim = open_victim(play)
        try:
            _die_and_finish(victim, point)
            assert_nothing_lost(victim, expected)
        except AssertionError as error:
            wrong.append(f"{point} ({victim.folder}): {error}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("point", _SAMPLE, ids=str)
def test_an_epic_survives_the_death_of_its_process(victim: OpenVictim, undisturbed: Undisturbed, point: Point) -> None:
    killed = victim(SHORT)
    assert killed.kill(point), "the point is never reached"
    assert_sound_in_death(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(SHORT).files)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_epic_survives_its_death_anywhere(victim: OpenVictim, undisturbed: Undisturbed, kind: str) -> None:
    counts = undisturbed(EPIC).counts
    _assert_survived(victim, undisturbed, EPIC, points_of(kind, counts.get(kind, 0)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_that_waits_for_approval_survives_every_death(
    victim: OpenVictim, undisturbed: Undisturbed, kind: str
) -> None:
    """Only the first passage of each kind: what follows the approval is played above."""
    counts = undisturbed(APPROVED).counts
    _assert_survived(victim, undisturbed, APPROVED, points_of(kind, min(1, counts.get(kind, 0))))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["append.merge_queued", "append.merge_rejected", "executor.run", "repository.forecast", "repository.move_ref",
     "store.write_journal", "append.merge_landed"],
)  # fmt: skip
def test_what_is_green_alone_and_red_together_is_never_on_a_branch(
    victim: OpenVictim, undisturbed: Undisturbed, kind: str
) -> None:
    for point in points_of(kind, undisturbed(TOGETHER).counts[kind]):
        killed = victim(TOGETHER)
        _die_and_finish(killed, point)
        assert killed.is_done, f"{point}: {killed.view.detail}"
        assert_sound_in_death(killed)
        assert_laws(killed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_agents_promise_each_other_survives_every_death(
    victim: OpenVictim, undisturbed: Undisturbed, kind: str
) -> None:
    """Only what no other play passes."""
    counts = undisturbed(PROMISED).counts
    number = 0 if kind in undisturbed(EPIC).counts else counts.get(kind, 0)
    _assert_survived(victim, undisturbed, PROMISED, points_of(kind, number))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_chat_survives_its_death_and_never_repeats_a_step_in_the_checkout(
    victim: OpenVictim, undisturbed: Undisturbed, kind: str
) -> None:
    for point in points_of(kind, undisturbed(CHAT).counts.get(kind, 0)):
        killed = victim(CHAT)
        _die_and_finish(killed, point)
        assert killed.view.state is RunState.COMPLETED
        assert_laws(killed)
        texts = [event.text for event in killed.log if isinstance(event, ToolReturned)]
        told = any("interrupted by a crash" in text for text in texts)
        note = killed.files.get("note.txt", "")
        assert note.count("one\n") <= 1, f"{point}: {note}"
        assert note.count("two\n") <= 1, f"{point}: {note}"
        assert told or note == "one\ntwo\n", f"{point}: {note}"


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 60))])
def test_an_epic_survives_up_to_four_deaths_at_random_points(
    victim: OpenVictim, undisturbed: Undisturbed, seed: int
) -> None:
    chance, counts = random.Random(seed), undisturbed(EPIC).counts
    kinds = sorted(counts)
    killed = victim(EPIC)
    for nth in range(1, chance.randint(2, 4) + 1):
        [kind] = chance.choices(kinds, [counts[kind] for kind in kinds])
        # The later the death, the less is left to be passed.
        point = chance.choice(list(points_of(kind, max(1, counts[kind] // nth))))
        if killed.next_command() is not None and killed.kill(point):
            assert_sound_in_death(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC).files)


@pytest.mark.slow
def test_every_kind_of_point_is_one_where_something_is_killed(undisturbed: Undisturbed) -> None:
    plays = (EPIC, SHORT, APPROVED, CHAT, CROWDED, TOGETHER, PROMISED)
    passed = {kind for play in plays for kind in undisturbed(play).counts}
    assert passed <= set(KINDS), "a kind of point that no test kills at"
    assert set(KINDS) - passed == set(_NEVER_PASSED), "a kind that no play passes; or one that is passed by now"


@pytest.mark.slow
def test_an_epic_alone_is_killed_at_more_than_two_hundred_points(undisturbed: Undisturbed) -> None:
    counts = undisturbed(EPIC).counts
    assert sum(1 for kind, count in counts.items() for _ in points_of(kind, count)) >= 200
