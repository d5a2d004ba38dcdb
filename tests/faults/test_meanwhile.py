"""What a person does with git between the death of the process and the resume loses nothing either."""

import shutil
from collections.abc import Callable

import pytest

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import TaskChanged
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.runs import RunState
from tests.faults import scenes
from tests.faults.conftest import OpenVictim, Play, Undisturbed, Victim, assert_money, assert_nothing_lost

EPIC = Play(tuple(scenes.epic()), "epic", scenes.REQUEST)
SHORT = Play(tuple(scenes.short_epic()), "epic", scenes.REQUEST)
OVERTAKEN = Play(tuple(scenes.overtaken()), "epic", scenes.REQUEST)
DIRECT = Play(tuple(scenes.direct()), "loop", "Write the word T1-built.")
AFTER_A_STEP = ("append.tool_returned", "after", 9)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def _collect_garbage(victim: Victim) -> None:
    victim.git("gc", "--quiet", "--prune=now")


def _remove_worktrees(victim: Victim) -> None:
    shutil.rmtree(victim.home / "worktrees")


def _clear_away_everything(victim: Victim) -> None:
    _remove_worktrees(victim)
    victim.git("worktree", "prune")
    _collect_garbage(victim)


def _lose_the_steps(victim: Victim) -> None:
    """As if somebody had deleted the refs that keep them."""
    for ref in victim.git("for-each-ref", "--format=%(refname)", "refs/equitr/keep").splitlines():
        victim.git("update-ref", "-d", ref)
    _clear_away_everything(victim)


def _commit(victim: Victim) -> None:
    (victim.repo / "mine.txt").write_text("the user's\n")
    victim.git("add", "-A")
    victim.git("commit", "-qm", "the user's own")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_collect_garbage, id="garbage is collected"),
        pytest.param(_remove_worktrees, id="worktrees go"),
        pytest.param(_clear_away_everything, id="garbage and worktrees go"),
    ],
)
def test_an_attempt_goes_on_when_what_it_stood_on_is_cleared_away(
    victim: OpenVictim, undisturbed: Undisturbed, act: Callable[[Victim], None]
) -> None:
    killed = victim(EPIC)
    assert killed.go(kill=AFTER_A_STEP) is None
    act(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC))


def test_an_attempt_that_starts_from_merged_files_survives_the_garbage_collection(
    victim: OpenVictim, undisturbed: Undisturbed
) -> None:
    killed = victim(OVERTAKEN)
    assert killed.go(kill=("append.task_changed", "after", 6)) is None
    assert killed.view.tasks[TaskId("T2")].state is TaskState.DONE
    task = killed.view.tasks[TaskId("T1")]
    assert (task.state, task.attempt) == (TaskState.WORKING, 2)
    _clear_away_everything(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(OVERTAKEN))
    assert killed.view.tasks[TaskId("T1")].attempt == 2


def test_a_landing_counts_although_the_user_committed_on_top_of_it(victim: OpenVictim) -> None:
    killed = victim(EPIC)
    assert killed.go(kill=("repository.land", "after", 1)) is None
    _commit(killed)
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, True)
    assert killed.git("status", "--porcelain") == ""
    assert_money(killed)


@pytest.mark.parametrize(
    "point",
    [
        ("append.plan_submitted", "after", 1),
        ("store.write_journal", "after", 1),
        ("repository.move_ref", "after", 1),
        ("append.plan_approved", "before", 1),
    ],
    ids=lambda point: f"{point[1]}-{point[0]}",
)
def test_a_commit_of_the_user_before_the_approval_is_built_upon(
    victim: OpenVictim, point: tuple[str, str, int]
) -> None:
    killed = victim(EPIC)
    assert killed.go(kill=point) is None
    _commit(killed)
    killed.finish()
    assert killed.view.state is RunState.COMPLETED
    assert (killed.repo / "mine.txt").read_text() == "the user's\n"
    assert killed.view.landed
    assert_money(killed)


@pytest.mark.parametrize("play", [EPIC, DIRECT], ids=["planned", "direct"])
def test_a_run_that_dies_twice_around_its_branch_knows_it_still(victim: OpenVictim, play: Play) -> None:
    killed = victim(play)
    assert killed.go(kill=("repository.move_ref", "after", 1)) is None
    _commit(killed)
    assert killed.go(kill=("store.write_journal", "after", 1)) is None
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, True)
    assert_money(killed)


def test_a_branch_of_somebody_elses_is_never_taken_for_our_own(victim: OpenVictim) -> None:
    killed = victim(EPIC)
    assert killed.go(kill=("store.write_journal", "after", 1)) is None
    killed.git("branch", "equitr/epic-001")
    theirs = killed.git("rev-parse", "equitr/epic-001")
    _commit(killed)
    killed.go()
    assert (killed.view.state, killed.view.reason) == (RunState.PAUSED, StopReason.BLOCKED)
    assert "equitr/epic-001 exists already" in killed.view.detail
    assert "git branch -m equitr/epic-001" in killed.view.hint
    assert killed.git("rev-parse", "equitr/epic-001") == theirs


@pytest.mark.parametrize(
    ("play", "point", "state"),
    [
        pytest.param(SHORT, ("append.tool_returned", "after", 4), TaskState.WORKING, id="in the middle of an attempt"),
        pytest.param(OVERTAKEN, ("append.task_changed", "after", 5), TaskState.READY, id="between two attempts"),
    ],
)
def test_a_task_whose_steps_git_has_lost_begins_anew_and_says_so(
    victim: OpenVictim, undisturbed: Undisturbed, play: Play, point: tuple[str, str, int], state: TaskState
) -> None:
    killed = victim(play)
    assert killed.go(kill=point) is None
    task = killed.view.tasks[TaskId("T1")]
    assert (task.state, task.attempt) == (state, 1)
    _lose_the_steps(killed)
    killed.finish()
    assert killed.files == undisturbed(play)
    assert killed.view.state is RunState.COMPLETED
    [said] = [e for e in killed.log if isinstance(e, TaskChanged) and e.reason is StopReason.INTERRUPTED]
    assert "begins anew" in said.detail
    assert killed.view.tasks[said.task].attempt == 2
    assert_money(killed)


def test_a_run_that_has_ended_keeps_no_steps(victim: OpenVictim) -> None:
    played = victim(EPIC)
    played.go()
    assert played.git("for-each-ref", "refs/equitr/keep") == ""
    assert "dangling commit" not in played.git("fsck")


def test_an_edit_of_the_user_during_an_open_landing_stays(victim: OpenVictim) -> None:
    killed = victim(EPIC)
    assert killed.go(kill=("store.write_journal", "after", 5)) is None
    (killed.repo / "README.md").write_text("# Mine\n")
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, False)
    assert killed.git("status", "--porcelain").strip() == "M README.md"
    assert (killed.repo / "README.md").read_text() == "# Mine\n"
    assert_money(killed)
