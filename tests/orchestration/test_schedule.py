from collections.abc import Mapping
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.epic import Plan, Priority, SyncPoint, Task, TaskState
from equitr_coder.domain.footprint import claim_of, collision
from equitr_coder.domain.ids import AgentName, TaskId
from equitr_coder.domain.task_graph import NO_FREE_WORKER, chain_lengths
from equitr_coder.orchestration.schedule import Now, Schedule
from tests.orchestration.virtual_time import Played, World, by_critical_path, by_schedule, random_world

GRAPHS = range(200)
WITHIN = 1.15


def plan_of(*tasks: Task, points: tuple[SyncPoint, ...] = ()) -> Plan:
    return Plan(title="p", tasks=tasks, sync_points=points)


def task(name: str, *needs: str, **fields: object) -> Task:
    return Task.model_validate({"id": name, "title": f"title of {name}", "needs": needs, **fields})


def waiting(plan: Plan) -> dict[TaskId, TaskState]:
    return {each.id: TaskState.WAITING for each in plan.tasks}


def reasons(plan: Plan, now: Now, *, slots: int = 8) -> Mapping[str, str]:
    return {str(name): why for name, why in Schedule(plan).look(now, slots=slots).waiting.items()}


def starts(plan: Plan, now: Now, *, slots: int = 8) -> tuple[str, ...]:
    return Schedule(plan).look(now, slots=slots).start


# ---------------------------------------------------------------- whole runs in virtual time


@cache
def world_of(seed: int, *, priorities: bool = False) -> World:
    return random_world(seed, priorities=priorities)


@cache
def run_of(seed: int, kind: str) -> Played:
    world = world_of(seed, priorities=kind == "with priorities")
    return by_schedule(world, knows_durations=kind == "durations known")


@cache
def reference(seed: int) -> int:
    return by_critical_path(world_of(seed)).makespan


@pytest.fixture(params=["durations known", "durations unknown", "with priorities"])
def played(request: pytest.FixtureRequest) -> list[tuple[World, Played]]:
    kind = request.param
    seeds = GRAPHS if kind == "durations known" else GRAPHS[:60]
    return [(world_of(seed, priorities=kind == "with priorities"), run_of(seed, kind)) for seed in seeds]


def test_every_task_of_every_graph_lands(played: list[tuple[World, Played]]) -> None:
    assert len(played) >= 60
    for world, run in played:
        assert set(run.landed) == {each.id for each in world.plan.tasks}


def test_a_task_starts_after_its_prerequisites_or_their_sync_points(played: list[tuple[World, Played]]) -> None:
    early = 0
    for world, run in played:
        for each in world.plan.tasks:
            for need in each.needs:
                points = [point for point in world.plan.consumed_by(each.id) if point.producer == need]
                is_done = run.started[each.id] >= run.landed[need]
                early += not is_done
                kept = bool(points) and all(run.produced[point.id] <= run.started[each.id] for point in points)
                assert is_done or kept, (each.id, need)
                assert run.landed[each.id] >= run.landed[need]
    assert early > 20


def test_no_two_tasks_that_claim_the_same_are_ever_at_work_at_once(played: list[tuple[World, Played]]) -> None:
    pairs = 0
    for world, run in played:
        claims = {each.id: claim_of(each) for each in world.plan.tasks}
        for one, other in combinations(claims, 2):
            if not collision(claims[one], claims[other]):
                continue
            pairs += 1
            assert run.landed[one] <= run.started[other] or run.landed[other] <= run.started[one], (one, other)
    assert pairs > 100


def test_with_a_worker_for_each_a_task_starts_the_moment_its_last_prerequisite_is_there() -> None:
    for seed in GRAPHS:
        world = world_of(seed)
        alone = plan_of(
            *(each.model_copy(update={"files": (), "symbols": (), "resources": ()}) for each in world.plan.tasks),
            points=world.plan.sync_points,
        )
        run = by_schedule(World(alone, world.durations, workers=len(alone.tasks)))
        for each in alone.tasks:
            there = [ready_at(alone, run, each, need) for need in each.needs]
            assert run.started[each.id] == max(there, default=0)


def ready_at(plan: Plan, run: Played, task: Task, need: TaskId) -> int:
    points = [run.produced[point.id] for point in plan.consumed_by(task.id) if point.producer == need]
    return min(run.landed[need], max(points)) if points else run.landed[need]


def test_the_time_is_that_of_list_scheduling_by_the_critical_path() -> None:
    ratios = [run_of(seed, "durations known").makespan / reference(seed) for seed in GRAPHS]

    assert max(ratios) <= WITHIN


def test_without_knowing_durations_the_time_is_near_that_of_one_who_does() -> None:
    ratios = [run_of(seed, "durations unknown").makespan / reference(seed) for seed in GRAPHS[:60]]

    assert sum(ratios) / len(ratios) <= 1.05
    assert max(ratios) <= 1.5


def test_urgent_work_is_never_overtaken_on_what_it_waits_for() -> None:
    overtaken = 0
    for seed in GRAPHS[:60]:
        world, run = world_of(seed, priorities=True), run_of(seed, "with priorities")
        claims = {each.id: claim_of(each) for each in world.plan.tasks}
        for urgent in world.plan.tasks:
            since = max((ready_at(world.plan, run, urgent, need) for need in urgent.needs), default=0)
            for other in world.plan.tasks:
                is_behind = other.priority.rank > urgent.priority.rank
                is_between = since < run.started[other.id] < run.started[urgent.id]
                if is_behind and is_between:
                    overtaken += 1
                    assert not collision(claims[urgent.id], claims[other.id]), (seed, urgent.id, other.id)
    assert overtaken > 50


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=30, deadline=None)
def test_a_failure_blocks_exactly_what_depends_on_it_and_the_run_ends(seed: int, data: st.DataObject) -> None:
    world = random_world(seed, most=20)
    names = [each.id for each in world.plan.tasks]
    world.failing = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=3))

    run = by_schedule(world)

    assert all(state.is_final for state in run.states.values())
    for each in world.plan.tasks:
        if each.id in world.failing:
            assert run.states[each.id] in (TaskState.FAILED, TaskState.BLOCKED)
        else:
            is_fine = all(run.states[need] is TaskState.DONE for need in each.needs)
            assert (run.states[each.id] is TaskState.DONE) == is_fine


# ---------------------------------------------------------------- one look


def test_high_priority_starts_first_then_the_longest_chain() -> None:
    plan = plan_of(
        task("low", priority="low"),
        task("short"),
        task("head"),
        task("tail", "head"),
        task("high", priority=Priority.HIGH),
        task("thorough", todos=["one", "two", "three"]),
    )
    now = Now(waiting(plan))

    assert starts(plan, now) == ("high", "thorough", "head", "short", "low")
    assert starts(plan, now, slots=1) == ("high",)
    assert starts(plan, now, slots=0) == ()
    assert reasons(plan, now, slots=1)["head"] == NO_FREE_WORKER


def test_what_a_task_waits_for_is_said_in_one_line() -> None:
    plan = plan_of(
        task("T1", files=["src/a.py"]),
        task("T2", files=["src/**"]),
        task("T3", "T1", "T2"),
        task("T4", "T1"),
        task("T5", resources=["db:test"]),
        task("T6", resources=["DB:test "]),
        points=(SyncPoint(id="S1", producer=TaskId("T1"), consumers=(TaskId("T4"),)),),
    )
    states = waiting(plan) | {TaskId("T1"): TaskState.WORKING, TaskId("T5"): TaskState.WORKING}

    assert reasons(plan, Now(states, running={TaskId("T1"), TaskId("T5")})) == {
        "T2": "T1 holds src/a.py",
        "T3": "waits for T1 (title of T1) and T2 (title of T2)",
        "T4": "waits for sync point S1 of T1",
        "T6": "T5 holds resource db:test",
    }


def test_long_rows_of_prerequisites_are_shortened() -> None:
    heads = [task(f"T{number}") for number in range(6)]
    plan = plan_of(*heads, task("end", *(each.id for each in heads)))

    assert reasons(plan, Now(waiting(plan)))["end"] == "waits for T0 (title of T0), T1 (title of T1) and 4 more"


def test_a_consumer_starts_next_to_its_producer_unless_both_claim_the_same() -> None:
    point = SyncPoint(id="S1", producer=TaskId("P"), consumers=(TaskId("C"),))
    apart = plan_of(task("P", files=["a.py"]), task("C", "P", files=["b.py"]), points=(point,))
    together = plan_of(task("P", files=["a.py"]), task("C", "P", files=["*.py"]), points=(point,))
    states = {TaskId("P"): TaskState.WORKING, TaskId("C"): TaskState.WAITING}
    produced = Now(states, running={TaskId("P")}, produced={"S1"})

    assert starts(apart, Now(states, running={TaskId("P")})) == ()
    assert starts(apart, produced) == ("C",)
    assert reasons(together, produced) == {"C": "P holds a.py"}


def test_a_consumer_waits_for_a_producer_that_it_does_not_need_and_starts_when_that_is_done() -> None:
    point = SyncPoint(id="S1", producer=TaskId("P"), consumers=(TaskId("C"),))
    plan = plan_of(task("P"), task("C"), points=(point,))
    states = waiting(plan)

    assert starts(plan, Now(states)) == ("P",)
    assert reasons(plan, Now(states)) == {"C": "waits for sync point S1 of P"}
    assert starts(plan, Now(states | {TaskId("P"): TaskState.DONE})) == ("C",)
    assert Schedule(plan).doomed(Now(states | {TaskId("P"): TaskState.FAILED})) == {"C": "P"}
    assert Schedule(plan).doomed(Now(states | {TaskId("P"): TaskState.FAILED}, produced={"S1"})) == {}


def test_what_is_handed_in_holds_its_files_until_it_lands_and_lands_after_what_it_needs() -> None:
    point = SyncPoint(id="S1", producer=TaskId("P"), consumers=(TaskId("C"),))
    plan = plan_of(task("P"), task("C", "P", files=["c.py"]), task("D", files=["c.py"]), points=(point,))
    states = {TaskId("P"): TaskState.WORKING, TaskId("C"): TaskState.REVIEW, TaskId("D"): TaskState.WAITING}

    waits = Now(states, running={TaskId("P")}, produced={"S1"})
    assert starts(plan, waits) == ()
    assert reasons(plan, waits) == {"C": "waits for P (title of P)", "D": "C holds c.py"}
    assert starts(plan, Now(states | {TaskId("P"): TaskState.DONE}, produced={"S1"})) == ("C",)
    assert Schedule(plan).doomed(Now(states | {TaskId("P"): TaskState.FAILED}, produced={"S1"})) == {"C": "P"}


def test_a_producer_never_waits_for_a_consumer_that_waits_for_it() -> None:
    point = SyncPoint(id="S1", producer=TaskId("P"), consumers=(TaskId("C"),))
    plan = plan_of(task("P"), task("C", "P", files=["c.py"]), task("D", files=["c.py"]), points=(point,))
    states = {TaskId("P"): TaskState.WORKING, TaskId("C"): TaskState.REVIEW, TaskId("D"): TaskState.WAITING}
    resumed = Now(states, produced={"S1"}, touched={TaskId("P"): ["c.py"]})

    assert starts(plan, resumed) == ("P",)
    assert reasons(plan, resumed) == {"C": "waits for P (title of P)", "D": "C holds c.py"}


def test_interrupted_tasks_go_first_and_never_next_to_what_they_collide_with() -> None:
    plan = plan_of(task("new", priority="high"), task("T1", files=["a.py"]), task("T2", files=["a.py"]))
    states = waiting(plan) | {TaskId("T1"): TaskState.WORKING, TaskId("T2"): TaskState.WORKING}

    assert starts(plan, Now(states)) == ("T1", "new")
    assert reasons(plan, Now(states)) == {"T2": "T1 holds a.py"}
    assert starts(plan, Now(states, parked={TaskId("T1")})) == ("T2", "new")


def test_a_file_that_a_task_was_allowed_to_touch_keeps_others_away() -> None:
    plan = plan_of(task("T1", files=["a.py"]), task("T2", files=["b.py"]), task("T3"))
    states = waiting(plan) | {TaskId("T1"): TaskState.WORKING}
    running = {TaskId("T1")}

    assert starts(plan, Now(states, running=running)) == ("T2", "T3")
    assert reasons(plan, Now(states, running=running, touched={TaskId("T1"): ["b.py"]})) == {"T2": "T1 holds b.py"}


def test_files_are_kept_for_more_urgent_work_that_waits_for_them() -> None:
    plan = plan_of(
        task("runs", files=["a.py"]),
        task("urgent", files=["a.py", "b.py"], priority="high"),
        task("other", files=["b.py"]),
        task("free", files=["c.py"]),
    )
    now = Now(waiting(plan) | {TaskId("runs"): TaskState.WORKING}, running={TaskId("runs")})

    assert starts(plan, now) == ("free",)
    assert reasons(plan, now) == {"urgent": "runs holds a.py", "other": "b.py is kept for urgent"}


def test_an_agent_does_one_task_at_a_time() -> None:
    plan = plan_of(task("T1"), task("T2"), task("T3"))
    agents = {TaskId("T1"): AgentName("ann"), TaskId("T2"): AgentName("ann"), TaskId("T3"): AgentName("bob")}
    outlook = Schedule(plan, agents=agents).look(Now(waiting(plan)), slots=3)

    assert outlook.start == ("T1", "T3")
    assert outlook.waiting == {"T2": "ann is busy with T1"}


def test_a_chain_of_thousands_needs_no_deep_stack() -> None:
    tasks = [task(f"T{n}", *([f"T{n - 1}"] if n else [])) for n in range(5000)]

    assert chain_lengths(plan_of(*tasks))[TaskId("T0")] == 5000
