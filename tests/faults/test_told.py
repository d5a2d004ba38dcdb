"""What a person said of one task on the screen when the process died: held or stopped as the log says, and no more."""

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

T1, T2 = TaskId("T1"), TaskId("T2")


def die_when_told(victim: Victim, key: str, point: Point) -> None:
    """Two workers are at work on the screen; the person presses this key on the first, and the process dies there."""
    environ = victim.environ | {"LANG": "C.UTF-8"}
    with Pane(cwd=victim.repo, environ=environ, size=(80, 24), program=victim.driven(point)) as pane:
        pane.sees("╭─ plan")
        pane.types(scenes.REQUEST)
        pane.presses("Enter")
        pane.sees("the plan waits for your word")
        pane.presses("F4")
        pane.sees("title of T1", "title of T2")
        pane.types("a")
        pane.sees("created t1.txt", "created t2.txt")
        victim.server.reached(5)  # the plan, both files, and the two that hang
        pane.presses("Tab", "1", key)
        pane.sees("left with 137")
    victim.note_death(f"{key}, {point}")
    assert_sound_in_death(victim)


def state_after(victim: Victim, name: TaskId) -> tuple[TaskState, str]:
    task = victim.view.tasks[name]
    return task.state, task.waits


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_was_held_is_held_in_the_log_and_goes_on_with_the_resume(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    die_when_told(killed, "p", Point("append.task_held", when, 1))

    assert state_after(killed, T1) == ((TaskState.WAITING, HELD) if when == "after" else (TaskState.WORKING, ""))
    assert state_after(killed, T2)[0] is TaskState.WORKING
    killed.finish()
    assert killed.is_done
    assert {killed.files["t1.txt"], killed.files["t2.txt"]} == {"T1-built\n", "T2-built\n"}
    assert_laws(killed)
    assert len([request for request in killed.requests if "T1-built" in str(request.messages)]) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_was_stopped_stays_stopped_once_the_log_says_so(victim: OpenVictim, when: When) -> None:
    killed = victim(AT_WORK)
    die_when_told(killed, "x", Point("append.task_stopped", when, 1))

    is_told = when == "after"
    assert (killed.view.tasks[T1].state is TaskState.CANCELLED) == is_told
    before = killed.view.tasks[T1]
    killed.run("resume", "--yes")
    assert killed.view.state.is_final
    assert killed.view.tasks[T2].state is TaskState.DONE
    assert (killed.view.tasks[T1].state is TaskState.CANCELLED) == is_told
    assert not is_told or killed.view.tasks[T1] == before
    assert_laws(killed)
