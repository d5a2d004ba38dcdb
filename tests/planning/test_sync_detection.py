import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.epic import ArtifactType, Plan, SyncPoint, Task, plan_problems
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.sync_detection import detect, layer, with_detected

ALL = tuple(ArtifactType)


def task(name: str, kind: str = "code", *, needs: tuple[str, ...] = (), area: str = "") -> Task:
    return Task(
        id=TaskId(name), title=f"Build {name}", type=kind, specialization=area, needs=tuple(TaskId(n) for n in needs)
    )


def plan(*tasks: Task, points: tuple[SyncPoint, ...] = ()) -> Plan:
    return Plan(title="Shop", tasks=tasks, sync_points=points)


def found(made: Plan, types: tuple[ArtifactType, ...] = ALL) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(point.id, point.type.value, point.producer, point.consumers) for point in detect(made, types)]


SCHEMA, API, FRONT = task("T1", "schema"), task("T2", "api", needs=("T1",)), task("T3", "frontend", needs=("T2",))


def test_schema_api_and_frontend_share_a_schema_and_a_contract() -> None:
    made = plan(SCHEMA, API, FRONT)

    assert found(made) == [("S1", "schemas", "T1", ("T2",)), ("S2", "contracts", "T2", ("T3",))]
    assert all(
        point.detected and point.description.startswith("Detected from the plan:") for point in detect(made, ALL)
    )


def test_one_task_promises_once_to_all_who_build_on_it() -> None:
    made = plan(SCHEMA, API, task("T4", "api", needs=("T1",)))

    assert found(made) == [("S1", "schemas", "T1", ("T2", "T4"))]


@pytest.mark.parametrize(
    ("kind", "area", "expected"),
    [
        ("database", "", "data"),
        ("code", "backend", "api"),
        ("code", "web-frontend", "front"),
        ("api", "frontend", "api"),
        ("code", "coder", ""),
        ("tests", "qa", ""),
        ("docs", "", ""),
        ("api and ui", "", ""),
    ],
)
def test_a_layer_is_told_by_the_type_and_then_by_the_specialization(kind: str, area: str, expected: str) -> None:
    assert layer(task("T1", kind, area=area)) == expected


def test_tasks_that_do_not_need_each_other_share_nothing() -> None:
    assert found(plan(SCHEMA, task("T2", "api"), task("T3", "frontend", needs=("T1",)))) == []


def test_what_the_plan_names_is_not_named_again() -> None:
    named = SyncPoint(id="s1", producer=TaskId("T1"), consumers=(TaskId("T2"),))

    assert found(plan(SCHEMA, API, FRONT, points=(named,))) == [("S2", "contracts", "T2", ("T3",))]


def test_a_type_that_is_not_allowed_is_not_proposed() -> None:
    assert found(plan(SCHEMA, API, FRONT), (ArtifactType.CONTRACTS,)) == [("S1", "contracts", "T2", ("T3",))]


KINDS = st.sampled_from(["database", "api", "frontend", "code", "tests"])


@given(st.lists(st.tuples(KINDS, st.sets(st.integers(0, 7))), min_size=1, max_size=8))
def test_detection_keeps_a_plan_sound_and_adds_nothing_the_second_time(drawn: list[tuple[str, set[int]]]) -> None:
    tasks = [
        task(f"T{index}", kind, needs=tuple(f"T{need}" for need in sorted(needs) if need < index))
        for index, (kind, needs) in enumerate(drawn)
    ]
    made = with_detected(plan(*tasks), ALL)

    assert plan_problems(made) == []
    assert with_detected(made, ALL) == made
    for point in made.sync_points:
        assert all(point.producer in made.task(consumer).needs for consumer in point.consumers)
