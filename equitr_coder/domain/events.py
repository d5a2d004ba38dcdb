"""Everything that happens, as one closed union. The event log is the ordered truth; views are folds of it.

Order that every log keeps (asserted by `testing.assert_well_formed`): `run_started` is first; a
`model_call_reserved` precedes its `model_call_settled` or `model_call_failed`, of which there is exactly one; a
`tool_called` precedes its `tool_returned`; a `question_asked` or `approval_requested` precedes its answer; after
`run_finished` or `run_paused` comes nothing but `run_resumed`, and before it what a person decides meanwhile
(`task_assigned`, `task_changed` of a task that is held, let go or stopped, `message_cancelled`, `run_renamed`); a
message of the user is delivered once, and never after it was cancelled. `seq` counts from 1 within a run, without gaps.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Verdict
from equitr_coder.domain.artifacts import Artifact, ContractVerdict
from equitr_coder.domain.attachments import Attachments
from equitr_coder.domain.conflicts import Conflict, ConflictState
from equitr_coder.domain.epic import Plan, TaskState
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.forecasts import Forecast
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import Message, Purpose, StopCause, Tier
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.panel import Voice
from equitr_coder.domain.path_text import ShownPath
from equitr_coder.domain.planned_commands import Standing
from equitr_coder.domain.receipts import Receipt
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.domain.value import Value

VERSION = 1


class EventBase(Value):
    """`seq`, `at` and `run` are stamped by the hub; a producer leaves them empty."""

    v: int = VERSION
    seq: int = 0
    at: datetime | None = None
    run: RunId = RunId("")


class AgentEvent(EventBase):
    """Something one agent's session did. `task` is empty outside tasks."""

    session: SessionId
    agent: AgentName
    task: TaskId | None = None


class RunStarted(EventBase):
    type: Literal["run_started"] = "run_started"
    kind: RunKind
    request: str
    workspace: str
    """Absolute path of the user's checkout."""
    options: RunOptions
    epic: EpicId | None = None
    supervisor_model: str | None = None
    worker_model: str | None = None
    base_branch: str | None = None
    """None when HEAD is detached, or there is no repository yet."""
    base_commit: CommitId | None = None
    unseen: tuple[ShownPath, ...] = ()
    """Uncommitted files that worktrees do not see."""
    user: str = ""
    """Name of the local user who started it."""
    attachments: Attachments | None = None
    """What the request mentions with `@`; None when it mentions nothing."""


class EscalationTrigger(StrEnum):
    """Why a question went to the supervisor."""

    TOOL = "tool"
    """The worker asked."""
    COMPLEX_TASK = "complex_task"
    """Before the first attempt at a task that is hard by its own words."""
    REPEATED_FAILURE = "repeated_failure"
    NO_PROGRESS = "no_progress"
    LOW_CONFIDENCE = "low_confidence"
    FOOTPRINT = "footprint"
    CONTRACT = "contract"
    CONFLICT = "conflict"
    FAILED_EDITS = "failed_edits"
    """Three edits in a row found no place."""
    DISAGREEMENT = "disagreement"
    """The reviewers of its work disagree."""
    PERMISSION = "permission"
    """Only told: a question about permission was refused because no person answered it. No model is asked."""


class QuestionAsked(AgentEvent):
    type: Literal["question_asked"] = "question_asked"
    question: RequestId
    text: str
    options: tuple[str, ...] = ()


class QuestionAnswered(EventBase):
    type: Literal["question_answered"] = "question_answered"
    question: RequestId
    answer: str


class DocumentWritten(EventBase):
    """A new revision of a planning document; `by` is `planner`, `user` or `host`."""

    type: Literal["document_written"] = "document_written"
    name: Literal["requirements", "design", "todos"]
    content: str
    revision: int
    by: str
    problems: tuple[str, ...] = ()


class PlanSubmitted(EventBase):
    """A valid plan waits for approval. A later one replaces it."""

    type: Literal["plan_submitted"] = "plan_submitted"
    plan: Plan
    gaps: tuple[str, ...] = ()
    """What review should look at: requirements without a task, tasks without a check, missing sections."""
    forecast: Forecast | None = None
    """What building it may cost."""
    standing: Standing | None = None
    """Commands that the configuration adds to the plan's own."""


class PlanApproved(EventBase):
    """The plan is fixed from here. `commit` is the first commit of the integration branch."""

    type: Literal["plan_approved"] = "plan_approved"
    plan: Plan
    by: Literal["user", "yes_flag", "direct"]
    branch: str
    base: CommitId
    base_branch: str | None = None
    """The user's branch that the work lands on; None when HEAD is detached."""
    commit: CommitId
    documents_at: str | None = None
    """Folder of the documents on the branch; None for a direct task without documents."""
    commands: Mapping[TaskId, tuple[str, ...]] | None = None
    """By task, what its agent may run without another question, to the letter; None in logs of earlier versions."""


class TaskChanged(EventBase):
    type: Literal["task_changed"] = "task_changed"
    task: TaskId
    state: TaskState
    agent: AgentName | None = None
    attempt: int = 0
    reason: StopReason | None = None
    detail: str = ""
    """In words: what it waits for, why it was sent back, how it failed."""
    worktree: str | None = None
    tree: TreeId | None = None
    """Tree the attempt starts from, or the tree handed in."""
    base: CommitId | None = None
    """Commit of the integration branch that the attempt starts from."""
    commit: CommitId | None = None
    tier: Tier | None = None
    """Whose model does the attempt, when it is not the worker's own."""
    profile: str | None = None
    """Worker profile of the attempt that begins; None for `worker` in logs of earlier versions."""
    touched: tuple[str, ...] = ()
    """Of a hand-in: the files it changes, and `path::Name` where tasks share a Python file by symbols."""


class ModelCallReserved(AgentEvent):
    """Committed before the request is sent. `usd` is the worst case that is held; `input_bound` and `max_tokens` are
    figures before the correction that the ledger has learned for the model.
    """

    type: Literal["model_call_reserved"] = "model_call_reserved"
    call: CallId
    model: str
    tier: Tier
    purpose: Purpose
    usd: Decimal
    input_bound: int
    max_tokens: int
    instead_of: str = ""
    """The model whose provider is down and whose place this one takes (`fallbacks`)."""


class ModelCallSettled(AgentEvent):
    """The reply's real cost; committed in one transaction with the reply's `message_added`."""

    type: Literal["model_call_settled"] = "model_call_settled"
    call: CallId
    model: str
    tier: Tier
    purpose: Purpose
    usage: Usage
    usd: Decimal
    price_source: str = ""
    price: Price | None = None
    """The rates that were used; None when nobody knows them."""
    provider: str = ""
    latency_ms: int = 0
    stop: StopCause = StopCause.END
    """Why the model stopped writing: `end`, `tool_calls`, `length` (cut at `max_tokens`) or `filtered`."""


class ModelCallFailed(AgentEvent):
    """No reply. `usd` is what is charged: 0 when the provider certainly did not work, else the reservation."""

    type: Literal["model_call_failed"] = "model_call_failed"
    call: CallId
    model: str
    tier: Tier
    purpose: Purpose
    kind: ModelErrorKind
    message: str
    usd: Decimal = Decimal(0)
    retry_in: float | None = None
    """Seconds until the next try; None when there is none."""
    provider: str = ""


class ModelCallDelayed(AgentEvent):
    """The session waits for its turn at a provider. Recorded when the wait is long enough to be wondered about."""

    type: Literal["model_call_delayed"] = "model_call_delayed"
    model: str
    provider: str = ""
    seconds: float
    """How long at most, as far as is known."""
    why: Literal["rate_limited", "paced", "shared_prefix"]


class CheckpointTaken(AgentEvent):
    """The user's checkout as it stood before a turn of a chat, or as going back left it; kept in git objects."""

    type: Literal["checkpoint_taken"] = "checkpoint_taken"
    tree: TreeId
    state: int | None = None
    """After an undo, a redo or a rewind: the number of the state that the files were brought to."""
    left: tuple[ShownPath, ...] = ()
    """Then also: files that were changed since and therefore left alone."""
    covers: tuple[str, ...] = ()
    """Within a turn: ignored files that a call writes, or that a command has written, as they were before; from here on
    a part of the tree.
    """
    before: str = ""
    """Within a turn: why the next command is classed as destructive. The tree has what a person changed meanwhile."""
    uncovered: tuple[ShownPath, ...] = ()
    """Ignored files and folders (with a slash) that no tree holds: too many, too large, made by a tool, or with
    a name that is no text. A command may have changed them, or going back has left them as they are.
    """


class MessageAdded(AgentEvent):
    """One message of a session's transcript. Tool results are in `tool_returned` instead."""

    type: Literal["message_added"] = "message_added"
    message: Message
    delivers: tuple[RequestId, ...] = ()
    """The `message_sent` that this user message brings to the agent."""


class ToolCalled(AgentEvent):
    """The intent: committed before the tool runs."""

    type: Literal["tool_called"] = "tool_called"
    call: CallId
    name: str
    arguments: str
    verdict: Verdict | None = None
    """What the policy said; None when it was not asked, because the call could not be read."""
    rule: str = ""
    """Why it said so: the rule or the wall that decided."""


class ToolReturned(AgentEvent):
    """The result, with the tree as it stands now. A step whose `tool_returned` exists is never repeated."""

    type: Literal["tool_returned"] = "tool_returned"
    call: CallId
    name: str
    text: str
    """What the model reads; its rest, when long, opens with `read_file("output:ID")`."""
    is_error: bool = False
    summary: str = ""
    """One line for people."""
    tree: TreeId | None = None
    seen: dict[str, str] = Field(default_factory=dict)
    """Path -> SHA-256 of file contents this session read or wrote in this step."""
    ends: ToolEnd | None = None
    duration_ms: int = 0
    kept: tuple[str, ...] = ()
    """SHA-256 of what lies in the blob store because the text names only its beginning (`output:ID`)."""


class ContextElided(AgentEvent):
    """Old tool results of the session are no longer sent as they came, from here on. The log still has them."""

    type: Literal["context_elided"] = "context_elided"
    results: dict[CallId, str]
    """Call -> what the model reads in place of its result; it names the `output:ID` that opens the whole."""
    tokens_before: int
    """Estimated size of the next request without this, and with it."""
    tokens_after: int
    kept: tuple[str, ...] = ()
    """As in `ToolReturned`."""


class ContextCompacted(AgentEvent):
    """The middle of the transcript is no longer sent, from here on: the first message is followed by `text`, then by
    the messages from number `upto` on (the system prompt not counted, the first message is 0). The log still has them.
    """

    type: Literal["context_compacted"] = "context_compacted"
    upto: int
    text: str
    """What is sent in place of what was dropped: the records, and the summary."""
    summary: str = ""
    """What a model wrote of it; empty when it gave nothing that could be used, `detail` then says why."""
    why: Literal["window", "refused"]
    """The request came near the window, or the provider refused it as too long."""
    limit: int
    """Tokens that the next request had to fit in."""
    tokens_before: int
    tokens_after: int
    detail: str = ""


class FileChanged(AgentEvent):
    type: Literal["file_changed"] = "file_changed"
    path: ShownPath
    change: Literal["created", "modified", "deleted"]
    added: int = 0
    removed: int = 0


class ApprovalRequested(EventBase):
    type: Literal["approval_requested"] = "approval_requested"
    approval: Approval


class ApprovalResolved(EventBase):
    type: Literal["approval_resolved"] = "approval_resolved"
    approval: RequestId
    answer: ApprovalAnswer


class EscalationAsked(AgentEvent):
    """A question to the supervisor: by the `ask_supervisor` tool, or by the host after repeated failure."""

    type: Literal["escalation_asked"] = "escalation_asked"
    escalation: RequestId
    question: str
    files: tuple[str, ...] = ()
    automatic: bool = False
    trigger: EscalationTrigger = EscalationTrigger.TOOL


class EscalationAnswered(AgentEvent):
    type: Literal["escalation_answered"] = "escalation_answered"
    escalation: RequestId
    answer: str
    usd: Decimal = Decimal(0)


class EscalationSkipped(AgentEvent):
    """The host would have asked the supervisor, and the run has no more questions. It is not asked later either."""

    type: Literal["escalation_skipped"] = "escalation_skipped"
    escalation: RequestId
    trigger: EscalationTrigger
    limit: int
    """`orchestrator.max_run_escalations` as it was then."""


class ReviewGiven(AgentEvent):
    type: Literal["review_given"] = "review_given"
    approved: bool
    reasons: tuple[str, ...] = ()
    missing: bool = False
    """One of several gave no verdict, or was not waited for; `reasons` says why, and `approved` says nothing."""
    tree: TreeId | None = None


class MergeQueued(EventBase):
    type: Literal["merge_queued"] = "merge_queued"
    task: TaskId
    attempt: int
    commit: CommitId


class MergeLanded(EventBase):
    """`target` is the branch that moved: the integration branch for a task, the user's branch at the end."""

    type: Literal["merge_landed"] = "merge_landed"
    task: TaskId | None = None
    target: str
    old: CommitId
    commit: CommitId


class MergeRejected(EventBase):
    type: Literal["merge_rejected"] = "merge_rejected"
    task: TaskId | None = None
    attempt: int = 0
    reason: StopReason
    detail: str
    paths: tuple[str, ...] = ()


class ReceiptStored(EventBase):
    type: Literal["receipt_stored"] = "receipt_stored"
    task: TaskId
    receipt: Receipt


class TaskAssigned(EventBase):
    """Which worker profile does a task. The last one of a task holds; `user` is never replaced by `analytics`."""

    type: Literal["task_assigned"] = "task_assigned"
    task: TaskId
    profile: str
    by: Literal["user", "analytics", "declared", "load"]
    why: str = ""


class ArtifactProduced(EventBase):
    """A version of what a sync point promised. `by` is `worker`, or `host` where the code wrote it from what landed."""

    type: Literal["artifact_produced"] = "artifact_produced"
    task: TaskId
    agent: AgentName | None = None
    artifact: Artifact
    by: Literal["worker", "host", "user"] = "worker"


class ArtifactConsumed(EventBase):
    """A consumer has read this version."""

    type: Literal["artifact_consumed"] = "artifact_consumed"
    task: TaskId
    agent: AgentName | None = None
    sync_point: str
    version: int


class ContractChecked(EventBase):
    """The newest version of an artifact against the files that its producer would land at `commit`."""

    type: Literal["contract_checked"] = "contract_checked"
    task: TaskId
    sync_point: str
    version: int
    verdict: ContractVerdict
    detail: str = ""
    """What differs, what was compared, or why nothing could be."""
    commit: CommitId | None = None


class MessageSent(EventBase):
    """From one agent (or the host) to one task's agent, delivered by a `message_added` that names it; or to the
    supervisor, whose answer is an event of its own (`escalation_answered`).
    """

    type: Literal["message_sent"] = "message_sent"
    id: RequestId
    """`m1`, `m2`, ... within a run, `u1`, `u2`, ... of the user; of an escalation, that one's id behind `m:`."""
    sender: str
    """A task id, `supervisor`, `user`, or `host`."""
    to: str
    """A task id, `supervisor`, or `chat`."""
    kind: Literal["task_assignment", "finding", "question", "response", "escalation", "queue", "steer"] = "finding"
    """The user's own are `queue` (a turn of its own, after this one) and `steer` (before the next model call)."""
    topic: str = ""
    """What the host's own messages are about: `artifact_produced`, `artifact_updated`, `contract_failed`,
    `conflict_forecast`; empty for words of agents."""
    content: str


class MessageCancelled(EventBase):
    """The user has taken back what no agent has got yet."""

    type: Literal["message_cancelled"] = "message_cancelled"
    message: RequestId


class ConflictFound(EventBase):
    """One that was foreseen and has come true is found again under its number."""

    type: Literal["conflict_found"] = "conflict_found"
    conflict: Conflict


class ConflictChanged(EventBase):
    """A proposal was made, or a person is needed, or a proposal was turned down. `tree` and `commit` are the proposed
    merge, `worktree` is where a person finds the files. Of reviewers that disagree: the person decides.
    """

    type: Literal["conflict_changed"] = "conflict_changed"
    conflict: RequestId
    state: ConflictState
    tree: TreeId | None = None
    commit: CommitId | None = None
    worktree: str | None = None
    detail: str = ""


class ConflictResolved(EventBase):
    """`how`: `structure` (code merged it), `proposal` (the supervisor's merge was accepted), `user`, `worker` (done
    again on the newer base), `passed` (a forecast that did not come true), `aborted`. Where reviewers disagree: `vote`,
    `supervisor`, `user`, or `unattended` (nobody was there to decide).
    """

    type: Literal["conflict_resolved"] = "conflict_resolved"
    conflict: RequestId
    how: Literal["structure", "proposal", "user", "worker", "passed", "aborted", "vote", "supervisor", "unattended"]
    commit: CommitId | None = None
    detail: str = ""
    """In words: why so."""
    approved: bool | None = None
    """The decision where reviewers disagree."""
    dissent: tuple[Voice, ...] = ()
    """Then also: who said otherwise, and why."""


class TimeSpan(Value):
    """Something a task waited for, from `at` for `ms` milliseconds: `worktree` (one was made ready), `check` (a command
    of the gate ran), `turn` (the merge queue was busy with another task).
    """

    kind: Literal["worktree", "check", "turn"]
    at: datetime
    ms: int


class AttemptMeasured(EventBase):
    """Where the host's time for an attempt went; recorded when it ends. Only the metrics read it."""

    type: Literal["attempt_measured"] = "attempt_measured"
    task: TaskId
    attempt: int
    git_ms: int = 0
    """Sum over the git commands that ran for it; less than the clock shows where they ran side by side."""
    git_commands: int = 0
    spans: tuple[TimeSpan, ...] = ()


class BudgetWarned(EventBase):
    """Once per account, at 80 % of its limit."""

    type: Literal["budget_warned"] = "budget_warned"
    account: str
    usd: Decimal
    limit: Decimal


class BudgetReached(EventBase):
    type: Literal["budget_reached"] = "budget_reached"
    account: str
    usd: Decimal
    limit: Decimal
    detail: str = ""


class BudgetRaised(EventBase):
    """The person gave a run at work a higher limit."""

    type: Literal["budget_raised"] = "budget_raised"
    limit: Decimal


class RunPaused(EventBase):
    """The run stopped with everything kept; `resume` goes on."""

    type: Literal["run_paused"] = "run_paused"
    reason: StopReason
    detail: str = ""
    hint: str = ""


class RunResumed(EventBase):
    type: Literal["run_resumed"] = "run_resumed"
    options: RunOptions
    supervisor_model: str | None = None
    worker_model: str | None = None
    attachments: Attachments | None = None
    """What the message that goes on with a chat mentions; its text stands in that message."""


class RunRenamed(EventBase):
    """The name that a person gave the run in place of its request's or its plan's; may come after its end."""

    type: Literal["run_renamed"] = "run_renamed"
    title: str


class RunFinished(EventBase):
    type: Literal["run_finished"] = "run_finished"
    state: RunState
    reason: StopReason | None = None
    content: str = ""
    """The answer, in words."""
    detail: str = ""
    """Why it ended as it did, or why it did not land."""
    landed: bool | None = None
    """Whether the user's branch moved; None when there was nothing to land."""
    hint: str = ""
    """The command that takes the work when it did not land, or that goes on."""
    missing_paths: tuple[str, ...] = ()
    """What the design names and the finished branch does not have; a note, no failure."""


Event = Annotated[
    RunStarted
    | QuestionAsked
    | QuestionAnswered
    | DocumentWritten
    | PlanSubmitted
    | PlanApproved
    | TaskChanged
    | ModelCallReserved
    | ModelCallSettled
    | ModelCallFailed
    | ModelCallDelayed
    | CheckpointTaken
    | MessageAdded
    | ToolCalled
    | ToolReturned
    | ContextElided
    | ContextCompacted
    | FileChanged
    | ApprovalRequested
    | ApprovalResolved
    | EscalationAsked
    | EscalationAnswered
    | EscalationSkipped
    | ReviewGiven
    | MergeQueued
    | MergeLanded
    | MergeRejected
    | ReceiptStored
    | TaskAssigned
    | ArtifactProduced
    | ArtifactConsumed
    | ContractChecked
    | MessageSent
    | MessageCancelled
    | ConflictFound
    | ConflictChanged
    | ConflictResolved
    | AttemptMeasured
    | BudgetWarned
    | BudgetReached
    | BudgetRaised
    | RunPaused
    | RunResumed
    | RunRenamed
    | RunFinished,
    Field(discriminator="type"),
]

EVENTS: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(defer_build=True))
"""Reads and writes any event: `EVENTS.validate_json(text)`, `event.model_dump_json()`."""
