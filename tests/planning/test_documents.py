from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.epic import ArtifactType, Plan, Priority, SyncPoint, Task
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.documents import parse_todos, render_todos, todos_of
from equitr_coder.planning.plan_rules import tidy

PLAN = Plan(
    title="Bookshop",
    tasks=(
        Task(
            id=TaskId("T1"),
            title="Database schema",
            description="Two tables.",
            type="schema",
            specialization="database",
            priority=Priority.HIGH,
            files=("db/schema.sql",),
            todos=("Write the tables", "Write the indexes"),
            check="make db-test",
            critical=True,
        ),
        Task(
            id=TaskId("T2"),
            title="Book service",
            needs=(TaskId("T1"),),
            files=("services/books/**", "a, b.txt"),
            todos=("List books", "Add a book"),
            check="pytest tests/books",
        ),
        Task(id=TaskId("T3"), title="Docs", priority=Priority.LOW, needs=(TaskId("T2"),), todos=("Write the README",)),
    ),
    sync_points=(
        SyncPoint(
            id="schema", type=ArtifactType.SCHEMAS, producer=TaskId("T1"), consumers=(TaskId("T2"), TaskId("T3"))
        ),
    ),
)

RENDERED = """\
# Bookshop

## T1. Database schema (High Priority)

Needs: -
Check: `make db-test`
Files: `db/schema.sql`

- [x] 1. Write the tables
- [ ] 2. Write the indexes

## T2. Book service (Medium Priority)

Needs: T1
Check: `pytest tests/books`
Files: `services/books/**`, `a, b.txt`

- [ ] 3. List books
- [x] 4. Add a book

## T3. Docs (Low Priority)

Needs: T2
Check: -
Files: -

- [ ] 5. Write the README
"""


def edited(old: str, new: str, text: str = RENDERED) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def task(plan: Plan, task_id: str) -> Task:
    return plan.task(TaskId(task_id))


# ---------------------------------------------------------------- rendering


def test_a_plan_is_rendered_in_groups_with_continuous_numbers_and_priorities() -> None:
    assert render_todos(PLAN, {1, 4}) == RENDERED


def test_what_few_tasks_have_stands_only_where_it_is() -> None:
    full = PLAN.tasks[1].model_copy(
        update={
            "check_reason": "nothing to run here",
            "commands": ("npm ci", "cp a, b"),
            "symbols": ("services/books/api.py::Books.add",),
            "resources": ("port:8080", "db:test"),
            "covers": ("2.1.1", "2.1.2"),
        }
    )

    text = render_todos(Plan(title="Bookshop", tasks=(full.model_copy(update={"needs": ()}),)))

    assert text.splitlines()[4:12] == [
        "Needs: -",
        "Check: `pytest tests/books`",
        "Check reason: nothing to run here",
        "Files: `services/books/**`, `a, b.txt`",
        "Commands: `npm ci`, `cp a, b`",
        "Symbols: `services/books/api.py::Books.add`",
        "Resources: `port:8080`, `db:test`",
        "Covers: 2.1.1, 2.1.2",
    ]


def test_the_todos_of_finished_tasks_are_known_by_their_numbers() -> None:
    assert todos_of(PLAN, [TaskId("T1"), TaskId("T3")]) == {1, 2, 5}


# ---------------------------------------------------------------- the round trip

LINES = st.text(max_size=40).map(lambda text: " ".join(text.split()))
TRAPS = st.sampled_from(
    [
        "(High Priority)",
        "a (urgent priority)",
        "[x] done",
        "- [ ] 3. twice",
        "12. things",
        "## T1. heading",
        "# x",
        "Needs: T1",
        "`a` and `b`",
        "<!-- hidden -->",
        "T2: colon",
        "none",
        "```",
        "-",
    ]
)
ONE_LINE = (LINES | TRAPS | st.builds("{} {}".format, TRAPS, TRAPS)).filter(bool)
CHECKS = (
    st.none()
    | ONE_LINE
    | st.sampled_from(["cat <<EOF\n```\n  x\n````\nEOF", "a\n\n# T9\n## T2. x\nb", "`x` && `y`", "`"])
)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,5}", fullmatch=True) | st.sampled_from(
    ["none", "nothing", "and", "T1", "t1"]
)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, frozenset[int]]:
    ids = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    tasks: list[Task] = []
    for task_id in ids:
        fields: dict[str, Any] = {
            "id": task_id,
            "title": draw(ONE_LINE),
            "description": draw(st.text(max_size=20)),
            "priority": draw(st.sampled_from(Priority)),
            "needs": tuple(draw(st.lists(st.sampled_from(ids), max_size=3, unique=True))),
            "files": tuple(draw(st.lists(ONE_LINE, max_size=3, unique=True))),
            "todos": tuple(draw(st.lists(ONE_LINE, max_size=4))),
            "check": draw(CHECKS),
            "check_reason": draw(st.just("") | ONE_LINE),
            "commands": tuple(draw(st.lists(ONE_LINE, max_size=2, unique=True))),
            "symbols": tuple(draw(st.lists(ONE_LINE, max_size=2, unique=True))),
            "resources": tuple(draw(st.lists(ONE_LINE, max_size=2, unique=True))),
            "covers": tuple(draw(st.lists(ONE_LINE | st.just("2.1.3"), max_size=2, unique=True))),
            "critical": draw(st.booleans()),
        }
        tasks.append(Task.model_validate(fields))
    plan = Plan(title=draw(ONE_LINE), tasks=tuple(tasks))
    count = sum(len(task.todos) for task in plan.tasks)
    return plan, frozenset(draw(st.sets(st.integers(1, count)))) if count else frozenset()


@settings(max_examples=150, deadline=None)
@given(plans())
def test_parsing_a_rendered_plan_gives_the_plan_and_its_ticks_back(drawn: tuple[Plan, frozenset[int]]) -> None:
    plan, ticked = drawn

    assert parse_todos(render_todos(plan, ticked), plan) == (plan, ticked)


@settings(max_examples=60, deadline=None)
@given(plans())
def test_windows_line_ends_and_a_byte_order_mark_change_nothing(drawn: tuple[Plan, frozenset[int]]) -> None:
    plan, ticked = drawn
    text = "\ufeff" + render_todos(plan, ticked).replace("\n", "\r\n")

    assert parse_todos(text, plan) == (plan, ticked)


@settings(max_examples=60, deadline=None)
@given(plans())
def test_what_a_tidy_plan_carries_is_in_the_text_alone(drawn: tuple[Plan, frozenset[int]]) -> None:
    plan = tidy(drawn[0])
    forgetful = Plan(title="other", tasks=tuple(Task(id=task.id, title="other") for task in plan.tasks))

    parsed, _ = parse_todos(render_todos(plan), forgetful)

    shown = ("check", "check_reason", "files", "commands", "symbols", "resources", "covers")
    carried = {"id", "title", "priority", "needs", *shown, "todos"}
    assert [task.model_dump(include=carried) for task in parsed.tasks] == [
        task.model_dump(include=carried) for task in plan.tasks
    ]
    assert parsed.title == plan.title


# ---------------------------------------------------------------- edits


def test_added_removed_and_reordered_todos_are_renumbered_and_keep_their_ticks() -> None:
    text = edited(
        "- [x] 1. Write the tables\n- [ ] 2. Write the indexes\n", "- [ ] 7. Seed data\n- [x] 1. Write the tables\n"
    )

    plan, ticked = parse_todos(text, PLAN)

    assert task(plan, "T1").todos == ("Seed data", "Write the tables")
    assert plan.todo_numbers[TaskId("T3")] == (5,)
    assert ticked == {2, 4}


@pytest.mark.parametrize(
    ("line", "todo", "is_ticked"),
    [
        ("- [ ] Seed data", "Seed data", False),
        ("* [X] 99) Seed data", "Seed data", True),
        ("- Seed data", "Seed data", False),
        ("12. Seed data", "Seed data", False),
        ("  - [x] Seed data", "Seed data", True),
        ("- [ ] 9. Seed\n      data", "Seed data", False),
        ("- [docs](http://x) link", "[docs](http://x) link", False),
    ],
)
def test_todos_may_be_typed_in_many_ways(line: str, todo: str, is_ticked: bool) -> None:
    plan, ticked = parse_todos(edited("- [ ] 5. Write the README", line), PLAN)

    assert task(plan, "T3").todos == (todo,)
    assert (5 in ticked) is is_ticked


def test_lines_that_are_taken_out_are_gone_from_the_task() -> None:
    named = PLAN.model_copy(update={"tasks": (PLAN.tasks[0].model_copy(update={"resources": ("cpu",)}),)})
    text = render_todos(named)

    kept, _ = parse_todos(text.replace("Resources: `cpu`", "resources: cpu, db:test"), named)
    gone, _ = parse_todos(text.replace("Resources: `cpu`\n", ""), named)

    assert (kept.tasks[0].resources, gone.tasks[0].resources) == (("cpu", "db:test"), ())


def test_everything_the_document_does_not_show_is_kept_by_task_id() -> None:
    text = edited("Database schema (High Priority)", "Tables (Low Priority)")

    plan, _ = parse_todos(text, PLAN)

    assert task(plan, "T1") == task(PLAN, "T1").model_copy(update={"title": "Tables", "priority": Priority.LOW})
    assert plan.sync_points == PLAN.sync_points


def test_priority_needs_check_and_files_can_be_changed() -> None:
    text = edited("Needs: T2\nCheck: -\nFiles: -\n", "Needs: t1 and T2\nCheck: make docs\nFiles: README.md, docs/**\n")

    plan, _ = parse_todos(edited("Docs (Low Priority)", "Docs (HIGH priority)", text), PLAN)

    assert task(plan, "T3") == task(PLAN, "T3").model_copy(
        update={
            "priority": Priority.HIGH,
            "needs": (TaskId("T1"), TaskId("T2")),
            "check": "make docs",
            "files": ("README.md", "docs/**"),
        }
    )


@pytest.mark.parametrize("nothing", ["-", "none", "Nothing", "—", ""])
def test_nothing_may_be_said_in_many_ways(nothing: str) -> None:
    text = edited("Needs: T1\nCheck: `pytest tests/books`\n", f"Needs: {nothing}\nCheck: {nothing}\n")

    plan, _ = parse_todos(edited("Files: `db/schema.sql`", f"Files: {nothing}", text), PLAN)

    assert (task(plan, "T2").needs, task(plan, "T2").check, task(plan, "T1").files) == ((), None, ())


def test_a_heading_without_priority_keeps_the_one_the_task_had() -> None:
    plan, _ = parse_todos(edited("## T1. Database schema (High Priority)", "## T1. Database schema"), PLAN)

    assert task(plan, "T1").priority is Priority.HIGH


def test_tasks_can_be_reordered() -> None:
    head, first, second, third = RENDERED.split("\n## ")
    text = "\n## ".join([head, second, first, third])

    plan, ticked = parse_todos(text, PLAN)

    assert [found.id for found in plan.tasks] == ["T2", "T1", "T3"]
    assert ticked == {2, 3}


def test_a_new_task_without_id_gets_the_next_free_one_and_never_a_removed_one() -> None:
    removed = RENDERED[: RENDERED.index("## T3.")]
    text = removed + "## Payments: cards first (High Priority)\n\nNeeds: T2\n\n- [ ] Take cards\n"

    plan, _ = parse_todos(text, PLAN)

    assert plan.tasks[-1] == Task(
        id=TaskId("T4"),
        title="Payments: cards first",
        priority=Priority.HIGH,
        needs=(TaskId("T2"),),
        todos=("Take cards",),
    )


def test_a_removed_task_leaves_the_sync_points() -> None:
    text = RENDERED[: RENDERED.index("## T3.")]

    plan, _ = parse_todos(text, PLAN)

    assert plan.sync_points == (PLAN.sync_points[0].model_copy(update={"consumers": (TaskId("T2"),)}),)


def test_a_sync_point_whose_producer_is_removed_is_gone() -> None:
    text = "# Bookshop\n\n" + edited("Needs: T1", "Needs: -")[RENDERED.index("## T2.") - 0 :].replace(
        "Needs: T1", "Needs: -"
    )

    plan, _ = parse_todos(text, PLAN)

    assert plan.sync_points == ()


def test_a_check_of_several_lines_is_fenced() -> None:
    plan = PLAN.model_copy(update={"tasks": (task(PLAN, "T1").model_copy(update={"check": "cd db\n\nmake ```x```"}),)})

    text = render_todos(plan)

    assert "Check:\n````sh\ncd db\n\nmake ```x```\n````\n" in text


# ---------------------------------------------------------------- nonsense


@pytest.mark.parametrize(
    ("old", "new", "line", "problem", "expected"),
    [
        ("- [ ] 2. Write the indexes", "and then the rest", 10, "`and then the rest` is not part", "- [ ] text"),
        ("(High Priority)", "(Urgent Priority)", 3, "`Urgent` is not a priority", "(High Priority), (Medium"),
        ("Needs: T2", "Needs: T7", 23, "T3 needs T7, which is not a task", "T1, T2, T3"),
        (
            "## T3. Docs (Low Priority)",
            "## T1. Docs (Low Priority)",
            21,
            "T1 is there already, at line 3",
            "another id",
        ),
        ("## T3. Docs (Low Priority)", "## T3. (Low Priority)", 21, "a task without a title", "## T2. Title"),
        ("- [ ] 5. Write the README", "- [y] 5. Write the README", 27, "`[y]` is not a checkbox", "`[ ]` or `[x]`"),
        ("- [ ] 5. Write the README", "- [ ] 5.", 27, "a todo without text", "what is to be done"),
        ("Check: -", "Check: make\nCheck: test", 25, "a second `Check:` line", "the task at line 21"),
        ("Check: -", "Check:\n```\nmake", 25, "is never closed", "```"),
        ("# Bookshop", "# Bookshop\n# Again", 2, "a second title", "before the tasks"),
        ("# Bookshop", "# Bookshop\n- [ ] lost", 2, "belongs to no task", "heading before it"),
        ("# Bookshop", "### Bookshop", 1, "`### Bookshop` is not part", "task heading"),
        ("## T3. Docs", f"## {'T' * 41}. Docs", 21, "cannot be a task id", "at most 40"),
    ],
)
def test_nonsense_is_refused_with_its_line_and_what_was_expected(
    old: str, new: str, line: int, problem: str, expected: str
) -> None:
    with pytest.raises(UserError) as refusal:
        parse_todos(edited(old, new), PLAN)

    assert str(refusal.value).startswith(f"todos.md, line {line}: ")
    assert problem in str(refusal.value)
    assert expected in refusal.value.hint


def test_a_need_of_a_removed_task_is_refused_where_it_stands() -> None:
    text = RENDERED[: RENDERED.index("## T2.")] + RENDERED[RENDERED.index("## T3.") :]

    with pytest.raises(UserError, match=r"line 14: T3 needs T2, which is not a task of this document"):
        parse_todos(text, PLAN)


@pytest.mark.parametrize("text", ["", "\n\n", "# Only a title\n"])
def test_a_document_without_tasks_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="there is no task"):
        parse_todos(text, PLAN)
