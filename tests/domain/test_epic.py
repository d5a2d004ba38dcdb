from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from equitr_coder.domain.epic import (
    ArtifactType,
    Plan,
    Priority,
    SyncPoint,
    Task,
    agent_names,
    dependents,
    find_cycle,
    plan_problems,
)
from equitr_coder.domain.ids import TaskId


def plan(**needs: list[str]) -> Plan:
    return Plan(
        title="p",
        tasks=tuple(
            Task(id=TaskId(name), title=name, needs=tuple(TaskId(need) for need in wanted))
            for name, wanted in needs.items()
        ),
    )


def test_a_cycle_is_named_as_a_path() -> None:
    assert plan_problems(plan(A=["B"], B=["A"])) == ["cycle: A → B → A"]


def test_a_task_that_needs_itself_is_a_cycle() -> None:
    assert plan_problems(plan(A=["A"])) == ["cycle: A → A"]


def test_unknown_needs_duplicate_ids_and_strange_sync_points_are_all_named() -> None:
    made = Plan(
        title="p",
        tasks=(Task(id=TaskId("A"), title="a", needs=(TaskId("Z"),)), Task(id=TaskId("A"), title="b")),
        sync_points=(SyncPoint(id="S", producer=TaskId("Q"), consumers=(TaskId("A"),)),),
    )

    problems = plan_problems(made)

    assert "task id A is used more than once" in problems
    assert "task A needs Z, which is not a task of this plan" in problems
    assert "sync point S names Q, which is not a task of this plan" in problems


@given(st.data())
def test_a_found_cycle_is_a_real_one_and_a_graph_without_one_has_an_order(data: st.DataObject) -> None:
    names = [f"T{n}" for n in range(data.draw(st.integers(1, 9)))]
    made = plan(**{name: data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) for name in names})

    cycle = find_cycle(made.tasks)

    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(b in made.task(a).needs for a, b in pairwise(cycle))
    else:
        done: set[str] = set()
        while len(done) < len(names):
            ready = [task.id for task in made.tasks if task.id not in done and set(task.needs) <= done]
            assert ready
            done.update(ready)


def test_dependents_are_found_through_others() -> None:
    assert dependents(plan(A=[], B=["A"], C=["B"], D=[]), TaskId("A")) == {"B", "C"}


def test_workers_are_named_by_area_and_numbered_only_where_there_are_several() -> None:
    tasks = [("T1", "infrastructure"), ("T2", "Backend"), ("T3", "backend"), ("T4", ""), ("T5", "front-end UI")]
    made = Plan(title="p", tasks=tuple(Task(id=TaskId(i), title=i, specialization=s) for i, s in tasks))

    assert list(agent_names(made).values()) == [
        "infrastructure_worker", "backend_worker_1", "backend_worker_2", "worker", "front_end_ui_worker",
    ]  # fmt: skip


def test_todos_are_numbered_through_the_whole_plan() -> None:
    made = Plan(
        title="p",
        tasks=(
            Task(id=TaskId("A"), title="a", todos=("one", "two")),
            Task(id=TaskId("B"), title="b"),
            Task(id=TaskId("C"), title="c", todos=("three",)),
        ),
    )

    assert made.todo_numbers == {"A": (1, 2), "B": (), "C": (3,)}


@pytest.mark.parametrize("word", ["contract", "contracts", "Contract", " contracts "])
def test_singular_artifact_types_are_accepted(word: str) -> None:
    point = SyncPoint.model_validate({"id": "S", "type": word, "producer": "A"})

    assert point.type is ArtifactType.CONTRACTS


def test_a_poem_is_no_artifact() -> None:
    with pytest.raises(ValidationError):
        SyncPoint.model_validate({"id": "S", "type": "poem", "producer": "A"})


def test_what_a_planner_leaves_out_or_writes_loosely_is_accepted() -> None:
    task = Task.model_validate({"id": "T1", "title": "t", "needs": None, "priority": "High", "check": "  "})

    assert (task.needs, task.priority, task.check) == ((), Priority.HIGH, None)


@pytest.mark.parametrize("name", ["", "../x", "a b", "-rf", "x" * 41])
def test_an_id_that_cannot_name_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Task.model_validate({"id": name, "title": "t"})
