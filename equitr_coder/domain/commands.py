"""What a front end may ask for. Every command is a value; `RunApi.submit` takes any of them."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.ids import RequestId, RunId, TaskId
from equitr_coder.domain.runs import PlanMode, RunKind
from equitr_coder.domain.value import Value


class StartRun(Value):
    """Start a run on `repo`. None means: as configured. Answered with the new run's id."""

    type: Literal["start_run"] = "start_run"
    kind: RunKind
    request: str
    plan: PlanMode | None = None
    check: str | None = None
    budget: Decimal | None = None
    max_workers: int | None = None
    rounds: int | None = None
    yes: bool = False
    can_ask: bool = True
    plan_only: bool = False
    multi_agent: bool | None = None
    model: str | None = None
    """Overrides the configured model for this run, as `--model` does."""


class ResumeRun(Value):
    """Go on with an unfinished run: the given one, or the newest unfinished of this workspace."""

    type: Literal["resume_run"] = "resume_run"
    run: str | None = None
    """A run id or an epic id."""
    budget: Decimal | None = None
    yes: bool = False
    can_ask: bool = True
    approve: bool = False
    """Approve the plan that waits (`epic run`)."""


class SendMessage(Value):
    """The next user message of a chat run."""

    type: Literal["send_message"] = "send_message"
    run: RunId
    text: str


class QueueMessage(Value):
    """What the user says while an agent works. Durable when accepted; its `message_sent` is of the sender `user`.

    To a chat: a turn of its own when this one has ended, or with `steer` part of this one, before the next model call.
    When nothing runs any more it is the next message, as `SendMessage` is. To a task of an epic: always `steer`.

    Raises:
        UserError: there is nobody whom it could reach.
    """

    type: Literal["queue_message"] = "queue_message"
    run: RunId
    text: str
    to: str | None = None
    """A task of an epic; None for a chat."""
    steer: bool = False


class CancelMessage(Value):
    """Take back a queued message.

    Raises:
        UserError: there is none of that name, or it is delivered.
    """

    type: Literal["cancel_message"] = "cancel_message"
    run: RunId
    message: RequestId


class AnswerQuestion(Value):
    type: Literal["answer_question"] = "answer_question"
    run: RunId
    question: RequestId
    answer: str


class ResolveApproval(Value):
    type: Literal["resolve_approval"] = "resolve_approval"
    run: RunId
    approval: RequestId
    answer: ApprovalAnswer


class ApprovePlan(Value):
    type: Literal["approve_plan"] = "approve_plan"
    run: RunId


class ReviseDocument(Value):
    """Ask the planner to change one document; the others stay byte-identical."""

    type: Literal["revise_document"] = "revise_document"
    run: RunId
    name: Literal["requirements", "design", "todos"]
    request: str


class EditDocument(Value):
    """The user's own text. `todos` is parsed back into the plan.

    Raises:
        UserError: the text of `todos` cannot be read; names the line.
    """

    type: Literal["edit_document"] = "edit_document"
    run: RunId
    name: Literal["requirements", "design", "todos"]
    content: str


class RejectPlan(Value):
    """End planning without a trace in the repository."""

    type: Literal["reject_plan"] = "reject_plan"
    run: RunId


class Interrupt(Value):
    """Stop what the agent is doing now. A chat stays open; other runs pause."""

    type: Literal["interrupt"] = "interrupt"
    run: RunId


class CloseRun(Value):
    """End a chat run."""

    type: Literal["close_run"] = "close_run"
    run: RunId


class UndoChange(Value):
    """Take back what the last turn of a chat run wrote in the user's checkout; once more, the turn before it."""

    type: Literal["undo_change"] = "undo_change"
    run: RunId


class RedoChange(Value):
    """Bring back what the last undo or rewind took."""

    type: Literal["redo_change"] = "redo_change"
    run: RunId


class RewindChange(Value):
    """Bring the files that a chat run wrote to what they were at a state of its history, earlier or later."""

    type: Literal["rewind_change"] = "rewind_change"
    run: RunId
    state: int
    """As numbered in `SessionView.history`; 0 is before the first turn."""


class ResolveConflict(Value):
    """The user's word on a conflict: the files as they stand in its worktree, one side of them, or the proposal.

    `ours` is what has landed, `theirs` is what was handed in. The resolution passes the gate as any merge does.
    """

    type: Literal["resolve_conflict"] = "resolve_conflict"
    run: RunId
    conflict: RequestId
    take: Literal["edited", "ours", "theirs", "proposal"] = "edited"


class AbortConflict(Value):
    """Give the task back to its worker, which does it again on what has landed."""

    type: Literal["abort_conflict"] = "abort_conflict"
    run: RunId
    conflict: RequestId


class AssignTasks(Value):
    """Say who does the tasks of an epic that is not done: recorded when the command is accepted.

    Raises:
        UserError: there is no such epic, task or profile, or a living process owns the run.
    """

    type: Literal["assign_tasks"] = "assign_tasks"
    run: RunId
    task: str | None = None
    """None: every task that is not done."""
    to: str | None = None
    """A worker profile. None: the one that fits best, for tasks that have none yet."""


class RenameRun(Value):
    """Give a run a name of one's own; it is shown in place of the request's or the plan's.

    Raises:
        UserError: the name is empty, there is no such run, or another living process owns it.
    """

    type: Literal["rename_run"] = "rename_run"
    run: RunId
    title: str


class HoldTask(Value):
    """Stop the worker of one task where it is; the others go on. Nothing of it is lost, and no resume takes it up
    before it is let go. Of a run that is paused, or has failed and can be tried again, it is recorded for the next one.

    Raises:
        UserError: it has ended, is held already, or what was handed in is on its way onto the branch; or another living
            process owns the run.
    """

    type: Literal["hold_task"] = "hold_task"
    run: RunId
    task: TaskId


class ReleaseTask(Value):
    """Let a task that is held go on: now, or with the next resume of a run that is not at work.

    Raises:
        UserError: it is not held, or another living process owns the run.
    """

    type: Literal["release_task"] = "release_task"
    run: RunId
    task: TaskId


class StopTask(Value):
    """Give a task up, until the run has ended and is tried again: its worker stops, and what needs the task is blocked.

    Raises:
        UserError: it or the run has ended, or what was handed in is on its way onto the branch; or another living
            process owns the run.
    """

    type: Literal["stop_task"] = "stop_task"
    run: RunId
    task: TaskId


class RaiseBudget(Value):
    """A higher limit for a run that is at work. One that is paused is resumed with it (`ResumeRun`).

    Raises:
        UserError: it is not higher, or the run has no limit or does not run here.
    """

    type: Literal["raise_budget"] = "raise_budget"
    run: RunId
    budget: Decimal


Command = Annotated[
    StartRun
    | ResumeRun
    | SendMessage
    | QueueMessage
    | CancelMessage
    | AnswerQuestion
    | ResolveApproval
    | ApprovePlan
    | ReviseDocument
    | EditDocument
    | RejectPlan
    | Interrupt
    | CloseRun
    | UndoChange
    | RedoChange
    | RewindChange
    | ResolveConflict
    | AbortConflict
    | AssignTasks
    | RenameRun
    | HoldTask
    | ReleaseTask
    | StopTask
    | RaiseBudget,
    Field(discriminator="type"),
]
