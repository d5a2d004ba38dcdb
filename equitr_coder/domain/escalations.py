"""What went to the supervisor in a run, asked or told, and what came of it. A pure reading of the log."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, EpicId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.money import UNPRICED, ZERO
from equitr_coder.domain.refusals import is_unattended
from equitr_coder.domain.value import Value


class Aftermath(StrEnum):
    """What happened to the task after the answer, or after the question that was not asked."""

    UNANSWERED = "unanswered"
    """Nothing: no answer came."""
    GOES_ON = "goes_on"
    """The attempt is not over."""
    HANDED_IN = "handed_in"
    PASSED = "passed"
    """Handed in, and the checks passed."""
    UNCHECKED = "unchecked"
    """Merged without a check."""
    SENT_BACK = "sent_back"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EscalationRow(Value):
    run: RunId
    epic: EpicId | None
    at: datetime | None
    task: TaskId | None
    agent: AgentName
    attempt: int
    trigger: e.EscalationTrigger
    automatic: bool
    """Whether the host asked."""
    question: str
    files: tuple[str, ...]
    answer: str | None
    usd: Decimal
    is_unpriced: bool = False
    """Some of its calls have no known price: `usd` is less than the truth."""
    is_skipped: bool = False
    """It was not asked: the run's limit was reached."""
    is_told: bool = False
    """Only told, and no model was asked: permission that no person answered was refused, as `refusal` says."""
    refusal: str = ""
    next: Aftermath
    next_attempt: int
    """The attempt that `next` is about."""
    reason: StopReason | None = None
    detail: str = ""
    """Of `next`, in words."""


@dataclass
class _Draft:
    asked: e.EscalationAsked | e.EscalationSkipped | e.ApprovalRequested
    attempt: int
    refusal: str = ""
    answer: str | None = None
    usd: Decimal = ZERO
    is_unpriced: bool = False
    next: Aftermath = Aftermath.UNANSWERED
    next_attempt: int = 0
    reason: StopReason | None = None
    detail: str = ""
    is_settled: bool = False
    """What happened next is known for good."""

    @property
    def task(self) -> TaskId | None:
        return self.asked.approval.task if isinstance(self.asked, e.ApprovalRequested) else self.asked.task

    @property
    def follows(self) -> bool:
        """Whether what happens to the task from now on is the aftermath."""
        return not self.is_settled and self.next is not Aftermath.UNANSWERED


def escalation_rows(events: Iterable[e.Event]) -> tuple[EscalationRow, ...]:
    """What was asked and what was told, in the order in which it began. Messages and tool results are not needed."""
    epic: EpicId | None = None
    attempts: dict[TaskId, int] = {}
    proven: set[TaskId] = set()
    drafts: dict[RequestId, _Draft] = {}
    approvals: dict[RequestId, e.ApprovalRequested] = {}
    sessions: dict[SessionId, _Draft] = {}
    for event in events:
        match event:
            case e.RunStarted():
                epic = event.epic
            case e.EscalationAsked() | e.EscalationSkipped() | e.ApprovalRequested() | e.ApprovalResolved():
                for name, draft in _begun(event, attempts, approvals):
                    drafts[name] = draft
                    if isinstance(event, e.EscalationAsked):
                        sessions[event.session] = draft
            case e.EscalationAnswered() if (found := drafts.get(event.escalation)) is not None:
                found.answer, found.next = event.answer, Aftermath.GOES_ON
            case e.ModelCallSettled() | e.ModelCallFailed() if (found := sessions.get(event.session)) is not None:
                found.usd += event.usd
                found.is_unpriced |= isinstance(event, e.ModelCallSettled) and event.price_source == UNPRICED
            case e.ReceiptStored():
                proven.add(event.task)
            case e.TaskChanged():
                for draft in drafts.values():
                    if draft.task == event.task and draft.follows:
                        _follow(draft, event, attempts.get(event.task, 0), is_proven=event.task in proven)
                attempts[event.task] = event.attempt or attempts.get(event.task, 0)
            case _:
                pass
    return tuple(_row(draft, epic) for draft in drafts.values())


def _begun(
    event: e.EscalationAsked | e.EscalationSkipped | e.ApprovalRequested | e.ApprovalResolved,
    attempts: Mapping[TaskId, int],
    approvals: dict[RequestId, e.ApprovalRequested],
) -> Iterator[tuple[RequestId, _Draft]]:
    """The row that begins with the event. `approvals` are kept for their answers, which alone say what is told."""
    match event:
        case e.EscalationAsked() | e.EscalationSkipped():
            draft = _Draft(event, attempts.get(event.task, 0) if event.task is not None else 0)
            if isinstance(event, e.EscalationSkipped):
                draft.next = Aftermath.GOES_ON
            yield event.escalation, draft
        case e.ApprovalRequested():
            approvals[event.approval.id] = event
        case e.ApprovalResolved() if is_unattended(event.answer) and event.approval in approvals:
            requested = approvals[event.approval]
            task = requested.approval.task
            if task is not None and not requested.approval.is_verdict:  # that stands under its disagreement
                attempt = attempts.get(task, 0)
                yield event.approval, _Draft(requested, attempt, refusal=event.answer.note, next=Aftermath.GOES_ON)
        case _:
            pass


def _follow(draft: _Draft, event: e.TaskChanged, attempt: int, *, is_proven: bool) -> None:
    match event.state:
        case TaskState.REVIEW:
            draft.next = Aftermath.HANDED_IN
        case TaskState.DONE:
            draft.next, draft.is_settled = Aftermath.PASSED if is_proven else Aftermath.UNCHECKED, True
        case TaskState.READY:
            draft.next = Aftermath.SENT_BACK
        case TaskState.FAILED:
            draft.next, draft.is_settled = Aftermath.FAILED, True
        case TaskState.CANCELLED | TaskState.BLOCKED:
            draft.next, draft.is_settled = Aftermath.CANCELLED, True
        case TaskState.WORKING | TaskState.WAITING:
            # The next attempt: what became of this one is known.
            draft.is_settled = draft.next is Aftermath.SENT_BACK
            return
    draft.next_attempt = event.attempt or attempt
    draft.reason, draft.detail = event.reason, event.detail


def _row(draft: _Draft, epic: EpicId | None) -> EscalationRow:
    asked = draft.asked
    if isinstance(asked, e.ApprovalRequested):
        return _told_row(draft, asked, epic)
    was_asked = asked if isinstance(asked, e.EscalationAsked) else None
    return EscalationRow(
        run=asked.run,
        epic=epic,
        at=asked.at,
        task=asked.task,
        agent=asked.agent,
        attempt=draft.attempt,
        trigger=asked.trigger,
        automatic=was_asked is None or was_asked.automatic,
        question=was_asked.question if was_asked is not None else "",
        files=was_asked.files if was_asked is not None else (),
        answer=draft.answer,
        usd=draft.usd,
        is_unpriced=draft.is_unpriced,
        is_skipped=was_asked is None,
        next=draft.next,
        next_attempt=draft.next_attempt or draft.attempt,
        reason=draft.reason,
        detail=draft.detail,
    )


def _told_row(draft: _Draft, requested: e.ApprovalRequested, epic: EpicId | None) -> EscalationRow:
    approval = requested.approval
    return EscalationRow(
        run=requested.run,
        epic=epic,
        at=requested.at,
        task=approval.task,
        agent=approval.agent,
        attempt=draft.attempt,
        trigger=e.EscalationTrigger.PERMISSION,
        automatic=True,
        question=f"{approval.tool}: {approval.what} ({approval.why})",
        files=approval.paths,
        answer=None,
        usd=ZERO,
        is_told=True,
        refusal=draft.refusal,
        next=draft.next,
        next_attempt=draft.next_attempt or draft.attempt,
        reason=draft.reason,
        detail=draft.detail,
    )
