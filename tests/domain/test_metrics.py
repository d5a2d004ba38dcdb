from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.metrics import RunMetrics, TaskMetrics, measure
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.runs import RunKind, RunOptions, RunState

START = datetime(2026, 1, 1, tzinfo=UTC)
AGENT = AgentName("worker")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def who(task: str | None) -> dict[str, Any]:
    return {"session": SessionId(f"{task}.1"), "agent": AGENT, "task": TaskId(task) if task else None}


def log(*timed: tuple[float, e.Event], workers: int = 2) -> list[e.Event]:
    """Events at these seconds, after the one that starts the run at 0."""
    options = RunOptions(max_workers=workers)
    opening = e.RunStarted(kind=RunKind.EPIC, request="r", workspace="/w", options=options)
    return [
        event.model_copy(update={"seq": number, "at": at(second), "run": RunId("run-1")})
        for number, (second, event) in enumerate([(0.0, opening), *timed], start=1)
    ]


def approved(*tasks: Task) -> e.PlanApproved:
    plan = Plan(title="p", tasks=tasks)
    return e.PlanApproved(plan=plan, by="user", branch="b", base=CommitId("b"), commit=CommitId("c"))


def task(name: str, *needs: str) -> Task:
    return Task(id=TaskId(name), title=name, needs=tuple(TaskId(need) for need in needs))


def turns(name: str, state: TaskState, attempt: int = 1) -> e.TaskChanged:
    return e.TaskChanged(task=TaskId(name), state=state, attempt=attempt)


def call(
    name: str, begun: float, ended: float, *, task: str | None, tier: Tier = Tier.WEAK, usd: str = "1"
) -> list[tuple[float, e.Event]]:
    purpose = Purpose.WORK if tier is Tier.WEAK else Purpose.PLANNING
    of: dict[str, Any] = {**who(task), "call": CallId(name), "model": "m", "tier": tier, "purpose": purpose}
    return [
        (begun, e.ModelCallReserved(**of, usd=Decimal(usd), input_bound=1, max_tokens=1)),
        (
            ended,
            e.ModelCallSettled(**of, usage=Usage(), usd=Decimal(usd), latency_ms=round((ended - begun) * 1000)),
        ),
    ]


def tool(name: str, begun: float, ended: float, *, task: str, took: float) -> list[tuple[float, e.Event]]:
    of: dict[str, Any] = {**who(task), "call": CallId(name), "name": "run_command"}
    return [
        (begun, e.ToolCalled(**of, arguments="{}")),
        (ended, e.ToolReturned(**of, text="", duration_ms=round(took * 1000))),
    ]


def measured(name: str, **fields: Any) -> e.AttemptMeasured:
    return e.AttemptMeasured(task=TaskId(name), attempt=1, **fields)


def in_order(*parts: Iterable[tuple[float, e.Event]]) -> list[tuple[float, e.Event]]:
    return sorted((timed for part in parts for timed in part), key=lambda timed: timed[0])


def only(metrics: RunMetrics) -> TaskMetrics:
    [row] = metrics.tasks
    return row


def finished(second: float) -> tuple[float, e.Event]:
    return (second, e.RunFinished(state=RunState.COMPLETED))


def test_the_time_of_a_task_is_divided_among_what_it_waited_for() -> None:
    check = e.TimeSpan(kind="check", at=at(7), ms=1000)
    turn = e.TimeSpan(kind="turn", at=at(8), ms=500)
    tree = e.TimeSpan(kind="worktree", at=at(2), ms=250)
    metrics = measure(
        log(
            *in_order(
                [(1, approved(task("T1"))), (2, turns("T1", TaskState.WORKING))],
                call("c1", 2.5, 4.5, task="T1"),
                tool("t1", 4.5, 5.5, task="T1", took=0.75),
                [
                    (6, turns("T1", TaskState.REVIEW)),
                    (9, turns("T1", TaskState.DONE)),
                    (9, measured("T1", git_ms=300, git_commands=12, spans=(tree, check, turn))),
                    finished(10),
                ],
            )
        )
    )

    row = only(metrics)
    assert (row.waiting, row.total) == (1, 7)
    assert (row.model, row.tool, row.gate, row.merge, row.other) == (2, 0.75, 1, 2, 1.25)
    assert row.model + row.tool + row.gate + row.merge + row.other == row.total
    assert (row.queue, row.worktree, row.git, row.git_commands) == (0.5, 0.25, 0.3, 12)
    assert (metrics.wall, metrics.execution, metrics.task_time, metrics.speed_up) == (10, 7, 7, 1)
    assert metrics.overhead == round((10 - 3.75) / 10, 4)
    assert metrics.execution_overhead == round((7 - 3.75) / 7, 4)
    assert metrics.worker_overhead == round((7 - 3.75) / 7, 4)


def two_tasks_at_once() -> list[e.Event]:
    return log(
        *in_order(
            [
                (0, approved(task("T1"), task("T2"), task("T3", "T1"))),
                (0, turns("T1", TaskState.WORKING)),
                (0, turns("T2", TaskState.WORKING)),
            ],
            call("a", 0, 4, task="T1"),
            call("b", 1, 5, task="T2"),
            [(4, turns("T1", TaskState.DONE)), (5, turns("T2", TaskState.DONE)), (6, turns("T3", TaskState.WORKING))],
            call("c", 6, 8, task="T3"),
            [(8, turns("T3", TaskState.DONE)), finished(8)],
        )
    )


def test_overhead_is_the_time_in_which_nobody_waits_for_anything() -> None:
    metrics = measure(two_tasks_at_once())

    assert metrics.overhead == round(1 / 8, 4)
    assert metrics.worker_overhead == round(1 / 11, 4)
    assert metrics.peak_workers == 2
    assert metrics.speed_up == round(11 / 8, 4)


def test_utilization_is_counted_while_as_many_tasks_as_workers_could_run() -> None:
    # Until 5 s two tasks could run: T1 and T2, then T2 and T3. Busy: T1 for 4 s, T2 from 1 s on.
    assert measure(two_tasks_at_once()).utilization == round((4 + 4) / (2 * 5), 4)


def test_more_workers_than_tasks_that_could_run_are_not_held_against_them() -> None:
    events = two_tasks_at_once()
    opening = events[0]
    assert isinstance(opening, e.RunStarted)
    many = opening.model_copy(update={"options": RunOptions(max_workers=16)})

    assert measure([many, *events[1:]]).utilization == measure(events).utilization


def test_a_check_that_runs_while_another_worker_has_the_place_counts_for_no_worker() -> None:
    check = e.TimeSpan(kind="check", at=at(4), ms=5000)
    metrics = measure(
        log(
            *in_order(
                [
                    (0, approved(task("T1"), task("T2"), task("T3"))),
                    (0, turns("T1", TaskState.WORKING)),
                    (0, turns("T2", TaskState.WORKING)),
                ],
                call("a", 0, 4, task="T1"),
                call("b", 0, 8, task="T2"),
                [(4, turns("T1", TaskState.REVIEW)), (4, turns("T3", TaskState.WORKING))],
                call("c", 5, 9, task="T3"),
                [
                    (8, turns("T2", TaskState.REVIEW)),
                    (9, turns("T2", TaskState.DONE)),
                    (9, turns("T3", TaskState.REVIEW)),
                    (10, turns("T1", TaskState.DONE)),
                    (10, measured("T1", spans=(check,))),
                    (10, turns("T3", TaskState.DONE)),
                    finished(10),
                ],
            )
        )
    )

    # Until 8 s two tasks could be worked on, at least: busy were T1 for 4 s, T2 for 8 s, and T3 from 5 s on.
    assert metrics.utilization == round((4 + 8 + 3) / (2 * 8), 4)
    assert metrics.peak_workers == 2
    assert (metrics.tasks[0].gate, metrics.task_time) == (5, 10 + 9 + 6)


def test_a_task_that_was_sent_back_could_be_worked_on_while_it_waits_for_a_worker() -> None:
    metrics = measure(
        log(
            *in_order(
                [(0, approved(task("T1"), task("T2"))), (0, turns("T1", TaskState.WORKING))],
                call("a", 0, 2, task="T1"),
                [
                    (2, turns("T1", TaskState.REVIEW)),
                    (2, turns("T2", TaskState.WORKING)),
                    (4, turns("T1", TaskState.READY)),
                    (4, turns("T1", TaskState.WAITING, attempt=0)),
                ],
                call("b", 3, 6, task="T2"),
                [(6, turns("T2", TaskState.DONE)), (7, turns("T1", TaskState.WORKING, attempt=2))],
                call("c", 7, 10, task="T1"),
                [(10, turns("T1", TaskState.DONE)), finished(10)],
            ),
            workers=1,
        )
    )

    # One of them always could. Busy: T1 for 2 s, T2 for 3 s, T1 again for 3 s.
    assert (metrics.utilization, metrics.peak_workers) == (0.8, 1)


def test_the_share_of_strong_models_stands_apart() -> None:
    metrics = measure(
        log(
            *in_order(
                call("plan", 0, 3, task=None, tier=Tier.STRONG, usd="0.5"),
                [(3, approved(task("T1"))), (3, turns("T1", TaskState.WORKING))],
                call("work", 3, 7, task="T1", usd="0.1"),
                call("advice", 7, 8, task="T1", tier=Tier.STRONG, usd="0.2"),
                [(8, turns("T1", TaskState.DONE)), finished(10)],
            )
        )
    )

    assert metrics.coordinator == 0.4
    assert [(tier.tier, tier.calls, tier.usd, tier.seconds) for tier in metrics.tiers] == [
        (Tier.STRONG, 2, Decimal("0.7"), 4),
        (Tier.WEAK, 1, Decimal("0.1"), 4),
    ]
    assert (metrics.usd, only(metrics).usd) == (Decimal("0.8"), Decimal("0.3"))


def test_the_same_tokens_are_priced_at_the_strong_models_rates() -> None:
    of: dict[str, Any] = {**who(None), "model": "m", "purpose": Purpose.WORK}
    usage = Usage(input=1000, output=100)
    settled = [
        e.ModelCallSettled(
            **of, call=CallId(tier), tier=tier, usage=usage, usd=price.cost(usage), price=price, latency_ms=1
        )
        for tier, price in (
            (Tier.STRONG, Price(input=Decimal(10), output=Decimal(30))),
            (Tier.WEAK, Price(input=Decimal(1), output=Decimal(3))),
        )
    ]

    both = measure(log(*((1.0, event) for event in settled)))
    weak = measure(log((1.0, settled[1])))

    assert both.usd == Decimal("0.0143")
    assert both.strong_alone == Decimal("0.026")
    assert weak.strong_alone is None


def test_pauses_and_the_time_after_a_death_count_nowhere() -> None:
    resumed = e.RunResumed(options=RunOptions(max_workers=2))
    lost = {**who("T1"), "call": CallId("c"), "model": "m", "tier": Tier.WEAK, "purpose": Purpose.WORK}
    metrics = measure(
        log(
            (0, approved(task("T1"))),
            (0, turns("T1", TaskState.WORKING)),
            (1, e.ModelCallReserved(**lost, usd=Decimal(1), input_bound=1, max_tokens=1)),
            (3, measured("T2")),  # the last sign of life
            (100, resumed),
            (100, e.ModelCallFailed(**lost, kind="interrupted", message="", usd=Decimal(1))),
            (100, turns("T1", TaskState.WORKING)),
            (102, turns("T1", TaskState.DONE)),
            (103, e.RunPaused(reason=StopReason.INTERRUPTED)),
            (200, resumed),
            finished(201),
        )
    )

    row = next(row for row in metrics.tasks if row.task == "T1")
    assert (metrics.wall, metrics.execution, row.total, row.model) == (7, 5, 5, 2)


def test_waiting_for_a_person_is_nobodys_overhead() -> None:
    approval = Approval(
        id=RequestId("q"), session=SessionId("T1.1"), agent=AGENT, tool="run_command", what="w", why="y", confined=True
    )
    metrics = measure(
        log(
            *in_order(
                [(0, e.ApprovalRequested(approval=approval))],
                call("meanwhile", 1, 2, task=None),
                [
                    (4, e.ApprovalResolved(approval=RequestId("q"), answer=ApprovalAnswer(allowed=True, by="user"))),
                    finished(5),
                ],
            )
        )
    )

    assert metrics.person == 3
    assert metrics.overhead == 0.5


def test_the_wait_before_the_next_try_is_the_models() -> None:
    of: dict[str, Any] = {**who("T1"), "call": CallId("c"), "model": "m", "tier": Tier.WEAK, "purpose": Purpose.WORK}
    metrics = measure(
        log(
            *in_order(
                [
                    (0, approved(task("T1"))),
                    (0, turns("T1", TaskState.WORKING)),
                    (0, e.ModelCallReserved(**of, usd=Decimal(1), input_bound=1, max_tokens=1)),
                    (1, e.ModelCallFailed(**of, kind="server", message="", retry_in=2.0)),
                ],
                call("d", 3, 5, task="T1"),
                [(5, turns("T1", TaskState.DONE)), finished(5)],
            )
        )
    )

    assert only(metrics).model == 5
    assert metrics.overhead == 0


def test_an_old_log_that_measured_nothing_tells_of_its_checks_by_its_receipts() -> None:
    result = CheckResult(command="true", exit_code=0, duration_ms=2000, tree=TreeId("t"))
    receipt = Receipt(task=TaskId("T1"), commit=CommitId("c"), tree=TreeId("t"), checks=(result,), at=at(4))
    metrics = measure(
        log(
            (0, approved(task("T1"))),
            (0, turns("T1", TaskState.WORKING)),
            (1, turns("T1", TaskState.REVIEW)),
            (4, e.ReceiptStored(task=TaskId("T1"), receipt=receipt)),
            (4, turns("T1", TaskState.DONE)),
            finished(4),
        )
    )

    row = only(metrics)
    assert (row.gate, row.merge, row.other, row.git) == (2, 1, 1, 0)


def test_a_log_that_ends_in_the_middle_counts_until_its_last_event() -> None:
    metrics = measure(log((0, approved(task("T1"))), (1, turns("T1", TaskState.WORKING)), *call("c", 1, 3, task="T1")))

    assert (metrics.state, metrics.wall, only(metrics).total) == (RunState.RUNNING, 3, 2)


def test_a_chat_has_times_and_no_tasks() -> None:
    metrics = measure(log(*call("c", 1, 3, task=None), finished(4)))

    assert (metrics.tasks, metrics.speed_up, metrics.utilization) == ((), None, None)
    assert metrics.overhead == 0.5
