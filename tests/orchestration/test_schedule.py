import heapq
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.epic import Plan, Priority, Task, TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.orchestration.schedule import chain_lengths, doomed, startable, waits_for


def plan_of(edges: dict[str, list[str]], priorities: dict[str, Priority] | None = None) -> Plan:
    tasks = tuple(
        Task(
            id=TaskId(name),
            title=name,
            needs=tuple(TaskId(need) for need in needs),
            priority=(priorities or {}).get(name, Priority.MEDIUM),
        )
        for name, needs in edges.items()
    )
    return Plan(title="p", tasks=tasks)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 50))
    edges: dict[str, list[str]] = {}
    for number in range(count):
        earlier = list(edges)
        edges[f"T{number}"] = draw(st.lists(st.sampled_from(earlier), max_size=4, unique=True)) if earlier else []
    order = draw(st.permutations(list(edges)))
    priorities = {name: draw(st.sampled_from(list(Priority))) for name in edges}
    return plan_of({name: edges[name] for name in order}, priorities)


def simulate(
    plan: Plan, durations: Mapping[TaskId, int], slots: int, failing: frozenset[str] = frozenset()
) -> dict[str, tuple[int, int]]:
    """Virtual time: start and end of every task that ran."""
    states = {task.id: TaskState.WAITING for task in plan.tasks}
    running: list[tuple[int, str]] = []
    spans: dict[str, tuple[int, int]] = {}
    now = 0
    while True:
        for task_id in doomed(plan, states):
            states[task_id] = TaskState.BLOCKED
        for task_id in startable(plan, states, slots=slots - len(running)):
            states[task_id] = TaskState.WORKING
            spans[task_id] = (now, now + durations[task_id])
            heapq.heappush(running, (now + durations[task_id], task_id))
        if not running:
            break
        now, ended = heapq.heappop(running)
        states[TaskId(ended)] = TaskState.FAILED if ended in failing else TaskState.DONE
    assert all(state.is_final for state in states.values())
    return spans


@given(plans(), st.data())
def test_no_task_starts_before_its_prerequisites_are_done(plan: Plan, data: st.DataObject) -> None:
    durations = {task.id: data.draw(st.integers(1, 9)) for task in plan.tasks}
    spans = simulate(plan, durations, data.draw(st.integers(1, 8)))

    assert set(spans) == {task.id for task in plan.tasks}
    for task in plan.tasks:
        assert all(spans[task.id][0] >= spans[need][1] for need in task.needs)


@given(plans(), st.data())
def test_with_slots_to_spare_a_task_starts_the_moment_its_prerequisites_end(plan: Plan, data: st.DataObject) -> None:
    durations = {task.id: data.draw(st.integers(1, 9)) for task in plan.tasks}
    spans = simulate(plan, durations, slots=len(plan.tasks))

    for task in plan.tasks:
        assert spans[task.id][0] == max((spans[need][1] for need in task.needs), default=0)


@given(plans(), st.data())
def test_a_failure_blocks_exactly_its_dependents(plan: Plan, data: st.DataObject) -> None:
    failing = frozenset(data.draw(st.sets(st.sampled_from([task.id for task in plan.tasks]), max_size=3)))
    spans = simulate(plan, {task.id: 1 for task in plan.tasks}, 4, failing)

    for task in plan.tasks:
        fine = all(need in spans and need not in failing for need in task.needs)
        assert (task.id in spans) == fine


@given(plans(), st.integers(1, 8))
def test_list_scheduling_stays_within_twice_the_lower_bound(plan: Plan, slots: int) -> None:
    # Graham 1966: any greedy schedule is at most (2 - 1/m) times the optimum.
    spans = simulate(plan, {task.id: 1 for task in plan.tasks}, slots)
    makespan = max(end for _, end in spans.values())
    lower = max(*chain_lengths(plan).values(), -(-len(plan.tasks) // slots))

    assert makespan <= 2 * lower


def test_high_priority_starts_first_then_the_longest_chain() -> None:
    plan = plan_of(
        {"low": [], "short": [], "head": [], "tail": ["head"], "high": []},
        {"low": Priority.LOW, "high": Priority.HIGH},
    )
    states = {task.id: TaskState.WAITING for task in plan.tasks}

    assert startable(plan, states, slots=4) == ["high", "head", "short", "low"]
    assert startable(plan, states, slots=1) == ["high"]
    assert startable(plan, states, slots=0) == []


def test_what_a_task_waits_for_is_named() -> None:
    plan = plan_of({"a": [], "b": [], "c": ["a", "b"]})
    states = {TaskId("a"): TaskState.DONE, TaskId("b"): TaskState.WORKING, TaskId("c"): TaskState.WAITING}

    assert waits_for(plan, states, TaskId("c")) == ("b",)


def test_a_chain_of_thousands_needs_no_deep_stack() -> None:
    edges = {f"T{n}": [f"T{n - 1}"] if n else [] for n in range(5000)}

    assert chain_lengths(plan_of(edges))[TaskId("T0")] == 5000
