from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId, TaskId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.strengths import ENOUGH, Candidate, Choice, Record, Strengths, choose, measure

ALPHA, BETA = Candidate("alpha"), Candidate("beta")


def plan_of(*types: str, **specializations: str) -> Plan:
    tasks = [
        Task(id=TaskId(f"T{n}"), title=f"T{n}", type=kind, specialization=specializations.get(f"T{n}", ""))
        for n, kind in enumerate(types, start=1)
    ]
    return Plan(title="p", tasks=tuple(tasks))


def past(*attempts: tuple[int, str | None], end: TaskState, reason: StopReason | None = None) -> RunView:
    """A run of one api task with these attempts, each with its profile."""
    changes = [
        e.TaskChanged(task=TaskId("T1"), state=TaskState.WORKING, attempt=number, profile=profile)
        for number, profile in attempts
    ]
    ending = e.TaskChanged(task=TaskId("T1"), state=end, attempt=attempts[-1][0] if attempts else 0, reason=reason)
    return fold([e.PlanSubmitted(plan=plan_of("api")), *changes, ending], RunView(run=RunId("run-1")))


def chosen(
    plan: Plan, *candidates: Candidate, strengths: Strengths | None = None, assigned: Mapping[TaskId, str] | None = None
) -> list[Choice]:
    tasks = {task.id for task in plan.tasks if task.id not in (assigned or {})}
    return choose(plan, tasks, candidates=candidates, strengths=strengths or {}, assigned=assigned or {})


@pytest.mark.parametrize(
    ("record", "score"),
    [
        (Record(), Fraction(1, 2)),
        (Record(first=1), Fraction(2, 3)),
        (Record(failed=1), Fraction(1, 3)),
        (Record(later=1), Fraction(1, 2)),
        (Record(first=8, later=2), Fraction(10, 12)),
    ],
)
def test_the_score_is_the_smoothed_share_of_first_attempts(record: Record, score: Fraction) -> None:
    assert record.score == score


@given(st.builds(Record, *[st.integers(0, 50)] * 3))
def test_a_success_never_lowers_a_score_and_a_failure_always_does(record: Record) -> None:
    better = Record(record.first + 1, record.later, record.failed)
    worse = Record(record.first, record.later, record.failed + 1)

    assert 0 < worse.score < record.score < better.score < 1


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (past((1, "alpha"), end=TaskState.DONE), {"alpha": Record(first=1)}),
        (past((1, "alpha"), (2, "alpha"), end=TaskState.DONE), {"alpha": Record(later=1)}),
        (past((1, "alpha"), (2, "beta"), end=TaskState.DONE), {"alpha": Record(failed=1), "beta": Record(first=1)}),
        (past((1, "alpha"), (2, "alpha"), end=TaskState.FAILED), {"alpha": Record(failed=1)}),
        (past((1, None), end=TaskState.DONE), {"worker": Record(first=1)}),
        (past((1, "alpha"), end=TaskState.FAILED, reason=StopReason.INTERNAL_ERROR), {}),
        (past((1, "alpha"), end=TaskState.READY), {}),
        (past(end=TaskState.BLOCKED), {}),
    ],
)
def test_what_became_of_a_task_counts_for_who_tried_it(view: RunView, expected: dict[str, Record]) -> None:
    assert measure([view]) == {(name, "api"): record for name, record in expected.items()}
    assert measure([view, view]) == {
        (name, "api"): Record(2 * record.first, 2 * record.later, 2 * record.failed)
        for name, record in expected.items()
    }


def test_what_a_stronger_model_did_in_the_end_is_no_strength_of_the_profile() -> None:
    view = past((1, "alpha"), (2, "alpha"), end=TaskState.DONE)
    calls: list[Any] = [
        e.ModelCallReserved(
            session=SessionId(f"T1.{number}"),
            agent=AgentName("worker"),
            task=TaskId("T1"),
            call=CallId(f"c{number}"),
            model="m",
            tier=tier,
            purpose=Purpose.WORK,
            usd=Decimal(0),
            input_bound=1,
            max_tokens=1,
        )
        for number, tier in ((1, Tier.WEAK), (2, Tier.STRONG))
    ]

    assert measure([fold(calls, view)]) == {("alpha", "api"): Record(failed=1)}


def test_history_decides_where_there_is_enough_of_it() -> None:
    strengths = {("alpha", "api"): Record(first=1), ("beta", "api"): Record(later=1), ("beta", "docs"): Record(first=1)}

    api, docs = chosen(plan_of("api", "docs"), BETA, ALPHA, strengths=strengths)

    assert (api.profile, api.by) == ("alpha", "analytics")
    assert api.why == (
        "api: score 0.67, 1 of 1 at the first attempt; next is beta: score 0.50, 0 of 1 at the first attempt, 1 later"
    )
    assert docs.by == "load"  # one task is too little
    assert docs.why == "fewest tasks so far (0); too little history of docs"


def test_among_equals_what_a_profile_is_declared_for_decides_and_then_load_and_then_the_name() -> None:
    artist = Candidate("artist", "Frontend")
    plan = plan_of("code", "ui", "code", "code", T1="frontend", T2="frontend", T3="backend", T4="backend")

    found = chosen(plan, BETA, artist, ALPHA)

    assert [(choice.profile, choice.by) for choice in found] == [
        ("artist", "declared"),
        ("artist", "declared"),
        ("alpha", "load"),
        ("beta", "load"),
    ]


def test_one_declared_for_something_else_comes_last() -> None:
    (choice,) = chosen(plan_of("docs"), Candidate("artist", "frontend"), Candidate("worker"))

    assert (choice.profile, choice.by) == ("worker", "declared")
    assert choice.why == "nobody is declared for docs; too little history of docs"


def test_a_single_worker_gets_everything() -> None:
    assert [choice.profile for choice in chosen(plan_of("a", "b"), ALPHA)] == ["alpha", "alpha"]


def test_what_is_assigned_already_counts_as_load() -> None:
    (choice,) = chosen(plan_of("a", "b"), ALPHA, BETA, assigned={TaskId("T1"): "alpha"})

    assert (choice.task, choice.profile) == (TaskId("T2"), "beta")


CANDIDATES = st.lists(
    st.builds(Candidate, st.sampled_from("abcd"), st.sampled_from(["", "api", "docs"])),
    min_size=1,
    unique_by=lambda candidate: candidate.name,
)
RECORDS = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["api", "docs"])),
    st.builds(Record, *[st.integers(0, 3)] * 3),
)


@given(CANDIDATES, RECORDS, st.lists(st.sampled_from(["api", "docs"]), min_size=1, max_size=5), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_candidates_and_a_better_one_is_never_passed_over(
    candidates: list[Candidate], records: Strengths, kinds: list[str], dice: Any
) -> None:
    shuffled = list(candidates)
    dice.shuffle(shuffled)
    plan = plan_of(*kinds)

    found = chosen(plan, *candidates, strengths=records)

    assert found == chosen(plan, *shuffled, strengths=records)
    assert [choice.task for choice in found] == [task.id for task in plan.tasks]
    for choice, kind in zip(found, kinds, strict=True):
        known = {one.name: records.get((one.name, kind), Record()) for one in candidates}
        if sum(record.ended for record in known.values()) >= ENOUGH:
            assert known[choice.profile].score == max(record.score for record in known.values())
