"""A panel whose process dies: no verdict is lost or paid for again, and a disagreement is found and decided once."""

from collections import Counter
from collections.abc import Sequence

import pytest

from equitr_coder.domain.events import (
    ConflictFound,
    ConflictResolved,
    EscalationAsked,
    Event,
    ModelCallReserved,
    ModelCallSettled,
    ReviewGiven,
)
from equitr_coder.testing.script import always, call, says
from tests.faults.conftest import OpenVictim
from tests.faults.laws import assert_repository, assert_sound_in_death
from tests.faults.points import Point
from tests.faults.victim import Play, Victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TEAM = "coordination_rules:\n  escalation_policy: on_disagreement\n"
RULES = (
    always(
        says("", call("pass_on", why="a matter of taste")), model="strong", offers="pass_on"
    ),
    always(says("", call("review", verdict="reject", reasons=["no"])), model="strong", offers="review", times=1),
    always(says("", call("review", verdict="approve")), model="strong", offers="review"),
    always(
        says("", call("read_file", path="t1.txt"), call("write_file", path="t1.txt", content="T1-built\n"),
             call("hand_in", summary="built")),
        model="weak",
        turn=0,
    ),
)  # fmt: skip
JUDGED = Play(
    RULES,
    ("chat", "-M", "--plan", "never", "--yes", "--check", "grep T1-built t1.txt", "Write the word T1-built."),
    config={"orchestrator": {"review": "all", "reviewers": 3}},
)
"""One of three rejects, the supervisor hands it on, nobody is there: rejected, and approved by all the next time."""
ONCE = ("conflict_found", "message_sent", "conflict_changed", "approval_requested", "approval_resolved")
POINTS = [
    *(Point("append.review_given", when, number) for number in (1, 2, 3) for when in ("before", "after")),
    *(Point(f"append.{kind}", when, 1) for kind in (*ONCE, "conflict_resolved") for when in ("before", "after")),
    *(Point("client.stream", when, number) for number in (2, 3, 4, 5) for when in ("before", "after")),
]


@pytest.mark.sample(5)
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_panel_survives_the_death_of_its_process(victim: OpenVictim, point: Point) -> None:
    killed = victim(JUDGED)
    (killed.home / "teams").mkdir()
    (killed.home / "teams" / "coding.yaml").write_text(TEAM)

    assert killed.kill(point), "the point is never reached"
    assert_sound_in_death(killed)
    killed.finish()

    assert killed.is_done
    assert killed.files["t1.txt"] == "T1-built\n"
    assert_repository(killed)
    _assert_each_verdict_is_paid_once(killed)
    _assert_each_disagreement_is_decided_once(killed.log)


def _assert_each_verdict_is_paid_once(killed: Victim) -> None:
    log = killed.log
    given = Counter(event.session for event in log if isinstance(event, ReviewGiven))
    settled = Counter(event.session for event in log if isinstance(event, ModelCallSettled))
    assert set(given.values()) == {1}
    assert all(settled[session] == 1 for session in given), "one call each, whatever died between"
    [death] = killed.deaths
    before = {event.session for event in death.log if isinstance(event, ModelCallSettled)}
    again = {event.session for event in log[len(death.log) :] if isinstance(event, ModelCallReserved)}
    assert not {session for session in before & again if session.startswith("review.")}
    assert killed.view.held == 0


def _assert_each_disagreement_is_decided_once(log: Sequence[Event]) -> None:
    found = [event.conflict.id for event in log if isinstance(event, ConflictFound)]
    assert [event.conflict for event in log if isinstance(event, ConflictResolved)] == found
    assert [event.escalation for event in log if isinstance(event, EscalationAsked)] == [
        f"disagreement:{conflict}" for conflict in found
    ]
    assert len(found) <= 1
