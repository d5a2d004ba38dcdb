from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RunId, SessionId, TaskId
from equitr_coder.domain.models import AssistantMessage, Purpose, SystemMessage, Tier, ToolCall, UserMessage
from equitr_coder.domain.money import ZERO, Usage
from equitr_coder.domain.panel import PanelRules
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState

WHO: dict[str, Any] = {"session": SessionId("T1.1"), "agent": AgentName("worker"), "task": TaskId("T1")}
CALL: dict[str, Any] = {"call": CallId("c1"), "model": "m", "tier": Tier.WEAK, "purpose": Purpose.WORK}


def view_of(*events: e.Event) -> RunView:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    opening = e.RunStarted(kind=RunKind.EPIC, request="r", workspace="/w", options=RunOptions(budget=Decimal(1)))
    stamped = [
        event.model_copy(update={"seq": n, "at": start + timedelta(seconds=n), "run": RunId("run-1")})
        for n, event in enumerate([opening, *events], start=1)
    ]
    return fold(stamped)


def approved(*ids: str) -> e.PlanApproved:
    return e.PlanApproved(
        plan=Plan(title="p", tasks=tuple(Task(id=TaskId(i), title=i) for i in ids)),
        by="user",
        branch="equitr/epic-001",
        base=CommitId("b"),
        commit=CommitId("c"),
    )


def test_a_log_from_before_there_were_panels_loads() -> None:
    view = view_of(approved("T1"))
    old = {"type": "run_started", "kind": "epic", "request": "r", "workspace": "/w", "options": {"review": "all"}}
    given = {**WHO, "type": "review_given", "approved": True, "tree": "t"}
    found = {"type": "conflict_found", "conflict": {"id": "C1", "tasks": ["T1"]}}
    settled = {"type": "conflict_resolved", "conflict": "C1", "how": "worker"}

    fold([e.EVENTS.validate_python(event) for event in (old, given, found, settled)], view)

    assert view.options.panel == PanelRules()
    assert not view.options.panel.is_panel
    assert [review.missing for review in view.reviews.values()] == [False]
    [conflict] = view.conflicts.values()
    assert (conflict.conflict.voices, conflict.resolved and conflict.resolved.approved) == ((), None)


def reserved(usd: str) -> e.ModelCallReserved:
    return e.ModelCallReserved(**WHO, **CALL, usd=Decimal(usd), input_bound=1, max_tokens=1)


def test_a_reservation_is_held_until_it_is_settled_and_then_spent_at_its_real_cost() -> None:
    held = view_of(reserved("0.5"))
    settled = e.ModelCallSettled(**WHO, **CALL, usage=Usage(input=3), usd=Decimal("0.2"))
    spent = view_of(reserved("0.5"), settled)

    assert (held.held, held.spent) == (Decimal("0.5"), ZERO)
    assert (spent.held, spent.spent) == (ZERO, Decimal("0.2"))
    assert spent.ledger[CallId("c1")].usage == Usage(input=3)


def test_a_failed_call_costs_what_it_says() -> None:
    failed = e.ModelCallFailed(**WHO, **CALL, kind=ModelErrorKind.TIMEOUT, message="late", usd=Decimal("0.5"))
    view = view_of(reserved("0.5"), failed)

    assert (view.held, view.spent) == (ZERO, Decimal("0.5"))


def test_a_transcript_is_folded_and_says_which_calls_still_lack_a_result() -> None:
    calls = tuple(ToolCall(id=CallId(i), name="t", arguments="{}") for i in ("a", "b"))
    view = view_of(
        approved("T1"),
        e.MessageAdded(**WHO, message=SystemMessage(text="be good")),
        e.MessageAdded(**WHO, message=UserMessage(text="do")),
        e.MessageAdded(**WHO, message=AssistantMessage(calls=calls)),
        e.ToolCalled(**WHO, call=CallId("a"), name="t", arguments="{}"),
        e.ToolReturned(**WHO, call=CallId("a"), name="t", text="ok"),
    )

    session = view.sessions[SessionId("T1.1")]
    assert session.system == "be good"
    assert session.unanswered == (CallId("b"),)
    assert session.running_tools == {}


def test_an_id_that_an_earlier_turn_used_does_not_answer_a_later_call() -> None:
    again = AssistantMessage(calls=(ToolCall(id=CallId("a"), name="t", arguments="{}"),))
    view = view_of(
        e.MessageAdded(**WHO, message=again),
        e.ToolReturned(**WHO, call=CallId("a"), name="t", text="ok"),
        e.MessageAdded(**WHO, message=again),
    )

    assert view.sessions[SessionId("T1.1")].unanswered == (CallId("a"),)


def test_attempts_keep_why_the_earlier_ones_were_sent_back() -> None:
    one = TaskId("T1")
    view = view_of(
        approved("T1"),
        e.TaskChanged(task=one, state=TaskState.WORKING, attempt=1),
        e.TaskChanged(task=one, state=TaskState.READY, attempt=1, reason=StopReason.CHECK_FAILED, detail="red"),
        e.TaskChanged(task=one, state=TaskState.WORKING, attempt=2),
    )

    assert view.tasks[one].history == [(1, StopReason.CHECK_FAILED, "red")]
    assert (view.tasks[one].attempt, view.tasks[one].reason) == (2, None)


def test_the_tip_follows_the_integration_branch_and_not_the_users() -> None:
    view = view_of(
        approved("T1"),
        e.MergeLanded(task=TaskId("T1"), target="equitr/epic-001", old=CommitId("c"), commit=CommitId("d")),
        e.MergeLanded(target="main", old=CommitId("b"), commit=CommitId("d2")),
    )

    assert view.tip == "d"


def test_a_paused_run_that_is_resumed_runs_again_under_its_new_limits() -> None:
    view = view_of(
        e.RunPaused(reason=StopReason.BUDGET_EXCEEDED, detail="x", hint="y"),
        e.RunResumed(options=RunOptions(budget=Decimal(5))),
    )

    assert (view.state, view.reason, view.options.budget) == (RunState.RUNNING, None, Decimal(5))


def test_events_written_as_json_fold_to_the_same_view() -> None:
    event = approved("T1", "T2")

    assert e.EVENTS.validate_json(event.model_dump_json(exclude_none=True)) == event


def test_why_a_task_waits_is_known_until_it_starts_and_leaves_its_last_failure_alone() -> None:
    one = TaskId("T1")
    waits = e.TaskChanged(task=one, state=TaskState.WAITING, detail="T2 holds a.py")
    failed = [
        e.TaskChanged(task=one, state=TaskState.WORKING, attempt=1),
        e.TaskChanged(task=one, state=TaskState.READY, attempt=1, reason=StopReason.CHECK_FAILED, detail="red"),
    ]

    new = view_of(approved("T1"), waits).tasks[one]
    again = view_of(approved("T1"), *failed, waits).tasks[one]
    begun = view_of(approved("T1"), *failed, waits, e.TaskChanged(task=one, state=TaskState.WORKING, attempt=2))

    assert (new.state, new.waits) == (TaskState.WAITING, "T2 holds a.py")
    assert (again.state, again.reason, again.detail) == (TaskState.READY, StopReason.CHECK_FAILED, "red")
    assert again.waits == "T2 holds a.py"
    assert begun.tasks[one].waits == ""
    assert begun.tasks[one].history == [(1, StopReason.CHECK_FAILED, "red")]
