"""What a person does with git between the death of the process and the resume loses nothing either."""

import shutil
from collections.abc import Callable

import pytest

from equitr_coder.domain.runs import RunState
from tests.faults import scenes
from tests.faults.conftest import OpenVictim, Play, Undisturbed, Victim, assert_money, assert_nothing_lost

EPIC = Play(tuple(scenes.epic()), "epic", scenes.REQUEST)
AFTER_A_STEP = ("append.tool_returned", "after", 9)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def _collect_garbage(victim: Victim) -> None:
    victim.git("gc", "--quiet", "--prune=now")


def _remove_worktrees(victim: Victim) -> None:
    shutil.rmtree(victim.home / "worktrees")


def _known(reason: str) -> pytest.MarkDecorator:
    """Listed in docs/status.md; turns red when it is mended and this mark was left."""
    return pytest.mark.xfail(strict=True, reason=reason)


def _commit(victim: Victim) -> None:
    (victim.repo / "mine.txt").write_text("the user's\n")
    victim.git("add", "-A")
    victim.git("commit", "-qm", "the user's own")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_collect_garbage, id="garbage is collected", marks=_known("step trees are named by the log only")),
        pytest.param(_remove_worktrees, id="worktrees go"),
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
        pytest.param(("append.plan_submitted", "after", 1), id="append.plan_submitted"),
        pytest.param(
            ("repository.move_ref", "after", 1),
            id="repository.move_ref",
            marks=_known("our own branch is in the way until it is renamed"),
        ),
    ],
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
    assert_money(killed)


def test_an_edit_of_the_user_during_an_open_landing_stays(victim: OpenVictim) -> None:
    killed = victim(EPIC)
    assert killed.go(kill=("store.write_journal", "after", 5)) is None
    (killed.repo / "README.md").write_text("# Mine\n")
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, False)
    assert killed.git("status", "--porcelain").strip() == "M README.md"
    assert (killed.repo / "README.md").read_text() == "# Mine\n"
    assert_money(killed)
