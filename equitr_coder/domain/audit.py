"""Who did what, as rows from one run's log: every model call, tool call, merge and word of a person. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import ApprovalAnswer, Verdict
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.domain.value import Value

AuditKind = Literal["run", "person", "model", "tool", "merge"]
_SHOWN = 400
"""Characters of arguments that a row carries; the hash is of all of them."""


class AuditRow(Value):
    """One act. What does not apply to its kind is None or empty."""

    run: RunId
    epic: EpicId | None = None
    seq: int
    """Of the event that began it; `audit verify` speaks of the same numbers."""
    at: datetime | None
    user: str = ""
    """The local user whose run it is."""
    kind: AuditKind
    agent: AgentName | None = None
    session: SessionId | None = None
    task: TaskId | None = None
    model: str = ""
    """The one that was called; of a tool call, the one that asked for it."""
    tool: str = ""
    purpose: str = ""
    """Of a model call."""
    what: str = ""
    """Arguments, request or words, cut after 400 characters."""
    what_hash: str = ""
    """SHA-256 of the whole text; empty where there is none."""
    verdict: Verdict | None = None
    rule: str = ""
    answered: str = ""
    """Who answered when the verdict was to ask, and what."""
    usage: Usage | None = None
    usd: Decimal | None = None
    outcome: str = ""
    """`ok`, `error`, `open`, or what became of it in words."""
    detail: str = ""
    duration_ms: int | None = None
    commit: CommitId | None = None


class AuditFault(Value):
    """What `audit verify` found. `seq` is the record it is about; None when it is about the run as a whole."""

    run: str
    seq: int | None = None
    kind: Literal["changed", "dropped", "truncated", "added", "blob_changed", "blob_missing", "index", "pin", "summary"]
    what: str


class VerifiedChain(Value):
    """One run whose records were followed from the first to the last."""

    run: RunId
    records: int
    head: str
    """The link of the last record, in hex: what a person may write down and ask for with `--head`."""
    blobs: int = 0
    deleted: datetime | None = None
    """When it was pruned: `records` and `head` are then those of its tombstone."""
    pinned: int | None = None
    """Number of the record whose link is the given head."""
    faults: tuple[AuditFault, ...] = ()


def named_blobs(event: e.Event) -> tuple[str, ...]:
    """SHA-256 of everything in the blob store that this event speaks of."""
    match event:
        case e.ToolReturned() | e.ContextElided():
            return event.kept
        case e.ReceiptStored():
            return tuple(check.output_hash for check in event.receipt.checks if check.output_hash)
        case e.RunStarted() | e.RunResumed():
            return _digests(event.attachments.images) if event.attachments is not None else ()
        case e.MessageAdded(message=UserMessage() as said):
            return _digests(said.images)
        case _:
            return ()


def _digests(images: Iterable[Image]) -> tuple[str, ...]:
    return tuple(image.digest for image in images)


class AuditReading:
    """Takes the events of one run in their order, and keeps the rows alone."""

    def __init__(self) -> None:
        self._rows: dict[int, AuditRow] = {}
        self._calls: dict[CallId, int] = {}
        self._tools: dict[tuple[SessionId, CallId], int] = {}
        self._models: dict[SessionId, str] = {}
        self._asked: dict[RequestId, tuple[SessionId, str]] = {}
        self._answers: dict[tuple[SessionId, str], str] = {}
        self._epic: EpicId | None = None
        self._user = ""

    def take(self, events: Iterable[e.Event]) -> None:
        for event in events:
            self._apply(event)

    @property
    def rows(self) -> list[AuditRow]:
        """In the order in which things began."""
        return [self._rows[seq] for seq in sorted(self._rows)]

    def _apply(self, event: e.Event) -> None:
        match event:
            case e.RunStarted() | e.RunResumed() | e.RunPaused() | e.RunFinished():
                self._run(event)
            case e.ModelCallReserved() | e.ModelCallSettled() | e.ModelCallFailed():
                self._model(event)
            case e.ToolCalled() | e.ToolReturned():
                self._tool(event)
            case e.ApprovalRequested():
                asked = event.approval
                call = str(asked.id).removeprefix(f"{asked.session}:").partition(":")[0]
                self._asked[asked.id] = (asked.session, call)
            case e.ApprovalResolved():
                self._resolved(event.approval, event.answer)
            case e.MergeLanded():
                self._add(event, "merge", task=event.task, outcome="ok", what=event.target, commit=event.commit)
            case e.MergeRejected():
                detail = {"outcome": f"rejected: {event.reason.value}", "detail": event.detail}
                self._add(event, "merge", task=event.task, **detail)
            case _:
                self._person(event)

    def _run(self, event: e.RunStarted | e.RunResumed | e.RunPaused | e.RunFinished) -> None:
        match event:
            case e.RunStarted():
                self._epic, self._user = event.epic, event.user
                self._add(event, "run", outcome="started", **_text(event.request))
            case e.RunResumed():
                self._add(event, "run", outcome="resumed")
            case e.RunPaused():
                self._add(event, "run", outcome=f"paused: {event.reason.value}", detail=event.detail)
            case e.RunFinished():
                self._add(event, "run", outcome=event.state.value, detail=event.detail)

    def _person(self, event: e.Event) -> None:
        match event:
            case e.PlanApproved():
                words = {"user": "approved by the user", "yes_flag": "approved by --yes", "direct": "direct task"}
                self._add(event, "person", outcome=words[event.by], commit=event.commit, **_text(event.plan.title))
            case e.QuestionAnswered():
                self._add(event, "person", outcome="answered a question", **_text(event.answer))
            case e.MessageSent(sender="user"):
                self._add(event, "person", outcome="sent a message", **_text(event.content))
            case e.TaskAssigned(by="user"):
                self._add(event, "person", task=event.task, outcome=f"assigned to {event.profile}")
            case _:
                pass

    def _add(self, event: e.Event, kind: AuditKind, **fields: Any) -> None:
        if isinstance(event, e.AgentEvent):
            fields = {"agent": event.agent, "session": event.session, "task": event.task} | fields
        row = {"run": event.run, "epic": self._epic, "seq": event.seq, "at": event.at, "user": self._user}
        self._rows[event.seq] = AuditRow(kind=kind, **row, **fields)

    def _change(self, seq: int | None, **fields: Any) -> None:
        if seq is not None:
            self._rows[seq] = self._rows[seq].model_copy(update=fields)

    def _model(self, event: e.ModelCallReserved | e.ModelCallSettled | e.ModelCallFailed) -> None:
        match event:
            case e.ModelCallReserved():
                self._calls[event.call] = event.seq
                self._models[event.session] = event.model
                self._add(event, "model", model=event.model, purpose=event.purpose.value, usd=event.usd, outcome="open")
            case e.ModelCallSettled():
                fields = {"usage": event.usage, "usd": event.usd, "duration_ms": event.latency_ms, "outcome": "ok"}
                self._change(self._calls.get(event.call), model=event.model, **fields)
                self._models[event.session] = event.model
            case e.ModelCallFailed():
                words = f"failed: {event.kind.value}"
                self._change(self._calls.get(event.call), usd=event.usd, outcome=words, detail=event.message)

    def _tool(self, event: e.ToolCalled | e.ToolReturned) -> None:
        place = (event.session, event.call)
        match event:
            case e.ToolCalled():
                self._tools[place] = event.seq
                self._add(
                    event,
                    "tool",
                    tool=event.name,
                    model=self._models.get(event.session, ""),
                    verdict=event.verdict,
                    rule=event.rule,
                    answered=self._answers.pop(place, ""),
                    outcome="open",
                    **_text(event.arguments),
                )
            case e.ToolReturned():
                outcome = "error" if event.is_error else "ok"
                fields = {"outcome": outcome, "detail": event.summary, "duration_ms": event.duration_ms}
                late = self._answers.pop(place, "")
                self._change(self._tools.get(place), **fields, **({"answered": late} if late else {}))

    def _resolved(self, approval: RequestId, answer: ApprovalAnswer) -> None:
        asked = self._asked.get(approval)
        if asked is None:
            return
        said = f"{'yes' if answer.allowed else 'no'} by {answer.by} ({answer.scope.value})"
        note = f": {answer.note}" if answer.note else ""
        before = self._answers.get(asked)
        self._answers[asked] = f"{before}; {said}{note}" if before else said + note


def _text(text: str) -> dict[str, str]:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return {"what": shown, "what_hash": sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}


def chosen(
    rows: Iterable[AuditRow],
    *,
    agent: str | None = None,
    tool: str | None = None,
    task: str | None = None,
    since: datetime | None = None,
) -> Iterator[AuditRow]:
    """Those to which all of these apply."""
    for row in rows:
        is_meant = (
            (agent is None or row.agent == agent)
            and (tool is None or row.tool == tool)
            and (task is None or row.task == task)
            and (since is None or (row.at is not None and row.at >= since))
        )
        if is_meant:
            yield row
