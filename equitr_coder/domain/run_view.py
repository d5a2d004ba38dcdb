"""One run as it stands: a fold of its events. Every front end, the ledger after a restart and `resume` read this."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.artifacts import Artifact, ContractVerdict, SyncState
from equitr_coder.domain.attachments import Attachments, with_attachments
from equitr_coder.domain.conflicts import Conflict, ConflictState
from equitr_coder.domain.epic import Plan, SyncPoint, TaskState
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.file_history import FileHistory
from equitr_coder.domain.forecasts import Forecast
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    Purpose,
    StopCause,
    SystemMessage,
    Tier,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import UNPRICED, ZERO, Price, Usage
from equitr_coder.domain.planned_commands import Standing
from equitr_coder.domain.receipts import Receipt
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.domain.tools import ToolEnd

_NO_RUN = RunId("")
HELD = "held by you"
"""`TaskView.waits` of a task whose worker the person has stopped for now."""


@dataclass
class TaskView:
    id: TaskId
    state: TaskState = TaskState.WAITING
    agent: AgentName | None = None
    attempt: int = 0
    reason: StopReason | None = None
    detail: str = ""
    worktree: str | None = None
    tree: TreeId | None = None
    """Last known tree of the task's worktree."""
    commit: CommitId | None = None
    receipt: Receipt | None = None
    base: CommitId | None = None
    """Commit of the integration branch that the current attempt started from."""
    asked: list[RequestId] = field(default_factory=list)
    """Escalations of this task, in order."""
    files: dict[str, str] = field(default_factory=dict)
    """Path -> created, modified or deleted."""
    touched: tuple[str, ...] = ()
    """What the last hand-in changes: files, and parts of shared ones as `path::Name`."""
    waits: str = ""
    """Why it has not been started, as the scheduler last said."""
    started: datetime | None = None
    ended: datetime | None = None
    history: list[tuple[int, StopReason | None, str]] = field(default_factory=list)
    """What became of earlier attempts: number, reason, detail."""
    tier: Tier | None = None
    """Whose model does the current attempt, when it is not the worker's own."""
    assigned: e.TaskAssigned | None = None
    profiles: dict[int, str] = field(default_factory=dict)
    """Attempt -> the worker profile that made it."""

    @property
    def is_held(self) -> bool:
        """Whether nobody takes it up before the person says so."""
        return self.waits == HELD and not self.state.is_final


@dataclass
class SyncPointView:
    """What has become of one promise."""

    point: SyncPoint
    versions: list[Artifact] = field(default_factory=list)
    read: dict[TaskId, int] = field(default_factory=dict)
    """Consumer -> newest version it has read."""
    checked: e.ContractChecked | None = None
    """The last comparison with real files, of whatever version."""

    @property
    def verdict(self) -> ContractVerdict | None:
        """Of the newest version; None as long as nobody has looked."""
        newest, checked = self.newest, self.checked
        return checked.verdict if newest and checked and checked.version == newest.version else None

    @property
    def newest(self) -> Artifact | None:
        return self.versions[-1] if self.versions else None

    @property
    def state(self) -> SyncState:
        newest = self.newest
        if newest is None:
            return SyncState.PENDING
        consumers = self.point.consumers
        is_read = bool(consumers) and all(self.read.get(task) == newest.version for task in consumers)
        return SyncState.CONSUMED if is_read else SyncState.PRODUCED


@dataclass
class ConflictView:
    conflict: Conflict
    state: ConflictState = ConflictState.OPEN
    tree: TreeId | None = None
    """The proposed merge; `commit` is the same on top of the branch as it was then."""
    commit: CommitId | None = None
    worktree: str | None = None
    """Where a person finds the files, with markers in them."""
    detail: str = ""
    resolved: e.ConflictResolved | None = None

    @property
    def is_open(self) -> bool:
        return self.resolved is None


@frozen
class Measure:
    """How many input tokens the provider counted for the first `messages` of a transcript, as they were sent then."""

    tokens: int
    messages: int
    cuts: int
    """`SessionView.cuts` then."""


@dataclass
class SessionView:
    """One transcript, ready to be sent again."""

    id: SessionId
    agent: AgentName
    task: TaskId | None
    system: str = ""
    messages: list[Message] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    tree: TreeId | None = None
    calls_made: int = 0
    """Settled model calls."""
    running_tools: dict[CallId, e.ToolCalled] = field(default_factory=dict)
    """Intents without a result: running now, or interrupted by a crash."""
    end: ToolEnd | None = None
    last_stop: StopCause = StopCause.END
    checkpoints: list[tuple[int, TreeId]] = field(default_factory=list)
    """Number of messages before a turn, and the checkout's tree then."""
    history: FileHistory = field(default_factory=FileHistory)
    """Of the files, for sessions in the user's checkout."""
    covered: list[tuple[TreeId, tuple[str, ...]]] = field(default_factory=list)
    """Ignored files as they were before the session first wrote them."""
    uncovered: dict[str, None] = field(default_factory=dict)
    """Ignored files and folders that commands may have changed and that no tree holds."""
    taken_back: dict[str, None] = field(default_factory=dict)
    """Paths that an undo, a redo or a rewind changed since the user's last message."""
    pending: list[str] = field(default_factory=list)
    """Paths of `file_changed` whose step is not recorded yet."""
    files: list[int] = field(default_factory=list)
    """For each tool result in `messages`, in order: a fingerprint of the files after it (their tree, and what was read
    or written). Equal numbers mean equal files; good within one process."""
    elided: dict[CallId, str] = field(default_factory=dict)
    """Tool call -> what is sent in place of its result."""
    compacted: list[e.ContextCompacted] = field(default_factory=list)
    """The last one says what is sent."""
    measured: Measure | None = None
    """Of the last answered call; None when its usage was an estimate."""
    changed: dict[str, str] = field(default_factory=dict)
    """Path -> what the session last did to it: created, modified or deleted."""

    @property
    def cuts(self) -> int:
        """Rises whenever something is no longer sent as it came."""
        return len(self.elided) + len(self.compacted)

    @property
    def unanswered(self) -> tuple[CallId, ...]:
        """Tool calls of the last assistant message that have no result yet, in order."""
        answered: set[CallId] = set()
        for message in reversed(self.messages):
            if isinstance(message, ToolMessage):
                answered.add(message.call)
            elif isinstance(message, AssistantMessage):
                return tuple(call.id for call in message.calls if call.id not in answered)
        return ()


@frozen
class LedgerRow:
    """One model call: reserved, and settled or failed or still open."""

    call: CallId
    model: str
    agent: AgentName
    task: TaskId | None
    session: SessionId
    purpose: Purpose
    tier: Tier
    reserved: Decimal
    usd: Decimal = ZERO
    usage: Usage = field(default_factory=Usage)
    is_open: bool = True
    latency_ms: int = 0
    is_unpriced: bool = False
    """No price is known, so `usd` says nothing."""
    provider: str = ""
    price: Price | None = None
    price_source: str = ""
    input_bound: int = 0
    max_tokens: int = 0
    at: datetime | None = None
    """When it was reserved."""
    ended: datetime | None = None
    """When it was settled or failed."""
    failed: ModelErrorKind | None = None
    run: RunId = _NO_RUN
    workspace: str = ""
    user: str = ""

    @property
    def overshoot(self) -> Decimal:
        """What the provider reported beyond the reservation; 0 as a rule."""
        return max(ZERO, self.usd - self.reserved) if not self.is_open else ZERO

    @property
    def basis(self) -> str:
        """What `usd` rests on: `reported` usage, `estimated` usage, the `reservation` (the answer was lost), `nothing`
        (the call certainly cost nothing), or `open`.
        """
        if self.is_open:
            return "open"
        if self.failed is not None:
            return "reservation" if self.usd else "nothing"
        return "estimated" if self.usage.estimated else "reported"


@dataclass
class RunView:
    run: RunId
    kind: RunKind = RunKind.CHAT
    request: str = ""
    attachments: Attachments | None = None
    """What the request mentions."""
    name: str = ""
    """What a person called it; empty as long as nobody did."""
    workspace: str = ""
    user: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    epic: EpicId | None = None
    state: RunState = RunState.INITIALIZING
    reason: StopReason | None = None
    detail: str = ""
    content: str = ""
    hint: str = ""
    landed: bool | None = None
    missing_paths: tuple[str, ...] = ()
    """What the design names and the finished work lacks."""
    supervisor_model: str | None = None
    worker_model: str | None = None
    base_branch: str | None = None
    base_commit: CommitId | None = None
    plan: Plan | None = None
    gaps: tuple[str, ...] = ()
    forecast: Forecast | None = None
    standing: Standing | None = None
    approved_commands: Mapping[TaskId, tuple[str, ...]] | None = None
    """What came with the plan's approval; None in logs of earlier versions."""
    is_approved: bool = False
    branch: str | None = None
    tip: CommitId | None = None
    """Last commit of the integration branch that this log knows."""
    landings: list[e.MergeLanded] = field(default_factory=list)
    """How it came there from the approved plan, in order."""
    documents_at: str | None = None
    documents: dict[str, e.DocumentWritten] = field(default_factory=dict)
    tasks: dict[TaskId, TaskView] = field(default_factory=dict)
    sessions: dict[SessionId, SessionView] = field(default_factory=dict)
    questions: dict[RequestId, e.QuestionAsked] = field(default_factory=dict)
    """Open ones only; likewise `approvals`."""
    answered: dict[RequestId, str] = field(default_factory=dict)
    approvals: dict[RequestId, Approval] = field(default_factory=dict)
    grants: list[tuple[Approval, e.ApprovalResolved]] = field(default_factory=list)
    reviews: dict[tuple[SessionId, TreeId | None], e.ReviewGiven] = field(default_factory=dict)
    answers: dict[RequestId, e.EscalationAnswered] = field(default_factory=dict)
    escalations: list[tuple[e.EscalationAsked, e.EscalationAnswered | None]] = field(default_factory=list)
    skipped: set[RequestId] = field(default_factory=set)
    """Escalations that the run's limit kept from being asked."""
    sync_points: dict[str, SyncPointView] = field(default_factory=dict)
    messages: list[e.MessageSent] = field(default_factory=list)
    delivered: dict[RequestId, SessionId] = field(default_factory=dict)
    """Message -> the session that got it."""
    cancelled: set[RequestId] = field(default_factory=set)
    """Messages that the user took back."""
    conflicts: dict[RequestId, ConflictView] = field(default_factory=dict)
    ledger: dict[CallId, LedgerRow] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    started: datetime | None = None
    last: datetime | None = None
    seq: int = 0

    @property
    def title(self) -> str:
        """Its name, else the plan's title, else the first line of the request."""
        return self.name or (self.plan.title if self.plan is not None else self.request.strip().split("\n", 1)[0])

    @property
    def opening(self) -> str:
        """How whoever gets the request first is told it: verbatim, then what it mentions."""
        return with_attachments(self.request, self.attachments)

    @property
    def images(self) -> tuple[Image, ...]:
        """What whoever gets the request first is shown with it."""
        return self.attachments.images if self.attachments is not None else ()

    @property
    def spent(self) -> Decimal:
        """Settled and charged money, open reservations not included."""
        return sum((row.usd for row in self.ledger.values()), ZERO)

    @property
    def held(self) -> Decimal:
        return sum((row.reserved for row in self.ledger.values() if row.is_open), ZERO)

    @property
    def built_for(self) -> Decimal:
        """What building the plan has cost so far, planning left out: what a forecast foresees."""
        return sum((row.usd for row in self.ledger.values() if row.purpose is not Purpose.PLANNING), ZERO)

    @property
    def phase(self) -> str:
        if self.state.is_final or self.state is RunState.PAUSED:
            waiting = self.plan is not None and not self.is_approved and not self.state.is_final
            return "awaiting approval" if waiting else self.state.value
        if self.kind is RunKind.CHAT or self.is_approved:
            return "working"
        return "awaiting approval" if self.plan is not None else "planning"

    @property
    def can_be_tried_again(self) -> bool:
        """Whether `resume` gives the tasks of this ended epic more attempts."""
        unfinished = any(task.state is not TaskState.DONE for task in self.tasks.values())
        return self.state is RunState.FAILED and self.is_approved and unfinished

    def last_call(self, session: SessionId) -> datetime | None:
        """When the last model call of a session ended: the time of what is made of its work, the same however often
        that is made.
        """
        return max((row.ended for row in self.ledger.values() if row.session == session and row.ended), default=None)

    def waiting_for(self, to: str) -> list[e.MessageSent]:
        """What was sent to a task, or to the chat, and has been neither delivered nor taken back; in order."""
        gone = self.delivered.keys() | self.cancelled
        return [sent for sent in self.messages if sent.to == to and sent.id not in gone]

    @property
    def users_waiting(self) -> list[e.MessageSent]:
        """What the user has said to agents at work and none has got yet, in order."""
        gone = self.delivered.keys() | self.cancelled
        return [sent for sent in self.messages if sent.sender == "user" and sent.id not in gone]

    def count(self, state: TaskState) -> int:
        return sum(task.state is state for task in self.tasks.values())


def fold(events: Iterable[e.Event], view: RunView | None = None) -> RunView:
    """Apply events in order; pass a view to go on from it (it is changed in place)."""
    for event in events:
        if view is None:
            view = RunView(run=event.run)
        apply(view, event)
    return view if view is not None else RunView(run=RunId(""))


def apply(view: RunView, event: e.Event) -> None:
    """Apply one event. Unknown combinations change nothing but `seq`: old logs always load."""
    view.seq = max(view.seq, event.seq)
    if event.at is not None:
        view.started = view.started or event.at
        view.last = event.at
    match event:
        case e.RunStarted():
            view.run, view.kind, view.request, view.workspace = event.run, event.kind, event.request, event.workspace
            view.attachments = event.attachments
            view.options, view.epic, view.user = event.options, event.epic, event.user
            view.supervisor_model, view.worker_model = event.supervisor_model, event.worker_model
            view.base_branch, view.base_commit = event.base_branch, event.base_commit
            view.state = RunState.RUNNING
        case e.RunResumed():
            view.options = event.options
            view.supervisor_model, view.worker_model = event.supervisor_model, event.worker_model
            view.state, view.reason, view.detail, view.hint = RunState.RUNNING, None, "", ""
        case e.RunPaused():
            view.state, view.reason, view.detail, view.hint = RunState.PAUSED, event.reason, event.detail, event.hint
        case e.RunRenamed():
            view.name = event.title
        case e.RunFinished():
            view.state, view.reason, view.content = event.state, event.reason, event.content
            view.detail, view.landed, view.hint = event.detail, event.landed, event.hint
            view.missing_paths = event.missing_paths
        case e.QuestionAsked():
            view.questions[event.question] = event
        case e.QuestionAnswered():
            view.questions.pop(event.question, None)
            view.answered[event.question] = event.answer
        case e.DocumentWritten():
            view.documents[event.name] = event
        case e.PlanSubmitted():
            view.plan, view.gaps, view.forecast = event.plan, event.gaps, event.forecast
            view.standing = event.standing
            _take_plan(view, event.plan)
        case e.PlanApproved():
            view.plan, view.is_approved, view.approved_commands = event.plan, True, event.commands
            view.branch, view.tip, view.documents_at = event.branch, event.commit, event.documents_at
            view.base_commit, view.base_branch = event.base, event.base_branch
            _take_plan(view, event.plan)
        case e.TaskChanged():
            _apply_task(view.tasks.setdefault(event.task, TaskView(event.task)), event)
        case e.ModelCallReserved():
            view.ledger[event.call] = LedgerRow(
                event.call,
                event.model,
                event.agent,
                event.task,
                event.session,
                event.purpose,
                event.tier,
                event.usd,
                input_bound=event.input_bound,
                max_tokens=event.max_tokens,
                at=event.at,
                run=view.run,
                workspace=view.workspace,
                user=view.user,
            )
        case e.ModelCallSettled():
            _close_row(view, event)
            session = _session(view, event)
            session.calls_made += 1
            session.last_stop = event.stop
            is_known = event.usage.total_input > 0 and not event.usage.estimated
            sent = len(session.messages) - 1  # its answer is the last
            session.measured = Measure(event.usage.total_input, sent, session.cuts) if is_known else None
        case e.ModelCallFailed():
            _close_row(view, event)
        case e.CheckpointTaken():
            _checkpoint(_session(view, event), event)
        case e.MessageAdded():
            session = _session(view, event)
            view.delivered.update(dict.fromkeys(event.delivers, event.session))
            if isinstance(event.message, SystemMessage):
                session.system = event.message.text
            else:
                session.messages.append(event.message)
                session.end = None
                if isinstance(event.message, UserMessage):
                    session.taken_back.clear()
        case e.ToolCalled():
            _session(view, event).running_tools[event.call] = event
        case e.ToolReturned():
            session = _session(view, event)
            session.running_tools.pop(event.call, None)
            session.messages.append(
                ToolMessage(call=event.call, name=event.name, text=event.text, is_error=event.is_error)
            )
            session.seen.update(event.seen)
            session.end = event.ends or session.end
            if event.tree is not None:
                if session.tree is not None and session.tree != event.tree:
                    session.history.step(session.tree, event.tree, event.name, session.pending)
                session.pending.clear()
                session.tree = event.tree
                if (task := _worked_on(view, event)) is not None:
                    task.tree = event.tree
            session.files.append(hash((session.tree, frozenset(session.seen.items()))))
        case e.ContextElided():
            _session(view, event).elided.update(event.results)
        case e.ContextCompacted():
            _session(view, event).compacted.append(event)
        case e.FileChanged():
            session = _session(view, event)
            session.changed[event.path] = event.change
            session.pending.append(event.path)
            if (task := _worked_on(view, event)) is not None:
                task.files[event.path] = event.change
        case e.ApprovalRequested():
            view.approvals[event.approval.id] = event.approval
        case e.ApprovalResolved():
            approval = view.approvals.pop(event.approval, None)
            if approval is not None:
                view.grants.append((approval, event))
        case e.EscalationAsked():
            view.escalations.append((event, None))
            if event.task is not None and event.task in view.tasks:
                view.tasks[event.task].asked.append(event.escalation)
        case e.EscalationAnswered():
            view.answers[event.escalation] = event
            view.escalations = [
                (asked, event if asked.escalation == event.escalation else answered)
                for asked, answered in view.escalations
            ]
        case e.EscalationSkipped():
            view.skipped.add(event.escalation)
        case e.MergeLanded():
            if event.target == view.branch:
                view.tip = event.commit
                view.landings.append(event)
            if event.task is not None:
                view.tasks[event.task].commit = event.commit
        case e.ReceiptStored():
            view.tasks[event.task].receipt = event.receipt
        case e.BudgetWarned():
            view.warned.add(event.account)
        case e.BudgetRaised():
            view.options = view.options.model_copy(update={"budget": event.limit})
        case e.ReviewGiven():
            view.reviews[(event.session, event.tree)] = event
        case e.TaskAssigned():
            view.tasks.setdefault(event.task, TaskView(event.task)).assigned = event
        case e.ArtifactProduced():
            if (promised := view.sync_points.get(event.artifact.sync_point)) is not None:
                promised.versions.append(event.artifact)
        case e.ArtifactConsumed():
            if (promised := view.sync_points.get(event.sync_point)) is not None:
                promised.read[event.task] = max(event.version, promised.read.get(event.task, 0))
        case e.ContractChecked():
            if (promised := view.sync_points.get(event.sync_point)) is not None:
                promised.checked = event
        case e.MessageSent():
            view.messages.append(event)
        case e.MessageCancelled():
            view.cancelled.add(event.message)
        case e.ConflictFound():
            view.conflicts[event.conflict.id] = ConflictView(event.conflict)
        case e.ConflictChanged():
            if (conflict := view.conflicts.get(event.conflict)) is not None:
                conflict.state, conflict.detail = event.state, event.detail
                conflict.tree = event.tree or conflict.tree
                conflict.commit = event.commit or conflict.commit
                conflict.worktree = event.worktree or conflict.worktree
        case e.ConflictResolved():
            if (conflict := view.conflicts.get(event.conflict)) is not None:
                conflict.state, conflict.resolved = ConflictState.RESOLVED, event
        case e.MergeQueued() | e.MergeRejected() | e.BudgetReached() | e.ModelCallDelayed() | e.AttemptMeasured():
            pass


def _take_plan(view: RunView, plan: Plan) -> None:
    """What was decided about a task before (who does it) outlives a plan that is submitted or approved anew."""
    before = view.tasks
    view.tasks = {task.id: TaskView(task.id) for task in plan.tasks}
    for task in view.tasks.values():
        if task.id in before:
            task.assigned = before[task.id].assigned
    view.sync_points = {point.id: SyncPointView(point) for point in plan.sync_points}


def _checkpoint(session: SessionView, event: e.CheckpointTaken) -> None:
    session.tree = event.tree
    session.uncovered.update(dict.fromkeys(event.uncovered))
    if event.state is not None:
        session.history.move(event.state)
        session.taken_back.update(dict.fromkeys(session.pending))
        session.pending.clear()
    elif event.covers or event.uncovered or event.before:
        # Of what the session has made or covered before, the first state counts.
        if first := tuple(path for path in event.covers if path not in session.changed):
            session.covered.append((event.tree, first))
    else:
        session.checkpoints.append((len(session.messages), event.tree))
        session.history.begin_turn(event.tree)


def _worked_on(view: RunView, event: e.AgentEvent) -> TaskView | None:
    """The task whose files the event's session is changing; not of a session about the task, such as a merge."""
    task = view.tasks.get(event.task) if event.task is not None else None
    return task if task is not None and event.session == f"{task.id}.{task.attempt}" else None


def _session(view: RunView, event: e.AgentEvent) -> SessionView:
    found = view.sessions.get(event.session)
    if found is None:
        found = view.sessions[event.session] = SessionView(event.session, event.agent, event.task)
    return found


def _apply_task(task: TaskView, event: e.TaskChanged) -> None:
    is_waiting = event.state is TaskState.WAITING and event.reason is None
    task.waits = event.detail if is_waiting else ""
    if is_waiting and task.attempt:
        return  # what became of its last attempt still stands
    if event.state is TaskState.WORKING and event.attempt > task.attempt and task.attempt:
        task.history.append((task.attempt, task.reason, task.detail))
    task.state, task.reason, task.detail = event.state, event.reason, event.detail
    task.agent = event.agent or task.agent
    task.attempt = event.attempt or task.attempt
    task.worktree = event.worktree or task.worktree
    task.tree = event.tree or task.tree
    task.base = event.base or task.base
    task.commit = event.commit or task.commit
    if event.state is TaskState.WORKING:
        task.tier = event.tier
    if event.profile is not None:
        task.profiles[event.attempt] = event.profile
    task.touched = event.touched or task.touched
    if event.state is TaskState.WORKING and task.started is None:
        task.started = event.at
    if event.state.is_final:
        task.ended = event.at


def _close_row(view: RunView, event: e.ModelCallSettled | e.ModelCallFailed) -> None:
    row = view.ledger.get(event.call) or LedgerRow(
        event.call,
        event.model,
        event.agent,
        event.task,
        event.session,
        event.purpose,
        event.tier,
        event.usd,
        run=view.run,
        workspace=view.workspace,
        user=view.user,
    )
    at = row.at or event.at
    closed = replace(row, usd=event.usd, is_open=False, provider=event.provider, at=at, ended=event.at)
    match event:
        case e.ModelCallSettled():
            closed = replace(
                closed,
                usage=event.usage,
                latency_ms=event.latency_ms,
                price=event.price,
                price_source=event.price_source,
                is_unpriced=event.price_source == UNPRICED,
            )
        case e.ModelCallFailed():
            closed = replace(closed, failed=event.kind)
    view.ledger[event.call] = closed
