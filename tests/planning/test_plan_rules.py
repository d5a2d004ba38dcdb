from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.epic import ArtifactType, Plan
from equitr_coder.planning.plan_rules import PlanRules, tidy, validate

RULES = PlanRules()


def plan(*tasks: dict[str, Any], sync_points: list[dict[str, Any]] | None = None) -> Plan:
    whole = {
        "title": "Plan",
        "tasks": [{"title": f"Task {index}", **task} for index, task in enumerate(tasks, start=1)],
        "sync_points": sync_points or [],
    }
    return Plan.model_validate(whole)


def problems(*tasks: dict[str, Any], rules: PlanRules = RULES, **more: Any) -> tuple[str, ...]:
    return validate(plan(*tasks, **more), rules)[1]


def test_a_sound_plan_has_no_problems() -> None:
    assert problems({"id": "T1", "check": "pytest"}, {"id": "T2", "needs": ["T1"], "files": ["a.py"]}) == ()


@pytest.mark.parametrize(
    ("tasks", "problem"),
    [
        ([("A", ["B"]), ("B", ["A"])], "cycle: A → B → A"),
        ([("A", ["A"])], "cycle: A → A"),
        ([("A", ["X"])], "task A needs X, which is not a task of this plan"),
        ([("A", []), ("A", [])], "task id A is used more than once"),
    ],
)
def test_a_cycle_or_an_unknown_task_is_named(tasks: list[tuple[str, list[str]]], problem: str) -> None:
    assert problems(*({"id": task_id, "needs": needs} for task_id, needs in tasks)) == (problem,)


def test_more_tasks_than_allowed_are_refused_and_fewer_are_not() -> None:
    nine = [{"id": f"T{number}"} for number in range(1, 10)]

    assert "the plan has 9 tasks; at most 8 are allowed" in problems(*nine)[0]
    assert problems(*nine, rules=PlanRules(max_subtasks=9)) == ()
    assert problems(nine[0], rules=PlanRules(min_subtasks=3)) == ()


def test_without_splitting_only_one_task_is_allowed() -> None:
    rules = PlanRules(auto_split=False)

    assert (
        "splitting is off (collaboration.planning.auto_split)" in problems({"id": "T1"}, {"id": "T2"}, rules=rules)[0]
    )
    assert problems({"id": "T1"}, rules=rules) == ()


@pytest.mark.parametrize("check", ["true", "exit 0", "echo ok", "pytest || true"])
def test_a_check_that_cannot_fail_is_refused_with_the_reason(check: str) -> None:
    (problem,) = problems({"id": "T1", "check": check})

    assert problem.startswith("the check of task T1 proves nothing: `")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "not relative"),
        ("~/x", "not relative"),
        ("C:/x", "not relative"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a\\b", "backslash"),
        (".git/config", "belongs to git"),
        ("a\nb", "more than one line"),
    ],
)
def test_a_file_outside_the_repository_is_refused(path: str, reason: str) -> None:
    (problem,) = problems({"id": "T1", "files": [path]})

    assert reason in problem


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("./a.py", "a.py"),
        ("a//b.py", "a/b.py"),
        ("src/", "src/**"),
        (".", "**"),
        (" a b.py ", "a b.py"),
        ("..a", "..a"),
    ],
)
def test_paths_are_kept_in_one_form(written: str, kept: str) -> None:
    tidy_plan, found = validate(plan({"id": "T1", "files": [written, kept]}), RULES)

    assert (tidy_plan.tasks[0].files, found) == ((kept,), ())


def test_sync_points_must_be_of_an_allowed_type_and_sound() -> None:
    points = [
        {"id": "api", "type": "contract", "producer": "T1", "consumers": ["T2", "T1"]},
        {"id": "api", "type": "types", "producer": "T1", "consumers": ["T2"]},
        {"id": " ", "type": "types", "producer": "T2"},
    ]

    found = problems(
        {"id": "T1"}, {"id": "T2"}, sync_points=points, rules=PlanRules(sync_point_types=(ArtifactType.TYPES,))
    )

    assert found == (
        "sync point api is of type contracts; allowed are types (collaboration.sync_points.types)",
        "sync point api names T1 as producer and as consumer",
        "sync point id api is used more than once",
        "a sync point of task T2 has no id",
    )


def test_a_task_without_todos_has_its_title_as_the_one_todo() -> None:
    tidy_plan, _ = validate(plan({"id": "T1", "title": " Do  it ", "todos": [" ", ""]}), RULES)

    assert (tidy_plan.tasks[0].title, tidy_plan.tasks[0].todos) == ("Do it", ("Do it",))


def test_todos_lose_their_bullets_and_numbers_and_are_kept_once_in_order() -> None:
    todos = ["1. Write it", "- [ ] Test it", "* [x] 3) ship\n it", "write it", "7"]

    tidy_plan, _ = validate(plan({"id": "T1", "todos": todos}), RULES)

    assert tidy_plan.tasks[0].todos == ("Write it", "Test it", "ship it", "7")


def test_a_title_of_spaces_is_no_title() -> None:
    assert problems({"id": "T1", "title": "  "}) == ("task T1 has no title",)


TEXT = st.text(alphabet="aB1.-)[]x /\n*", max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    title=TEXT.filter(bool), todos=st.lists(TEXT, max_size=4), files=st.lists(TEXT, max_size=3), check=st.none() | TEXT
)
def test_tidying_twice_changes_nothing(title: str, todos: list[str], files: list[str], check: str | None) -> None:
    once = tidy(plan({"id": "T1", "title": title, "todos": todos, "files": files, "check": check}))

    assert tidy(once) == once
