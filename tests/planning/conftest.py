"""The sample documents of an e-commerce platform: hand-written, in their own layout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.domain.epic import Plan, Priority, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.outline import read_outline

_DATA = Path(__file__).parent / "data"

_TASKS = (
    ("T1", "Infrastructure and Gateway Setup", "infrastructure", (), (0, 9)),
    ("T2", "User Management Service Implementation", "backend", ("T1",), (1,)),
    ("T3", "Product Catalog Service Implementation", "backend", ("T1",), (2,)),
    ("T4", "Shopping Cart Service Implementation", "backend", ("T2", "T3"), (3,)),
    ("T5", "Payment and Order Services Implementation", "backend", ("T2", "T3"), (4, 5, 6, 8)),
    ("T6", "Frontend Application Development", "frontend", ("T4", "T5"), (7,)),
)


@pytest.fixture(scope="session")
def sample() -> Callable[[str], str]:
    return lambda name: (_DATA / f"{name}.md").read_text()


@pytest.fixture(scope="session")
def shop(sample: Callable[[str], str]) -> Plan:
    """The sample's six tasks, with its 46 todos dealt out among them."""
    groups = read_outline(sample("todos"))
    tasks = tuple(
        Task(
            id=TaskId(task_id),
            title=title,
            specialization=area,
            needs=tuple(TaskId(need) for need in needs),
            priority=groups[chosen[0]].priority or Priority.MEDIUM,
            todos=tuple(todo.text for index in chosen for todo in groups[index].todos),
            check=f"make check-{task_id.lower()}",
        )
        for task_id, title, area, needs, chosen in _TASKS
    )
    return Plan(title="E-commerce Platform", tasks=tasks)
