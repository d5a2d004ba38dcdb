"""Each event as progress. Whole transcripts stand in tests/cli/golden."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Scope
from equitr_coder.domain.artifacts import Artifact, ContractVerdict, digest_of
from equitr_coder.domain.conflicts import Conflict, ConflictState
from equitr_coder.domain.epic import ArtifactType, Plan, Task, TaskState
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RequestId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import AssistantMessage, Purpose, Tier, UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.presentation.progress import call_lines, progress_lines

AT = datetime(2026, 1, 2, tzinfo=UTC)
T1 = TaskId("T1")
PLAN = Plan(title="Shop", tasks=(Task(id=T1, title="Cart", specialization="backend", check="true"),))
AGENT: dict[str, Any] = {"session": SessionId("T1.1"), "agent": AgentName("backend_worker"), "task": T1}
CALL: dict[str, Any] = {
    **AGENT,
    "call": CallId("c1"),
    "model": "weak/m",
    "tier": Tier.WEAK,
    "purpose": Purpose.WORK,
}
COMMIT = CommitId("c0ffee" * 6)
CHECK = CheckResult(command="pytest\x1b[2J", exit_code=0, duration_ms=2100, tree=TreeId("7" * 40))
RECEIPT = Receipt(task=T1, commit=COMMIT, tree=TreeId("7" * 40), checks=(CHECK,), at=AT)
APPROVAL = Approval(
    id=RequestId("a"), session=SessionId("T1.1"), agent=AgentName("backend_worker"), task=T1,
    tool="run_command", what="make\x07", why="unknown command",
)  # fmt: skip


def started(kind: RunKind = RunKind.EPIC) -> e.RunStarted:
    return e.RunStarted(
        kind=kind,
        request="x",
        workspace="/w",
        options=RunOptions(budget=Decimal(5)),
        supervisor_model="strong/m",
        worker_model="weak/m",
        unseen=("a.py", "b.py"),
    )


APPROVED = e.PlanApproved(
    plan=PLAN, by="user", branch="equitr/epic-001", base=COMMIT, commit=COMMIT, documents_at="docs"
)


def lines(*events: e.Event) -> list[str]:
    """What the last event prints after the others."""
    return [line.text for line in progress_lines(events[-1], fold(events))]


ARTIFACT = Artifact(
    sync_point="S1", type=ArtifactType.SCHEMAS, version=2, content="{}", digest=digest_of("{}"), producer=T1
)
CONFLICT = Conflict(id=RequestId("C1"), tasks=(T1, TaskId("T2")), paths=("a.py",))

SAMPLES: dict[type[e.EventBase], tuple[e.Event, list[str]]] = {
    e.RunStarted: (
        started(),
        [
            "Run : supervisor strong/m, workers weak/m, budget $5.00",
            "! 2 uncommitted files not seen by workers: a.py, b.py",
        ],
    ),
    e.RunResumed: (
        e.RunResumed(options=RunOptions(budget=None), worker_model="weak/m"),
        ["Resumed run : model weak/m, budget no limit"],
    ),
    e.QuestionAsked: (
        e.QuestionAsked(**AGENT, question=RequestId("q"), text="Which?", options=("a", "b")),
        ["backend_worker asks: Which?", "  1  a", "  2  b"],
    ),
    e.QuestionAnswered: (e.QuestionAnswered(question=RequestId("q"), answer="a"), ["answered: a"]),
    e.DocumentWritten: (
        e.DocumentWritten(name="design", content="x\n", revision=2, by="user", problems=("no overview",)),
        ["You changed design (1 line, revision 2)", "! design: no overview"],
    ),
    e.PlanSubmitted: (
        e.PlanSubmitted(plan=PLAN),
        [
            "Plan: Shop",
            "Created 1 task",
            "  task  title  priority  agent           needs  check",
            "  T1    Cart   medium    backend_worker  -      true",
            "Approving it lets these run in the sandbox without asking, as they stand:",
            "  T1  true",
        ],
    ),
    e.PlanApproved: (
        APPROVED.model_copy(update={"by": "direct"}),
        ["Created 1 task: Shop", "Spawning workers: 1 at a time, each in its own worktree"],
    ),
    e.TaskChanged: (
        e.TaskChanged(task=T1, state=TaskState.WORKING, attempt=1, agent=AgentName("backend_worker")),
        ["> T1 Cart: backend_worker starts"],
    ),
    e.ModelCallReserved: (e.ModelCallReserved(**CALL, usd=Decimal(1), input_bound=1, max_tokens=1), []),
    e.ModelCallSettled: (e.ModelCallSettled(**CALL, usage=Usage(), usd=Decimal(1)), []),
    e.ModelCallDelayed: (
        e.ModelCallDelayed(**AGENT, model="weak/m", provider="groq", seconds=4.5, why="rate_limited"),
        ["~ backend_worker waits for the rate limit of groq, 4.5 s at most"],
    ),
    e.ModelCallFailed: (
        e.ModelCallFailed(**CALL, kind=ModelErrorKind.TIMEOUT, message="slow\nvery", usd=Decimal("0.25")),
        ["x backend_worker: weak/m failed (timeout): slow, $0.2500 charged"],
    ),
    e.CheckpointTaken: (e.CheckpointTaken(**AGENT, tree=TreeId("7" * 40)), []),
    e.MessageAdded: (e.MessageAdded(**AGENT, message=AssistantMessage(text="thinking")), []),
    e.ToolCalled: (e.ToolCalled(**AGENT, call=CallId("t"), name="search", arguments="{}"), []),
    e.ToolReturned: (e.ToolReturned(**AGENT, call=CallId("t"), name="search", text="found"), []),
    e.FileChanged: (e.FileChanged(**AGENT, path="a.py", change="created"), []),
    e.ApprovalRequested: (
        e.ApprovalRequested(approval=APPROVAL),
        ["? backend_worker T1 asks for permission (run_command): make\\x07"],
    ),
    e.ApprovalResolved: (
        e.ApprovalResolved(approval=APPROVAL.id, answer=ApprovalAnswer(allowed=True, scope=Scope.TASK)),
        ["  allowed (task) by you"],
    ),
    e.EscalationAsked: (
        e.EscalationAsked(**AGENT, escalation=RequestId("e"), question="How?", automatic=True),
        ["^ backend_worker T1 goes to the supervisor: How?"],
    ),
    e.EscalationAnswered: (
        e.EscalationAnswered(**AGENT, escalation=RequestId("e"), answer="So.", usd=Decimal("0.02")),
        ["^ supervisor answers backend_worker T1 ($0.0200): So."],
    ),
    e.EscalationSkipped: (
        e.EscalationSkipped(
            **AGENT, escalation=RequestId("e"), trigger=e.EscalationTrigger.REPEATED_FAILURE, limit=20
        ),
        [
            "^ backend_worker T1 goes on without the supervisor (repeated_failure): "
            "the limit of the run, 20 questions, is reached"
        ],
    ),
    e.ReviewGiven: (
        e.ReviewGiven(**AGENT, approved=False, reasons=("no test", "leak")),
        ["^ backend_worker T1 rejects the change: no test; leak"],
    ),
    e.ContextElided: (
        e.ContextElided(**AGENT, results={CallId("c1"): "[left out]"}, tokens_before=9000, tokens_after=5000),
        ["~ backend_worker T1: 1 old result left out of what the model is sent, from about 9000 tokens to 5000"],
    ),
    e.ContextCompacted: (
        e.ContextCompacted(
            **AGENT, upto=9, text="...", why="window", limit=9000, tokens_before=8000, tokens_after=3000, detail="no"
        ),
        [
            "~ backend_worker T1: the conversation is shortened to records alone (no), from about 8000 tokens to 3000"
        ],
    ),
    e.MergeQueued: (e.MergeQueued(task=T1, attempt=1, commit=COMMIT), []),
    e.MergeLanded: (
        e.MergeLanded(task=T1, target="equitr/epic-001", old=COMMIT, commit=COMMIT),
        ["Merged T1 into equitr/epic-001 (c0ffeec0ff)"],
    ),
    e.MergeRejected: (
        e.MergeRejected(reason=StopReason.MERGE_CONFLICT, detail="main moved", paths=("a.py",)),
        ["~ Not landed (merge_conflict): main moved [a.py]"],
    ),
    e.ReceiptStored: (e.ReceiptStored(task=T1, receipt=RECEIPT), []),
    e.TaskAssigned: (
        e.TaskAssigned(task=T1, profile="careful", by="user", why="chosen by hand"),
        ["  T1 goes to careful: chosen by hand"],
    ),
    e.ArtifactProduced: (
        e.ArtifactProduced(task=T1, agent=AgentName("backend_worker"), artifact=ARTIFACT),
        ["  * S1 (schemas, version 2) published by backend_worker"],
    ),
    e.ContractChecked: (
        e.ContractChecked(
            task=T1, sync_point="S1", version=2, verdict=ContractVerdict.BROKEN, detail="a.py: f() is missing\nmore"
        ),
        ["  * T1 breaks S1: a.py: f() is missing"],
    ),
    e.ArtifactConsumed: (e.ArtifactConsumed(task=T1, sync_point="S1", version=2), ["  * S1 read by T1"]),
    e.MessageSent: (
        e.MessageSent(id=RequestId("m1"), sender="host", to=T1, content="S1 has changed\nmore"),
        ["  host -> T1: S1 has changed"],
    ),
    e.MessageCancelled: (e.MessageCancelled(message=RequestId("u1")), ["  u1 is taken back"]),
    e.ConflictFound: (
        e.ConflictFound(conflict=CONFLICT),
        ["  ! C1: T1 and T2 clash in a.py"],
    ),
    e.ConflictChanged: (
        e.ConflictChanged(conflict=RequestId("C1"), state=ConflictState.ESCALATED, detail="mode manual"),
        ["  ! C1 escalated and waits for you: mode manual"],
    ),
    e.ConflictResolved: (
        e.ConflictResolved(conflict=RequestId("C1"), how="structure"),
        ["  C1 merged by structure: what both sides add is kept"],
    ),
    e.RunRenamed: (e.RunRenamed(title="Shop"), []),
    e.AttemptMeasured: (e.AttemptMeasured(task=T1, attempt=1, git_ms=20, git_commands=3), []),
    e.BudgetWarned: (
        e.BudgetWarned(account="run", usd=Decimal(4), limit=Decimal(5)),
        ["! budget of run: $4.0000 of $5.00 used"],
    ),
    e.BudgetReached: (
        e.BudgetReached(account="T1", usd=Decimal(5), limit=Decimal(5), detail="next call needs $1"),
        ["x budget of T1 reached, $5.0000 of $5.00: next call needs $1"],
    ),
    e.BudgetRaised: (e.BudgetRaised(limit=Decimal("7.5")), ["  the budget is $7.50 now"]),
    e.RunPaused: (e.RunPaused(reason=StopReason.INTERRUPTED), []),
    e.RunFinished: (e.RunFinished(state=RunState.COMPLETED), []),
}  # fmt: skip


@pytest.mark.parametrize("kind", get_args(get_args(e.Event)[0]), ids=lambda kind: str(kind.__name__))
def test_every_event_has_its_lines(kind: type[e.EventBase]) -> None:
    event, expected = SAMPLES[kind]
    before: list[e.Event] = [] if kind is e.RunStarted else [started()]
    if kind not in (e.RunStarted, e.RunResumed, e.DocumentWritten, e.PlanSubmitted, e.PlanApproved):
        before.append(APPROVED)

    assert lines(*before, event) == expected


def test_done_task_shows_its_summary_and_receipt_under_its_agent() -> None:
    done = e.TaskChanged(
        task=T1,
        state=TaskState.DONE,
        attempt=1,
        agent=AgentName("backend_worker"),
        detail="- cart added\n\n- tests added",
    )

    assert lines(started(), APPROVED, e.ReceiptStored(task=T1, receipt=RECEIPT), done) == [
        "Agent: backend_worker",
        "+ T1 Cart: done",
        "  - cart added",
        "  - tests added",
        "  - receipt: `pytest\\x1b[2J` exit 0, 2.1 s, commit c0ffeec0ff",
    ]


@pytest.mark.parametrize(
    "receipt",
    [
        None,
        RECEIPT.model_copy(update={"checks": ()}),
        RECEIPT.model_copy(update={"checks": (CHECK.model_copy(update={"unproven": "imported from elsewhere"}),)}),
        RECEIPT.model_copy(update={"checks": (CHECK, CHECK.model_copy(update={"exit_code": 1}))}),
    ],
)
def test_anything_less_than_passed_checks_is_unchecked(receipt: Receipt | None) -> None:
    done = e.TaskChanged(task=T1, state=TaskState.DONE, attempt=1, agent=AgentName("w"))
    proof: list[e.Event] = [e.ReceiptStored(task=T1, receipt=receipt)] if receipt is not None else []

    shown = lines(started(), APPROVED, *proof, done)

    assert shown[-1] == "  - unchecked: no check proved it"
    assert not any("receipt" in line for line in shown)


def test_receipt_after_the_task_was_told_is_told_too() -> None:
    done = e.TaskChanged(task=T1, state=TaskState.DONE, attempt=1)

    assert lines(started(), APPROVED, done, e.ReceiptStored(task=T1, receipt=RECEIPT)) == [
        "  T1 receipt: `pytest\\x1b[2J` exit 0, 2.1 s, commit c0ffeec0ff"
    ]


def test_task_that_goes_back_says_why_and_which_attempt_follows() -> None:
    first = e.TaskChanged(task=T1, state=TaskState.WORKING, attempt=1, agent=AgentName("w"))
    back = e.TaskChanged(task=T1, state=TaskState.READY, attempt=1, reason=StopReason.NO_HAND_IN, detail="only talk")
    again = e.TaskChanged(task=T1, state=TaskState.WORKING, attempt=2, agent=AgentName("w"))

    assert lines(started(), APPROVED, first, back) == ["~ T1 Cart: sent back after attempt 1 (no_hand_in): only talk"]
    assert lines(started(), APPROVED, first, back, again) == ["> T1 Cart: w starts, attempt 2"]


def test_a_check_that_printed_nothing_is_not_followed_by_a_colon_and_nothing() -> None:
    first = e.TaskChanged(task=T1, state=TaskState.WORKING, attempt=1, agent=AgentName("w"))
    back = e.TaskChanged(
        task=T1,
        state=TaskState.READY,
        attempt=1,
        reason=StopReason.CHECK_TIMEOUT,
        detail="`make` did not end in time. Its last output:\n\nmaking\n",
    )

    assert lines(started(), APPROVED, first, back) == [
        "~ T1 Cart: sent back after attempt 1 (check_timeout): `make` did not end in time.",
        "    making",
    ]


def test_ready_task_without_a_reason_is_not_news() -> None:
    assert lines(started(), APPROVED, e.TaskChanged(task=T1, state=TaskState.READY)) == []


def test_first_document_ends_the_planning_conversation() -> None:
    first = e.DocumentWritten(name="requirements", content="a\nb\n", revision=1, by="planner")
    second = e.DocumentWritten(name="design", content="a\n", revision=1, by="planner")

    assert lines(started(), first) == ["Planning conversation complete!", "Wrote requirements (2 lines)"]
    assert lines(started(), first, second) == ["Wrote design (1 line)"]


def test_chat_shows_its_words_and_tools_but_not_the_users() -> None:
    chat = started(RunKind.CHAT)
    failed = e.ToolReturned(**AGENT, call=CallId("t"), name="read_file", text="no such file\nx", is_error=True)

    assert lines(chat, e.MessageAdded(**AGENT, message=AssistantMessage(text=" one\ntwo\n"))) == ["one", "two"]
    assert lines(chat, e.MessageAdded(**AGENT, message=UserMessage(text="hi"))) == []
    assert lines(chat, failed) == ["  ! read_file: no such file"]


def test_call_lines_never_carry_arguments_or_texts() -> None:
    secret = "sk-" + "a" * 20
    events: list[e.Event] = [
        e.ToolCalled(**AGENT, call=CallId("t"), name="run_command", arguments=secret),
        e.ToolReturned(**AGENT, call=CallId("t"), name="run_command", text=secret, duration_ms=1500),
        e.ModelCallFailed(**CALL, kind=ModelErrorKind.AUTH, message=secret),
        e.ModelCallSettled(**CALL, usage=Usage(input=10, output=2), usd=Decimal("0.5"), latency_ms=2000),
    ]

    assert [line for event in events for line in call_lines(event)] == [
        "tool run_command backend_worker T1: ok, 1.5 s",
        "model weak/m backend_worker T1 work: failed (auth)",
        "model weak/m backend_worker T1 work: 10 in, 2 out, $0.5000, 2.0 s",
    ]


def test_an_automatic_escalation_says_why_and_its_message_is_not_told_twice() -> None:
    asked = e.EscalationAsked(
        **AGENT,
        escalation=RequestId("e"),
        question="How?",
        automatic=True,
        trigger=e.EscalationTrigger.NO_PROGRESS,
    )
    message = e.MessageSent(id=RequestId("m:e"), sender="T1", to="supervisor", kind="escalation", content="How?")

    assert lines(started(), APPROVED, asked) == ["^ backend_worker T1 goes to the supervisor (no_progress): How?"]
    assert lines(started(), APPROVED, message) == []


def test_a_stronger_attempt_is_shown_as_such() -> None:
    event = e.TaskChanged(
        task=T1, state=TaskState.WORKING, attempt=4, agent=AgentName("backend_worker"), tier=Tier.STRONG
    )

    assert lines(started(), APPROVED, event) == [
        "> T1 Cart: backend_worker starts, attempt 4, by the supervisor's model"
    ]
