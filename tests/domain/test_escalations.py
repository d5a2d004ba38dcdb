from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.escalations import Aftermath, EscalationRow, escalation_rows
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import UNPRICED, Usage
from equitr_coder.domain.receipts import Receipt
from equitr_coder.domain.refusals import unattended
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunKind, RunOptions

RUN = RunId("run-1")
T1, T2 = TaskId("T1"), TaskId("T2")
WHO: dict[str, Any] = {"run": RUN, "session": SessionId("ask.T1.1"), "agent": AgentName("worker_1"), "task": T1}
CALL: dict[str, Any] = {"call": CallId("c"), "model": "m", "tier": Tier.STRONG, "purpose": Purpose.ESCALATION}
STARTED = e.RunStarted(
    run=RUN, kind=RunKind.EPIC, request="x", workspace="/w", options=RunOptions(), epic=EpicId("epic-001")
)
ASKED = e.EscalationAsked(**WHO, escalation=RequestId("e1"), question="How?", files=("a.py",))
PAID = e.ModelCallSettled(**WHO, **CALL, usage=Usage(), usd=Decimal("0.25"))
ANSWERED = e.EscalationAnswered(**WHO, escalation=RequestId("e1"), answer="So.", usd=Decimal("0.25"))
RECEIPT = e.ReceiptStored(
    task=T1, receipt=Receipt(task=T1, commit=CommitId("c" * 40), tree=TreeId("t" * 40), checks=(), at=datetime.now(UTC))
)


def changed(state: TaskState, attempt: int = 1, *, task: TaskId = T1, **fields: Any) -> e.TaskChanged:
    return e.TaskChanged(run=RUN, task=task, state=state, attempt=attempt, **fields)


def row(*after: e.Event) -> EscalationRow:
    """The one escalation of a first attempt, answered, and what came then."""
    [found] = escalation_rows([STARTED, changed(TaskState.WORKING), ASKED, PAID, ANSWERED, *after])
    return found


def test_a_verdict_that_nobody_was_there_to_give_stands_under_its_disagreement_alone() -> None:
    verdict = Approval(
        id=RequestId("review:C1"), session=SessionId("s"), agent=AgentName("supervisor"), task=T1, tool="review",
        what="+x", why="they disagree", inside=False,
    )  # fmt: skip
    refused = ApprovalAnswer(allowed=False, by="policy", note="nobody is here to ask")
    log: list[e.Event] = [
        STARTED,
        changed(TaskState.WORKING),
        e.ApprovalRequested(run=RUN, approval=verdict),
        e.ApprovalResolved(run=RUN, approval=verdict.id, answer=refused),
    ]

    assert escalation_rows(log) == ()
    assert unattended(fold(log)) == ()
    asked = verdict.model_copy(update={"tool": "run_command"})
    log[2] = e.ApprovalRequested(run=RUN, approval=asked)
    assert [row.trigger for row in escalation_rows(log)] == [e.EscalationTrigger.PERMISSION]
    assert [refusal.asked for refusal in unattended(fold(log))] == [asked]


BACK = changed(TaskState.READY, reason=StopReason.CHECK_FAILED, detail="exit 1")


def test_a_row_holds_who_asked_what_and_the_answer_with_its_price() -> None:
    assert row() == EscalationRow(
        run=RUN,
        epic=EpicId("epic-001"),
        at=None,
        task=T1,
        agent=AgentName("worker_1"),
        attempt=1,
        trigger=e.EscalationTrigger.TOOL,
        automatic=False,
        question="How?",
        files=("a.py",),
        answer="So.",
        usd=Decimal("0.25"),
        next=Aftermath.GOES_ON,
        next_attempt=1,
    )


@pytest.mark.parametrize(
    ("after", "following", "attempt", "reason"),
    [
        ([changed(TaskState.REVIEW)], Aftermath.HANDED_IN, 1, None),
        ([changed(TaskState.REVIEW), RECEIPT, changed(TaskState.DONE)], Aftermath.PASSED, 1, None),
        ([changed(TaskState.REVIEW), changed(TaskState.DONE)], Aftermath.UNCHECKED, 1, None),
        ([changed(TaskState.REVIEW), BACK], Aftermath.SENT_BACK, 1, StopReason.CHECK_FAILED),
        (
            [BACK, changed(TaskState.WORKING, 2), changed(TaskState.REVIEW, 2), RECEIPT, changed(TaskState.DONE, 2)],
            Aftermath.SENT_BACK,
            1,
            StopReason.CHECK_FAILED,
        ),
        (
            [BACK, changed(TaskState.FAILED, reason=StopReason.CHECK_FAILED)],
            Aftermath.FAILED,
            1,
            StopReason.CHECK_FAILED,
        ),
        ([changed(TaskState.DONE, task=T2)], Aftermath.GOES_ON, 1, None),
        ([e.RunPaused(run=RUN, reason=StopReason.INTERRUPTED)], Aftermath.GOES_ON, 1, None),
    ],
)
def test_what_happened_next_is_the_first_fate_of_the_attempt(
    after: list[e.Event], following: Aftermath, attempt: int, reason: StopReason | None
) -> None:
    found = row(*after)

    assert (found.next, found.next_attempt, found.reason) == (following, attempt, reason)


def test_without_an_answer_nothing_came_of_it_and_what_was_spent_is_its_price() -> None:
    lost = e.ModelCallFailed(**WHO, **CALL, kind=ModelErrorKind.INTERRUPTED, message="gone", usd=Decimal("0.5"))

    [found] = escalation_rows([STARTED, changed(TaskState.WORKING), ASKED, PAID, lost, BACK])

    assert (found.answer, found.next, found.usd) == (None, Aftermath.UNANSWERED, Decimal("0.75"))


def test_a_price_that_nobody_knows_is_marked() -> None:
    [found] = escalation_rows([STARTED, ASKED, PAID.model_copy(update={"price_source": UNPRICED}), ANSWERED])

    assert found.is_unpriced


def test_a_question_that_the_limit_prevented_is_a_row_with_its_aftermath() -> None:
    skipped = e.EscalationSkipped(
        **WHO | {"session": SessionId("T1.1")},
        escalation=RequestId("auto:T1.1"),
        trigger=e.EscalationTrigger.NO_PROGRESS,
        limit=20,
    )

    [found] = escalation_rows([STARTED, changed(TaskState.WORKING), skipped, BACK])

    assert (found.is_skipped, found.automatic, found.answer) == (True, True, None)
    assert (found.next, found.reason) == (Aftermath.SENT_BACK, StopReason.CHECK_FAILED)


def test_each_question_of_a_task_is_followed_for_itself() -> None:
    second = {"session": SessionId("ask.T1.2")}
    events: list[e.Event] = [
        STARTED,
        changed(TaskState.WORKING),
        ASKED,
        ANSWERED,
        BACK,
        changed(TaskState.WORKING, 2),
        ASKED.model_copy(update={"escalation": RequestId("e2"), **second}),
        PAID.model_copy(update=second),
        ANSWERED.model_copy(update={"escalation": RequestId("e2"), **second}),
        changed(TaskState.REVIEW, 2),
        RECEIPT,
        changed(TaskState.DONE, 2),
    ]

    rows = escalation_rows(events)

    assert [(found.attempt, found.next, found.usd) for found in rows] == [
        (1, Aftermath.SENT_BACK, Decimal(0)),
        (2, Aftermath.PASSED, Decimal("0.25")),
    ]


def permission(answer: ApprovalAnswer, task: TaskId | None = T1) -> list[e.Event]:
    approval = Approval(
        id=RequestId("T1.1:c"),
        session=SessionId("T1.1"),
        agent=AgentName("worker_1"),
        task=task,
        tool="run_command",
        what="make it",
        why="it may do more than read",
    )
    return [
        e.ApprovalRequested(run=RUN, approval=approval),
        e.ApprovalResolved(run=RUN, approval=approval.id, answer=answer),
    ]


def test_permission_that_no_person_answered_is_told_and_costs_nothing() -> None:
    refused = ApprovalAnswer(allowed=False, by="policy", note="nobody is here to ask")

    [found] = escalation_rows([STARTED, changed(TaskState.WORKING), *permission(refused), BACK])

    assert (found.task, found.agent, found.attempt, found.usd) == (T1, "worker_1", 1, Decimal(0))
    assert (found.trigger, found.is_told, found.is_skipped) == (e.EscalationTrigger.PERMISSION, True, False)
    assert (found.question, found.refusal) == (
        "run_command: make it (it may do more than read)",
        "nobody is here to ask",
    )
    assert (found.next, found.reason) == (Aftermath.SENT_BACK, StopReason.CHECK_FAILED)


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        (ApprovalAnswer(allowed=False, by="user"), T1),
        (ApprovalAnswer(allowed=True, by="yes_flag"), T1),
        (ApprovalAnswer(allowed=False, by="policy"), None),
    ],
)
def test_what_a_person_answered_or_no_supervisor_looks_after_is_no_row(
    answer: ApprovalAnswer, task: TaskId | None
) -> None:
    assert escalation_rows([STARTED, changed(TaskState.WORKING), *permission(answer, task)]) == ()
