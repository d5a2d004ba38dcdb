from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.epic import ArtifactType, Plan
from equitr_coder.planning.plan_rules import PlanRules, few_tasks, tidy, validate

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


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("symbols", "orders.py", "not of the form path/to/file.py::Name"),
        ("symbols", "shop/*.py::Order", "not of the form path/to/file.py::Name"),
        ("symbols", "shop/orders.py::Order total", "not of the form path/to/file.py::Name"),
        ("symbols", "other.py::Order", "but other.py is not among its files"),
        ("symbols", "./shop/orders.py::Order.total()", ""),
        ("resources", "port:http", "but a port is a number"),
        ("resources", "port:70000", "but a port is a number"),
        ("resources", "the database", "not of the form kind or kind:name"),
        ("resources", "Port: 8080", ""),
        ("resources", "cpu", ""),
        ("resources", "db:test", ""),
    ],
)
def test_symbols_and_resources_have_one_form(field: str, value: str, said: str) -> None:
    found = problems({"id": "T1", "files": ["shop/**"], field: [value]})

    assert (said in found[0]) if said else found == ()


def test_symbols_resources_and_covers_are_kept_in_one_form() -> None:
    given: dict[str, Any] = {
        "symbols": ["./shop/orders.py::Order.total()", "shop/orders.py::Order.total"],
        "resources": ["Port: 8080", "port:8080"],
        "covers": ["2.1.1-2.1.2"],
        "check_reason": " two\nlines ",
    }

    (task,) = validate(plan({"id": "T1", "files": ["shop/"], **given}), RULES)[0].tasks

    assert (task.symbols, task.resources) == (("shop/orders.py::Order.total",), ("port:8080",))
    assert (task.covers, task.check_reason) == (("2.1.1", "2.1.2"), "two lines")


@pytest.mark.parametrize(
    ("tasks", "least", "is_small", "is_few"),
    [(2, 3, False, True), (2, 3, True, True), (1, 3, True, False), (1, 2, False, True), (2, 2, False, False)],
)
def test_too_few_tasks_are_told_unless_a_small_request_is_one_task(
    tasks: int, least: int, is_small: bool, is_few: bool
) -> None:
    made = plan(*({"id": f"T{number}"} for number in range(tasks)))

    told = few_tasks(made, PlanRules(min_subtasks=least), is_small=is_small)

    assert told == (
        f"the plan has {'1 task' if tasks == 1 else f'{tasks} tasks'}; at least {least} are wanted "
        "(collaboration.planning.min_subtasks): split it along the parts of the design, "
        "each task with its own files and check"
        if is_few
        else ""
    )
    assert few_tasks(made, PlanRules(min_subtasks=least, auto_split=False), is_small=is_small) == ""


TEXT = st.text(alphabet="aB1.-)[]x /\n*", max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    title=TEXT.filter(bool),
    todos=st.lists(TEXT, max_size=4),
    files=st.lists(TEXT, max_size=3),
    check=st.none() | TEXT,
    names=st.lists(st.text(alphabet="aB1.:-()R ,\n/", max_size=12), max_size=3),
)
def test_tidying_twice_changes_nothing(
    title: str, todos: list[str], files: list[str], check: str | None, names: list[str]
) -> None:
    more = dict.fromkeys(("symbols", "resources", "covers"), names)
    once = tidy(plan({"id": "T1", "title": title, "todos": todos, "files": files, "check": check, **more}))

    assert tidy(once) == once


def test_a_command_is_one_line_so_that_what_is_approved_is_what_is_seen() -> None:
    assert problems({"id": "T1", "commands": [" npm ci ", "npm ci"]}) == ()
    assert tidy(plan({"id": "T1", "commands": [" npm ci ", "npm ci", ""]})).tasks[0].commands == ("npm ci",)
    assert problems({"id": "T1", "commands": ["make\nmake install"]}) == (
        "a command of task T1 has several lines: name each as one of its own",
    )
