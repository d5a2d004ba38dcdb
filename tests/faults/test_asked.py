"""What waited for a person when the process died waits for one again, and is done once."""

import os
import signal

import pytest

from equitr_coder.domain.events import ApprovalRequested, ApprovalResolved, PlanSubmitted, ToolReturned
from tests.e2e.terminal import Terminal
from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_laws, assert_nothing_lost, assert_sound_in_death
from tests.faults.plays import CHAT, SHORT
from tests.faults.victim import Victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _die_when_asked(victim: Victim, prompt: str, *command: str) -> None:
    with Terminal(*command, cwd=victim.repo, environ=victim.environ) as person:
        person.expect(prompt)
        os.killpg(person.process.pid, signal.SIGKILL)
        person.process.wait()
    victim.note_death(f"at {prompt}")
    assert_sound_in_death(victim)


@pytest.mark.parametrize("by", ["a person", "--yes"])
def test_an_approval_that_waited_is_asked_for_again_and_what_it_allows_is_done_once(
    victim: OpenVictim, by: str
) -> None:
    killed = victim(CHAT)
    _die_when_asked(killed, "allow>", "chat", "Write a note.")
    assert killed.files["note.txt"] == "one\n"

    if by == "--yes":
        killed.finish()
    else:
        with Terminal("resume", cwd=killed.repo, environ=killed.environ) as person:
            person.answer("once", prompt="allow>")
            assert person.wait() == 0, person.screen

    assert killed.is_done
    assert killed.files["note.txt"] == "one\ntwo\n"
    assert_laws(killed)
    [asked] = [event for event in killed.log if isinstance(event, ApprovalRequested)]
    [answered] = [event for event in killed.log if isinstance(event, ApprovalResolved)]
    assert (answered.approval, answered.answer.allowed) == (asked.approval.id, True)
    assert not [event for event in killed.log if isinstance(event, ToolReturned) and event.is_error]


def test_a_plan_in_review_is_shown_again_and_not_paid_again(victim: OpenVictim, undisturbed: Undisturbed) -> None:
    killed = victim(SHORT)
    _die_when_asked(killed, "review>", "chat", "-M", "--plan", "always", SHORT.command[-1])

    with Terminal("resume", cwd=killed.repo, environ=killed.environ) as person:
        person.answer("approve", prompt="review>")
        assert person.wait() == 0, person.screen

    assert_nothing_lost(killed, undisturbed(SHORT).files)
    assert len([event for event in killed.log if isinstance(event, PlanSubmitted)]) == 1
