from collections.abc import Mapping
from typing import Any

import pytest

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Scope
from equitr_coder.domain.events import ApprovalRequested, ApprovalResolved
from equitr_coder.domain.ids import AgentName, RequestId, TaskId
from equitr_coder.domain.runs import RunOptions
from equitr_coder.engine.boundary import beyond, digest, put_back_words
from equitr_coder.engine.permission import SessionPolicy
from tests.engine.conftest import SESSION, OpenBench

POLICY = SessionPolicy(footprint=("src/*.py", "docs"), documents=("docs/design.md",))


def test_only_paths_beyond_the_footprint_are_found_and_those_allowed_before_are_not() -> None:
    found = beyond(POLICY, "run_command", ["src/a.py", "docs/note.md", "b.py", "c.py"], allowed={"c.py"})

    assert list(found.asks) == ["b.py"]
    assert "footprint" in found.asks["b.py"]
    assert not found.forbidden


def test_a_planning_document_is_forbidden_even_when_it_was_changed_before() -> None:
    found = beyond(POLICY, "run_command", ["docs/design.md"], allowed={"docs/design.md"})

    assert list(found.forbidden) == ["docs/design.md"]
    assert not found.asks


def test_an_empty_footprint_binds_nothing() -> None:
    found = beyond(SessionPolicy(), "run_command", ["a", "b/c"], allowed=())

    assert not found.asks
    assert not found.forbidden


def test_the_same_files_are_the_same_question_in_any_order() -> None:
    assert digest(["a", "b"]) == digest(["b", "a"])
    assert digest(["a", "b"]) != digest(["ab"])
    assert digest(["a\udcff"])


def test_the_model_is_told_what_was_removed_why_and_how_to_go_on() -> None:
    reasons = {f"f{number:02}": "f00 leaves its footprint (t.txt)" for number in range(25)}

    words = put_back_words(reasons, {"f01"}, "The user did not allow it.")

    assert "f00, f01 (removed), f02" in words
    assert "f19 and 5 more." in words
    assert "f20" not in words
    assert "The user did not allow it." in words
    assert "say in the summary" in words


@pytest.mark.parametrize(
    ("change", "is_covered"),
    [({}, True), ({"tool": "write_file"}, False), ({"inside": True}, False), ({"confined": False}, False)],
    ids=["the same", "another tool", "inside", "not confined"],
)
async def test_a_wider_yes_covers_only_what_is_of_its_kind(
    bench: OpenBench, change: Mapping[str, Any], is_covered: bool
) -> None:
    """A yes to files outside the footprint is none to commands outside a sandbox."""
    b = await bench(options=RunOptions(can_ask=False, yes=True))
    asked = Approval(
        id=RequestId("first"),
        session=SESSION,
        agent=AgentName("assistant"),
        task=TaskId("T1"),
        tool="run_command",
        what="",
        why="",
        confined=True,
        inside=False,
    )
    await b.hub.record(
        ApprovalRequested(approval=asked),
        ApprovalResolved(approval=asked.id, answer=ApprovalAnswer(allowed=True, scope=Scope.TASK)),
    )

    answer = await b.desk.ask(asked.model_copy(update={"id": RequestId("second"), **change}))

    assert (answer.by == "policy") is is_covered
