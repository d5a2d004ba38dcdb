"""A process that dies while an artifact is published or read: a resume makes no second version and loses none."""

from typing import Any

import pytest

from equitr_coder.domain.artifacts import SyncState
from equitr_coder.domain.events import ArtifactConsumed, ArtifactProduced, MessageSent
from equitr_coder.testing.script import ScriptedCall, call, rule, says
from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_nothing_lost, assert_sound_in_death
from tests.faults.plays import PLANNED
from tests.faults.points import Point
from tests.faults.victim import Play

_STUB = "# one.py\ndef one() -> int: ...\n"
_PUBLISHES = call("publish_artifact", sync_point="S1", content=_STUB)
_READS = call("read_artifact", sync_point="S1")


def _task(name: str, path: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "title": f"title of {name}",
        "description": f"Write {path}: {name}-word.",
        "files": [path],
        "todos": [f"create {path}"],
        "check": f"test -e {path}",
    } | fields


def _works(name: str, *replies: Any) -> Any:
    return rule(*replies, model="weak", offers="hand_in", first=[f"{name}-word"])


def _builds(name: str, number: int) -> ScriptedCall:
    code = f"def {name}() -> int:\n    return {number}  # T{number}-built\n"
    return call("write_file", path=f"{name}.py", content=code)


_HANDS_IN = call("hand_in", summary="it is built")
SHARED = Play(
    (
        rule(
            says(
                "",
                call("write_document", name="requirements", content="# Requirements\n"),
                call("write_document", name="design", content="# Design\n"),
                call(
                    "submit_plan",
                    title="Words",
                    tasks=[
                        _task("T1", "one.py"),
                        _task("T2", "two.py", needs=["T1"]),
                        _task("T3", "three.py", needs=["T2"]),
                    ],
                    sync_points=[
                        {"id": "S1", "producer": "T1", "consumers": ["T2"]},
                        {"id": "S2", "producer": "T2", "consumers": ["T3"]},
                    ],
                ),
            ),
            model="strong",
            offers="submit_plan",
        ),
        rule(says("", call("review", verdict="approve", reasons=[])), model="strong", offers="review"),
        _works(
            "T1",
            says("", _PUBLISHES),
            says("", _builds("one", 1), _HANDS_IN),
        ),
        _works(
            "T2",
            says("", _READS),
            says("", _builds("two", 2), _HANDS_IN),
        ),
        _works("T3", says("", _builds("three", 3), _HANDS_IN)),
    ),
    PLANNED,
    {"one.py": "T1-built", "two.py": "T2-built", "three.py": "T3-built"},
)
"""T1 publishes, T2 reads and publishes nothing: the host does it when T2 lands."""

_SAMPLE = (
    Point("append.message_sent", "after", 1),
    Point("append.artifact_consumed", "after", 1),
    Point("store.write_journal", "after", 3),
)
_MORE = (
    Point("append.message_sent", "before", 1),
    Point("append.tool_returned", "before", 4),
    Point("append.contract_checked", "after", 1),
    Point("append.artifact_consumed", "before", 1),
    Point("append.artifact_consumed", "after", 2),
)
_POINTS = [*_SAMPLE, *(pytest.param(point, marks=pytest.mark.slow) for point in _MORE)]


@pytest.mark.e2e
@pytest.mark.parametrize("point", _POINTS, ids=str)
def test_no_version_is_made_twice_and_none_is_lost(victim: OpenVictim, undisturbed: Undisturbed, point: Point) -> None:
    killed = victim(SHARED)
    assert killed.kill(point), "the point is never reached"
    assert_sound_in_death(killed)
    killed.finish()

    assert_nothing_lost(killed, undisturbed(SHARED).files)
    log = killed.log
    produced = [(e.artifact.sync_point, e.artifact.version, e.by) for e in log if isinstance(e, ArtifactProduced)]
    assert produced == [("S1", 1, "worker"), ("S2", 1, "host")]
    consumed = [(e.sync_point, e.task, e.version) for e in log if isinstance(e, ArtifactConsumed)]
    assert consumed == [("S1", "T2", 1), ("S2", "T3", 1)]
    assert [(e.id, e.to, e.topic) for e in log if isinstance(e, MessageSent)] == [
        ("m1", "T2", "artifact_produced"),
        ("m2", "T3", "artifact_produced"),
    ]
    assert {point.state for point in killed.view.sync_points.values()} == {SyncState.CONSUMED}
