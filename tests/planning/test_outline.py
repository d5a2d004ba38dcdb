from collections.abc import Callable

from equitr_coder.domain.epic import Plan, Priority
from equitr_coder.planning.documents import render_todos
from equitr_coder.planning.outline import outline_problems, read_outline

HIGH, MEDIUM, LOW = Priority


def test_the_sample_of_46_todos_has_contiguous_numbers_and_a_priority_in_every_group(
    sample: Callable[[str], str],
) -> None:
    groups = read_outline(sample("todos"))

    assert [todo.number for group in groups for todo in group.todos] == list(range(1, 47))
    assert outline_problems(groups) == ()
    assert [(group.title, group.part, group.priority, len(group.todos)) for group in groups] == [
        ("INFRASTRUCTURE SETUP", "", HIGH, 6),
        ("CORE SERVICES", "User Management Service", HIGH, 4),
        ("CORE SERVICES", "Product Catalog Service", HIGH, 4),
        ("CORE SERVICES", "Shopping Cart Service", HIGH, 4),
        ("BUSINESS LOGIC", "Payment Processing Service", MEDIUM, 4),
        ("BUSINESS LOGIC", "Order Management Service", MEDIUM, 4),
        ("BUSINESS LOGIC", "Inventory Service", MEDIUM, 4),
        ("FRONTEND", "", MEDIUM, 6),
        ("INTEGRATION & TESTING", "", MEDIUM, 5),
        ("DEPLOYMENT & MONITORING", "", LOW, 5),
    ]


def test_gaps_in_the_numbering_and_missing_priorities_are_named_with_their_lines() -> None:
    text = "# Todos\n\n## 1. First (High Priority)\n1. one\n3. three\n\n## 2. Second\n4. four\n\n## 3. Third (Low)\n"

    assert outline_problems(read_outline(text)) == (
        "line 5: number 3 where 2 was expected",
        "line 7: Second has no priority",
        "line 10: Third has no todos",
    )


def test_our_own_todo_list_is_a_valid_outline_with_46_todos(shop: Plan) -> None:
    groups = read_outline(render_todos(shop, {46}))

    assert outline_problems(groups) == ()
    assert [todo.number for group in groups for todo in group.todos] == list(range(1, 47))
    assert [todo.is_ticked for todo in groups[-1].todos] == [False] * 5 + [True]
