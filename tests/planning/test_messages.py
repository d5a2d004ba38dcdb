import pytest

from equitr_coder.domain.events import DocumentWritten
from equitr_coder.planning.messages import (
    MOST_LISTED_CHARACTERS,
    MOST_LISTED_LINES,
    cap_listing,
    first_message,
    read_revision,
    revision_message,
)
from equitr_coder.planning.plan_rules import PlanRules


def test_the_first_message_is_the_request_the_repository_and_the_limits() -> None:
    message = first_message("Do it.", listing="a.py\n", rules=PlanRules(), can_ask=False)

    assert message == (
        "Do it.\n\n"
        "<repository>\na.py\n</repository>\n\n"
        "<limits>\n"
        "- Tasks: 2 to 8; or one, when one worker can do it all in one sitting, or when it cannot be divided.\n"
        "- Sync point types: types, schemas, contracts, interfaces.\n"
        "- There is no default check: a task without a check has no proof. Give every task its own check.\n"
        "- Nobody can answer questions: decide yourself and write it into requirements.md under Assumptions.\n"
        "</limits>"
    )


def test_a_large_request_is_to_be_divided() -> None:
    message = first_message("Build a REST API with user accounts.", listing="", rules=PlanRules(), can_ask=True)

    assert "- Tasks: 2 to 8.\n" in message


def test_an_empty_repository_is_said_to_be_empty() -> None:
    assert "<repository>\nNo files yet.\n</repository>" in first_message(
        "x", listing="\n", rules=PlanRules(), can_ask=True
    )


def test_a_short_listing_is_whole() -> None:
    assert cap_listing("a\nb\n") == "a\nb"


@pytest.mark.parametrize(
    ("lines", "kept"), [(["a.py"] * 1000, MOST_LISTED_LINES), (["x" * 999] * 100, MOST_LISTED_CHARACTERS // 1000)]
)
def test_a_long_listing_is_cut_at_whole_lines_and_says_how_many_are_left(lines: list[str], kept: int) -> None:
    *shown, last = cap_listing("\n".join(lines)).split("\n")

    assert shown == lines[:kept]
    assert last == f"[... {len(lines) - kept} more lines; use list_files ...]"


@pytest.mark.parametrize("name", ["requirements", "design", "todos"])
def test_a_revision_message_can_be_recognised_in_a_transcript(name: str) -> None:
    current = DocumentWritten.model_validate({"name": name, "content": "x", "revision": 4, "by": "planner"})

    assert read_revision(revision_message(name, "Revise design.md", current=current)) == (name, 5)


def test_other_messages_are_no_revisions() -> None:
    assert read_revision("Please Revise design.md (to revision 2). ") is None
