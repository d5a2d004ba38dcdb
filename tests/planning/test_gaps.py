from collections.abc import Callable
from typing import Any

import pytest

from equitr_coder.domain.epic import Plan
from equitr_coder.planning.coverage import read_requirements
from equitr_coder.planning.gaps import find_gaps
from equitr_coder.planning.plan_rules import PlanRules

RULES = PlanRules(min_subtasks=1)


def plan(*tasks: dict[str, Any], sync_points: list[dict[str, Any]] | None = None) -> Plan:
    whole = [{"check": "make test", "title": task["id"], **task} for task in tasks]
    return Plan.model_validate({"title": "Plan", "tasks": whole, "sync_points": sync_points or []})


def gaps(found: Plan, *, requirements: str = "", design: str = "", **more: Any) -> tuple[str, ...]:
    return find_gaps(found, requirements=requirements, design=design, rules=more.pop("rules", RULES), **more)


def without(plan: Plan, task_id: str) -> Plan:
    kept = [task for task in plan.tasks if task.id != task_id]
    tasks = [task.model_copy(update={"needs": tuple(need for need in task.needs if need != task_id)}) for task in kept]
    return plan.model_copy(update={"tasks": tuple(tasks)})


# ---------------------------------------------------------------- coverage


def test_the_sample_plan_of_six_tasks_covers_the_sample_documents(shop: Plan, sample: Callable[[str], str]) -> None:
    assert gaps(shop, requirements=sample("requirements"), design=sample("design")) == ()


def test_a_requirement_without_a_task_is_listed_with_its_line(shop: Plan, sample: Callable[[str], str]) -> None:
    requirements = sample("requirements").replace(
        "- Persistent cart storage", "- Persistent cart storage\n- Gift vouchers"
    )

    assert gaps(shop, requirements=requirements) == (
        "requirement without a task: Gift vouchers (requirements.md, line 23)",
    )


def test_a_service_without_a_task_is_listed(shop: Plan, sample: Callable[[str], str]) -> None:
    found = gaps(without(shop, "T3"), requirements=sample("requirements"), design=sample("design"))

    assert "service without a task: Product Catalog Service" in found


def test_services_of_the_requirements_that_the_design_forgot_are_listed(
    shop: Plan, sample: Callable[[str], str]
) -> None:
    design = sample("design")
    start = design.index("### Inventory Service")
    design = design[:start] + design[design.index("## 3. DEPLOYMENT") :]

    assert gaps(shop, requirements=sample("requirements"), design=design) == (
        "the requirements name Inventory Service, the design does not",
    )


def test_numbers_decide_when_the_plan_uses_them() -> None:
    requirements = "## 2. Features\n- **R1** List books\n- R2: Add books\n## 3. Non-functional\n- NFR-1 fast\n- quiet\n"
    numbered = plan({"id": "T1", "title": "Books", "description": "Covers R1 and NFR1.", "todos": ["add books"]})
    worded = plan({"id": "T1", "title": "Books", "todos": ["list books", "add books", "make it fast"]})

    assert [found.number for found in read_requirements(requirements)] == ["R1", "R2", "NFR1"]
    assert gaps(numbered, requirements=requirements) == (
        "requirement without a task: R2: Add books (requirements.md, line 3)",
    )
    assert gaps(worded, requirements=requirements) == ()


def test_dotted_numbers_sections_and_ranges_cover_requirements() -> None:
    requirements = (
        "## 2. Features\n### 2.1 Books\n- 2.1.1 Alpha\n2.1.2. Beta\n- **2.1.3** Gamma\n- 2.1.4 Delta\n"
        "### 2.2 Carts\n- 2.2.1 Epsilon\n### 2.3 Rest\n- 2.3.1 Zeta\n- 2.3.2 Eta things\n"
    )
    task = {
        "id": "T1",
        "title": "All",
        "description": "Covers 2.1.1 to 2.1.3, section 2.2. Python 3.11.",
        "todos": ["eta"],
    }

    assert [found.number for found in read_requirements(requirements)] == [
        "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.2.1", "2.3.1", "2.3.2",
    ]  # fmt: skip
    assert gaps(plan(task), requirements=requirements) == (
        "requirement without a task: 2.1.4 Delta (requirements.md, line 6)",
        "requirement without a task: 2.3.1 Zeta (requirements.md, line 10)",
    )


def test_a_range_of_numbers_covers_all_between() -> None:
    requirements = "## 2. Features\n- R1 alpha\n- R2 beta\n- R3 gamma\n- R4 delta\n"

    assert gaps(plan({"id": "T1", "description": "R1-R3"}), requirements=requirements) == (
        "requirement without a task: R4 delta (requirements.md, line 5)",
    )


# ---------------------------------------------------------------- order

DESIGN = """\
## 2. Services
### Order Service
- Database: x
- Endpoints: /orders
- Dependencies: User, Stock
### User Service
- Database: x
- Endpoints: /users
- Dependencies: none
### Stock Service
- Database: x
- Endpoints: /stock
- Dependencies: none
"""


def test_needs_that_do_not_follow_the_designs_dependencies_are_listed() -> None:
    services: list[dict[str, Any]] = [
        {"id": "T1", "title": "User service"},
        {"id": "T2", "title": "Stock service", "needs": ["T1"]},
    ]

    followed = plan(*services, {"id": "T3", "title": "Order service", "needs": ["T2"]})
    ignored = plan(*services, {"id": "T3", "title": "Order service", "needs": ["T1"]})

    assert gaps(followed, design=DESIGN) == ()
    assert gaps(ignored, design=DESIGN) == (
        "T3 does not need T2, though in the design Order Service depends on Stock Service",
    )


def test_services_that_depend_on_each_other_are_named_when_two_tasks_build_them() -> None:
    design = DESIGN.replace("/users\n- Dependencies: none", "/users\n- Dependencies: Order")
    stock = {"id": "T1", "title": "Stock service"}

    apart = plan(stock, {"id": "T2", "title": "User service"}, {"id": "T3", "title": "Order service", "needs": ["T1"]})
    together = plan(stock, {"id": "T2", "title": "User and order services", "needs": ["T1"]})

    assert gaps(apart, design=design) == (
        "Order Service and User Service depend on each other in the design, but are different tasks (T3, T2)",
    )
    assert gaps(together, design=design) == ()


def test_parts_that_state_their_dependencies_are_followed_like_services() -> None:
    design = (
        "## 2. Parts or services\n### Parser\nDependencies: none\n### Printer\nDependencies: Parser\n### Notes\nx\n"
    )

    assert gaps(plan({"id": "T1", "title": "Parser"}, {"id": "T2", "title": "Printer"}), design=design) == (
        "T2 does not need T1, though in the design Printer depends on Parser",
    )
    assert gaps(plan({"id": "T1", "title": "Parser"}), design=design) == ("part without a task: Printer",)


@pytest.mark.parametrize(
    ("test_task", "expected"),
    [
        (
            {"type": "test", "title": "End-to-end run"},
            "T2 is for tests, but needs no task: it may run before what it tests",
        ),
        ({"specialization": "qa", "title": "Try the parser"}, "T2 tests T1 but does not need it"),
        ({"type": "tests", "title": "Try the parser", "needs": ["T1"]}, None),
        ({"type": "code", "title": "Latest news"}, None),
    ],
)
def test_tests_must_come_after_what_they_test(test_task: dict[str, Any], expected: str | None) -> None:
    found = gaps(plan({"id": "T1", "title": "Parser"}, {"id": "T2", **test_task}))

    assert found == ((expected,) if expected else ())


def test_a_sync_point_whose_consumer_does_not_need_the_producer_is_listed() -> None:
    points: list[dict[str, Any]] = [
        {"id": "api", "type": "contracts", "producer": "T1", "consumers": ["T2", "T3"]},
        {"id": "lonely", "type": "types", "producer": "T1"},
    ]
    tasks: list[dict[str, Any]] = [
        {"id": "T1"},
        {"id": "T2"},
        {"id": "T4", "needs": ["T1"]},
        {"id": "T3", "needs": ["T4"]},
    ]

    assert gaps(plan(*tasks, sync_points=points)) == (
        "sync point api: T2 uses it but does not need T1, which produces it",
        "sync point lonely has no consumers",
    )


def test_tasks_that_only_a_shared_file_keeps_apart_are_listed() -> None:
    tasks = [{"id": "T1", "files": ["src/**"]}, {"id": "T2", "files": ["src/a.py"]}]

    assert gaps(plan(*tasks)) == ("T1 and T2 run one after the other: both claim src/a.py",)
    assert gaps(plan(tasks[0], {**tasks[1], "needs": ["T1"]})) == ()


# ---------------------------------------------------------------- checks and size


def test_tasks_without_a_check_are_listed_unless_there_is_a_default() -> None:
    unchecked = plan({"id": "T1", "check": None}, {"id": "T2"})

    assert gaps(unchecked) == ("T1 has no check: its result will be unchecked",)
    assert gaps(unchecked, has_default_check=True) == ()


def test_fewer_tasks_than_configured_are_a_note() -> None:
    assert gaps(plan({"id": "T1"}), rules=PlanRules(min_subtasks=2)) == (
        "the plan has 1 task, fewer than collaboration.planning.min_subtasks (2)",
    )


def test_a_long_list_of_gaps_is_cut_with_its_rest_counted() -> None:
    requirements = "## 2. Features\n" + "\n".join(f"- unknown{number} thing{number}" for number in range(50))

    found = gaps(plan({"id": "T1"}), requirements=requirements)

    assert len(found) == 41
    assert found[-1] == "and 10 more"
