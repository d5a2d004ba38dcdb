from typing import Any

import pytest

from equitr_coder.domain.epic import Plan
from equitr_coder.planning.order import order_notes, order_problems

SHOP: tuple[dict[str, Any], ...] = (
    {"id": "T1", "title": "Database schema", "type": "database"},
    {"id": "T2", "title": "API routes", "type": "api", "needs": ["T1"]},
    {"id": "T3", "title": "Frontend forms", "type": "frontend", "needs": ["T2"]},
    {"id": "T4", "title": "Tests", "type": "tests", "needs": ["T2", "T3"]},
)


def plan(*tasks: dict[str, Any], points: list[dict[str, Any]] | None = None) -> Plan:
    return Plan.model_validate({"title": "Shop", "tasks": list(tasks), "sync_points": points or []})


def shop(points: list[dict[str, Any]] | None = None, **changes: dict[str, Any]) -> Plan:
    return plan(*({**task, **changes.get(task["id"], {})} for task in SHOP), points=points)


def test_database_first_then_the_api_then_the_frontend_and_tests_last_is_in_order() -> None:
    assert order_problems(shop()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"T4": {"needs": []}},
            "T4 (tests) needs no task, so it may run before what it tests: add what it tests to its needs, "
            "or give it another type when it only tests what the repository has already",
        ),
        (
            {"T4": {"needs": ["T2"], "description": "Try the API routes and the frontend forms."}},
            "T4 (tests) tests T3, but may run before: add T3 to its needs",
        ),
        (
            {"T4": {"needs": [], "check": "pytest shop/routes.py"}, "T2": {"files": ["shop/routes.py"]}},
            "T4 (tests) tests T2, but may run before: add T2 to its needs",
        ),
        (
            {"T3": {"needs": []}},
            "T3 (frontend) may run before the API: let it need T2, or the task that writes the contract between them",
        ),
        (
            {"T3": {"needs": ["T1"]}, "T1": {"title": "Tables"}},
            "T3 (frontend) may run before the API: let it need T2, or the task that writes the contract between them",
        ),
        (
            {"T2": {"needs": []}},
            "T2 (api) may run before the database: let it need T1, or the task that writes the contract between them",
        ),
    ],
)
def test_what_may_run_before_what_it_builds_on_is_refused(changes: dict[str, Any], problem: str) -> None:
    assert order_problems(shop(**changes)) == [problem]


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({"T4": {"type": "code", "needs": []}}, []),
        ({"T4": {"needs": []}, "T2": {"needs": ["T1", "T4"]}}, []),  # tests first, then what passes them
        ({"T3": {"needs": ["T1"]}, "T1": {"title": "API contract and tables"}}, []),
        ({"T3": {"needs": []}}, [{"id": "S1", "producer": "T2", "consumers": ["T3"]}]),
        ({"T3": {"type": "code", "specialization": "frontend", "needs": []}}, []),
        ({"T1": {"type": "code"}, "T2": {"needs": []}}, []),
    ],
)
def test_what_is_in_order_in_another_way_is_not_refused(changes: dict[str, Any], points: list[dict[str, Any]]) -> None:
    assert order_problems(shop(points, **changes)) == []


def test_a_plan_of_tests_alone_is_in_order() -> None:
    assert order_problems(plan({"id": "T1", "title": "More tests", "type": "tests"})) == []


def test_what_is_only_said_by_specialization_is_a_note() -> None:
    odd = shop(T4={"type": "code", "specialization": "qa", "needs": []})

    assert order_problems(odd) == []
    assert order_notes(odd) == ["T4 is for tests, but needs no task: it may run before what it tests"]
