"""What a person said of a task or of the run on the screen when the process died: so as the log says, and no more."""

import re
import shutil
from collections.abc import Callable
from decimal import Decimal

import pytest

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import HELD
from equitr_coder.domain.runs import RunState
from tests.e2e.pane import Pane
from tests.faults import scenes
from tests.faults.conftest import OpenVictim
from tests.faults.laws import assert_laws, assert_sound_in_death
from tests.faults.plays import AT_WORK
from tests.faults.points import Point, When
from tests.faults.victim import Victim

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: no screen to say it on"),
]


def press_on_the_first(key: str) -> Callable[[Pane], None]:
    return lambda pane: pane.presses("Tab", "1", key)


def raise_budget(pane: Pane) -> None:
    pane.presses("Tab", "b")
    pane.sees("new budget of epic-001: $")
    pane.types("25")
    pane.presses("Enter")


def rename_run(pane: Pane) -> None:
    pane.presses("F6")
    pane.sees("epic-001", "n rename")
    pane.presses("n")
    pane.sees("new name")
    pane.types("!")
    pane.presses("Enter")


def die_when_told(victim: Victim, tell: Callable[[Pane], None], point: Point) -> tuple[TaskId, TaskId]:
    """Two workers are at work on the screen; the person says something there, and the process dies at the point. The
    task of the first and of the other.
    """
    environ = victim.environ | {"LANG": "C.UTF-8"}
    with Pane(cwd=victim.repo, environ=environ, size=(80, 24), program=victim.driven(point)) as pane:
        pane.sees("╭─ plan")
        pane.types(scenes.REQUEST)
        pane.presses("Enter")
        pane.sees("the plan waits for your word")
        pane.presses("F4")
        pane.sees("title of T1", "title of T2")
        pane.types("a")
        shown = pane.sees("created t1.txt", "created t2.txt", "W1 > T", "W2 > T")
        victim.server.reached(5)  # the plan, both files, and the two that hang
        tell(pane)
        pane.sees("left with 137")
    victim.note_death(str(point))
    assert_sound_in_death(victim)
    first, other = (TaskId(re.findall(rf"W{lane} > (T\d)", shown)[0]) for lane in (1, 2))
    return first, other


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_was_held_is_held_by_the_resume_once_the_log_says_so(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    first, other = die_when_told(killed, press_on_the_first("p"), Point("append.task_held", when, 1))

    assert killed.view.tasks[first].waits == (HELD if when == "after" else "")
    assert killed.view.tasks[other].state is TaskState.WORKING
    if when == "after":
        killed.run("resume", "--yes")
        assert (killed.view.state, killed.view.reason) == (RunState.PAUSED, StopReason.HELD)
        assert killed.view.tasks[other].state is TaskState.DONE
        assert killed.view.tasks[first].is_held
        killed.run("epic", "release", first)
    killed.finish()
    assert killed.is_done
    assert {killed.files["t1.txt"], killed.files["t2.txt"]} == {"T1-built\n", "T2-built\n"}
    assert_laws(killed)
    assert len([request for request in killed.requests if f"{first}-built" in str(request.messages)]) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_was_stopped_stays_stopped_once_the_log_says_so(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    first, other = die_when_told(killed, press_on_the_first("x"), Point("append.task_stopped", when, 1))

    is_told = when == "after"
    assert (killed.view.tasks[first].state is TaskState.CANCELLED) == is_told
    before = killed.view.tasks[first]
    killed.run("resume", "--yes")
    assert killed.view.state.is_final
    assert killed.view.tasks[other].state is TaskState.DONE
    assert (killed.view.tasks[first].state is TaskState.CANCELLED) == is_told
    assert not is_told or killed.view.tasks[first] == before
    assert_laws(killed)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_budget_that_was_raised_is_raised_once_the_log_says_so(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    die_when_told(killed, raise_budget, Point("append.budget_raised", when, 1))

    limit = Decimal(25 if when == "after" else 10)
    assert killed.view.options.budget == limit
    killed.finish()
    assert killed.is_done
    assert killed.view.options.budget == limit
    assert_laws(killed)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_was_renamed_has_its_name_once_the_log_says_so(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    die_when_told(killed, rename_run, Point("append.run_renamed", when, 1))

    title = killed.view.title
    assert title.endswith("!") == (when == "after")
    killed.finish()
    assert killed.is_done
    assert killed.view.title == title
    assert_laws(killed)
