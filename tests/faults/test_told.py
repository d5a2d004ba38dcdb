"""What a person said of one task on the screen when the process died: held or stopped as the log says, and no more."""

import re
import shutil

import pytest

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import HELD
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


def die_when_told(victim: Victim, key: str, point: Point) -> tuple[TaskId, TaskId]:
    """Two workers are at work on the screen; the person presses this key on the first, and the process dies there.
    The task of the first and of the other.
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
        pane.presses("Tab", "1", key)
        pane.sees("left with 137")
    victim.note_death(f"{key}, {point}")
    assert_sound_in_death(victim)
    first, other = (TaskId(re.findall(rf"W{lane} > (T\d)", shown)[0]) for lane in (1, 2))
    return first, other


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_was_held_is_held_in_the_log_and_goes_on_with_the_resume(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    first, other = die_when_told(killed, "p", Point("append.task_held", when, 1))

    assert killed.view.tasks[first].waits == (HELD if when == "after" else "")
    assert killed.view.tasks[other].state is TaskState.WORKING
    killed.finish()
    assert killed.is_done
    assert {killed.files["t1.txt"], killed.files["t2.txt"]} == {"T1-built\n", "T2-built\n"}
    assert_laws(killed)
    assert len([request for request in killed.requests if f"{first}-built" in str(request.messages)]) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_was_stopped_stays_stopped_once_the_log_says_so(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    first, other = die_when_told(killed, "x", Point("append.task_stopped", when, 1))

    is_told = when == "after"
    assert (killed.view.tasks[first].state is TaskState.CANCELLED) == is_told
    before = killed.view.tasks[first]
    killed.run("resume", "--yes")
    assert killed.view.state.is_final
    assert killed.view.tasks[other].state is TaskState.DONE
    assert (killed.view.tasks[first].state is TaskState.CANCELLED) == is_told
    assert not is_told or killed.view.tasks[first] == before
    assert_laws(killed)
