from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.demo.claims import Seen, claim_lines, claims
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView

pytestmark = pytest.mark.xdist_group("demo")
T5 = TaskId("T5")


@pytest.fixture
def seen(view: RunView) -> Seen:
    return Seen(
        view=view,
        peak=3,
        answered=len(view.ledger),
        uncommitted=(),
        todos="- [x] one\n- [x] two\n",
        tests_pass=True,
        program_runs=True,
    )


def failing(seen: Seen) -> list[str]:
    return [claim.text for claim in claims(seen) if not claim.holds]


def test_all_hold_for_the_demo(seen: Seen) -> None:
    assert failing(seen) == []
    assert all(line.text.startswith("  + ") for line in claim_lines(claims(seen)))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"peak": 2}, "2 workers at the same time"),
        ({"answered": 3}, "all 3 model calls"),
        ({"uncommitted": ("?? left.txt",)}, "landed on main"),
        ({"todos": "- [x] one\n- [ ] two\n"}, "todos ticked"),
        ({"todos": ""}, "todos ticked"),
        ({"tests_pass": False}, "the tests pass"),
        ({"program_runs": False}, "the program runs"),
    ],
)
def test_one_fails_alone_when_what_was_left_is_otherwise(seen: Seen, change: dict[str, Any], word: str) -> None:
    (text,) = failing(replace(seen, **change))

    assert word in text


def test_a_task_without_its_receipt_is_not_counted_as_done(seen: Seen) -> None:
    view = deepcopy(seen.view)
    view.tasks[T5].receipt = None

    assert failing(replace(seen, view=view)) == ["5 tasks done, each with the receipt of its check"]


def test_a_task_that_failed_is_not_counted_as_done(seen: Seen) -> None:
    view = deepcopy(seen.view)
    view.tasks[T5].state = TaskState.FAILED

    assert failing(replace(seen, view=view)) == ["5 tasks done, each with the receipt of its check"]


def test_who_did_not_happen_is_nobody(seen: Seen) -> None:
    view = deepcopy(seen.view)
    view.escalations.clear()
    view.reviews.clear()
    view.tasks[TaskId("T3")].attempt = 1

    assert failing(replace(seen, view=view)) == [
        "sent back with the reason, then done: nobody",
        "asked the supervisor: nobody",
        "reviewed by the supervisor before its merge: nobody",
    ]


def test_a_branch_that_did_not_move_and_money_past_the_budget_are_named(seen: Seen) -> None:
    view = deepcopy(seen.view)
    view.landed = False
    view.options = view.options.model_copy(update={"budget": Decimal("0.01")})

    first, second = failing(replace(seen, view=view))

    assert first.startswith("everything landed")
    assert second.endswith("of $0.01, nothing held")
