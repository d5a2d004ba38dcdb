"""One event as lines of progress. A closed match: a new event does not type-check until somebody says how it looks."""

from typing import assert_never

from equitr_coder.domain import events as e
from equitr_coder.domain.attachments import Attachments
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.ids import TaskId, is_summary
from equitr_coder.domain.models import AssistantMessage, Tier, UserMessage
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.run_view import RunView, TaskView
from equitr_coder.domain.runs import RunKind
from equitr_coder.domain.task_graph import NO_FREE_WORKER
from equitr_coder.presentation.figures import dollars, duration, limit, tokens
from equitr_coder.presentation.plan import plan_lines
from equitr_coder.presentation.sharing import conflict_lines, sharing_lines
from equitr_coder.presentation.states import is_proven, needs_words, task_glyph, task_tone
from equitr_coder.presentation.text import Line, Tone, first_line, plural, prose, shorten, visible

_SHORT_ID = 10
_MAX_BULLETS = 8
_EVIDENCE_LINES = 4
_EVIDENCE_WIDTH = 160
_OUTPUT_FOLLOWS = " Its last output:"
"""What a check printed stands below in lines of its own, or nowhere."""


def progress_lines(event: e.Event, view: RunView, *, width: int | None = None) -> list[Line]:
    """What a person following the run reads when `event` happens; often nothing. `view` already contains the event."""
    match event:
        case e.RunStarted() | e.RunResumed():
            lines = _opening(event, view)
        case e.QuestionAsked() | e.QuestionAnswered() | e.DocumentWritten() | e.PlanSubmitted() | e.PlanApproved():
            lines = _planning(event, view, width)
        case e.TaskChanged():
            lines = _task(event, view)
        case e.MessageAdded() | e.ToolReturned():
            lines = _conversation(event, view)
        case e.ApprovalRequested() | e.ApprovalResolved():
            lines = _approval(event)
        case e.EscalationAsked() | e.EscalationAnswered() | e.EscalationSkipped() | e.ReviewGiven():
            lines = _supervision(event)
        case e.MergeLanded() | e.MergeRejected() | e.ReceiptStored():
            lines = _merge(event, view)
        case (
            e.TaskAssigned()
            | e.ArtifactProduced()
            | e.ArtifactConsumed()
            | e.ContractChecked()
            | e.MessageSent()
            | e.MessageCancelled()
        ):
            lines = sharing_lines(event)
        case e.ConflictFound() | e.ConflictChanged() | e.ConflictResolved():
            lines = conflict_lines(event)
        case e.BudgetWarned() | e.BudgetReached() | e.BudgetRaised() | e.ModelCallFailed() | e.ModelCallDelayed():
            lines = _money_and_models(event)
        case e.ModelCallReserved() | e.ContextElided() | e.ContextCompacted():
            lines = _next_request(event)
        case e.ModelCallSettled() | e.CheckpointTaken() | e.ToolCalled():
            lines = []
        case e.FileChanged() | e.MergeQueued() | e.AttemptMeasured() | e.RunPaused() | e.RunRenamed() | e.RunFinished():
            lines = []  # of an end the summary says it
        case _ as unreachable:
            assert_never(unreachable)
    return lines


def call_lines(event: e.Event) -> list[str]:
    """One line for each model call and each tool call: what `--verbose` adds. Never an argument, a header or a key."""
    match event:
        case e.ModelCallSettled():
            figures = f"{tokens(event.usage)}, {dollars(event.usd)}, {duration(event.latency_ms / 1000)}"
            return [visible(f"model {event.model} {_who(event)} {event.purpose.value}: {figures}")]
        case e.ModelCallFailed():
            return [visible(f"model {event.model} {_who(event)} {event.purpose.value}: failed ({event.kind.value})")]
        case e.ToolReturned():
            outcome = "error" if event.is_error else "ok"
            words = f", {first_line(event.summary)}" if event.summary else ""
            return [visible(f"tool {event.name} {_who(event)}: {outcome}, {duration(event.duration_ms / 1000)}{words}")]
        case _:
            return []


def receipt_lines(receipt: Receipt) -> list[str]:
    """`` `pytest -q` exit 0, 1.2 s, commit 4f1c2ab ``, one for each check."""
    commit = receipt.commit[:_SHORT_ID]
    lines = [
        f"`{visible(check.command)}` exit {check.exit_code}{_tests(check)}, {duration(check.duration_ms / 1000)}, "
        f"commit {commit}"
        for check in receipt.checks
    ]
    return [*lines, f"its tests were written by: {', '.join(receipt.tests_by)}"] if receipt.tests_by else lines


def _tests(check: CheckResult) -> str:
    if check.tests is None:
        return ""
    skipped = f" ({check.skipped} skipped)" if check.skipped else ""
    return f", {plural(check.tests, 'test')}{skipped}"


def question_lines(asked: e.QuestionAsked) -> list[Line]:
    options = [Line(f"  {number}  {prose(text)}") for number, text in enumerate(asked.options, 1)]
    return [Line(f"{asked.agent} asks: {prose(asked.text)}", Tone.STRONG), *options]


def _opening(event: e.RunStarted | e.RunResumed, view: RunView) -> list[Line]:
    verb = "Run" if isinstance(event, e.RunStarted) else "Resumed run"
    name = f"{event.run} ({view.epic})" if view.epic else event.run
    if view.kind is RunKind.CHAT or view.supervisor_model is None:
        models = f"model {view.worker_model or view.supervisor_model or 'none'}"
    else:
        models = f"supervisor {view.supervisor_model}, workers {view.worker_model or 'none'}"
    lines = [Line(f"{verb} {name}: {models}, budget {limit(view.options.budget)}", Tone.STRONG)]
    if isinstance(event, e.RunStarted) and event.unseen:
        shown = ", ".join(event.unseen[:5]) + (", ..." if len(event.unseen) > 5 else "")
        lines.append(Line(f"! {plural(len(event.unseen), 'uncommitted file')} not seen by workers: {shown}", Tone.WARN))
    return [*lines, *attachment_lines(event.attachments)]


def attachment_lines(attachments: Attachments | None) -> list[Line]:
    """One line for what is attached to the request, one for what is not."""
    if attachments is None:
        return []
    attached = [Line(prose(f"attached: {', '.join(attachments.attached)}"), Tone.DIM)] if attachments.attached else []
    missing = "; ".join(" ".join(one.split()) for one in attachments.missing)
    return [*attached, *([Line(prose(f"! not attached: {missing}"), Tone.WARN)] if missing else [])]


def _planning(
    event: e.QuestionAsked | e.QuestionAnswered | e.DocumentWritten | e.PlanSubmitted | e.PlanApproved,
    view: RunView,
    width: int | None,
) -> list[Line]:
    match event:
        case e.QuestionAsked():
            return question_lines(event)
        case e.QuestionAnswered():
            return [Line(f"answered: {prose(event.answer)}", Tone.DIM)]
        case e.DocumentWritten():
            return _document(event, view)
        case e.PlanSubmitted():
            return plan_lines(
                event.plan, gaps=event.gaps, forecast=event.forecast, standing=event.standing, width=width
            )
        case e.PlanApproved():
            return _approved(event, view)
        case _ as unreachable:
            assert_never(unreachable)


def _document(event: e.DocumentWritten, view: RunView) -> list[Line]:
    if view.is_approved:
        return []  # ticks by the host
    is_first = event.revision == 1 and len(view.documents) == 1
    lines = [Line("Planning conversation complete!", Tone.GOOD)] if is_first else []
    length = plural(len(event.content.splitlines()), "line")
    verb = "You changed" if event.by == "user" else "Wrote"
    revision = f", revision {event.revision}" if event.revision > 1 else ""
    lines.append(Line(f"{verb} {event.name} ({length}{revision})"))
    return lines + [Line(f"! {event.name}: {prose(problem)}", Tone.WARN) for problem in event.problems]


def _approved(event: e.PlanApproved, view: RunView) -> list[Line]:
    lines = []
    if event.by == "direct":
        lines.append(Line(f"Created {plural(len(event.plan.tasks), 'task')}: {prose(event.plan.title)}"))
    else:
        by = "you" if event.by == "user" else "--yes"
        documents = f", documents in {event.documents_at}/" if event.documents_at else ""
        lines.append(Line(f"Plan approved by {by}: branch {event.branch}{documents}", Tone.GOOD))
    workers = min(view.options.max_workers, len(event.plan.tasks))
    lines.append(Line(f"Spawning workers: {workers} at a time, each in its own worktree"))
    return lines


def _task(event: e.TaskChanged, view: RunView) -> list[Line]:
    task, tone, glyph = view.tasks[event.task], task_tone(event.state), task_glyph(event.state)
    name = f"{event.task} {_title(view, event.task)}"
    why = _why(event)
    match event.state:
        case TaskState.WAITING | TaskState.READY:
            if event.reason is None:
                return _waiting(event, view, name)
            return [Line(f"~ {name}: sent back after attempt {task.attempt}{why}", Tone.WARN), *_evidence(event)]
        case TaskState.WORKING:
            again = f", attempt {task.attempt}" if task.attempt > 1 else ""
            again += ", by the supervisor's model" if event.tier is Tier.STRONG else ""
            return [Line(f"{glyph} {name}: {task.agent or 'a worker'} starts{again}{why}", tone)]
        case TaskState.REVIEW:
            return [Line(f"{glyph} {name}: handed in by {task.agent or 'its worker'}, being checked", tone)]
        case TaskState.DONE:
            return [
                Line(f"Agent: {task.agent or 'worker'}", Tone.STRONG),
                Line(f"{glyph} {name}: done", tone),
                *_bullets(view, task),
            ]
        case TaskState.FAILED:
            tries = plural(task.attempt, "attempt")
            who = f" by {task.agent}" if task.agent else ""
            return [Line(f"{glyph} {name}: failed after {tries}{who}{why}", tone)]
        case TaskState.BLOCKED | TaskState.CANCELLED:
            return [Line(f"{glyph} {name}: {event.state.value}{why}", tone)]
        case _ as unreachable:
            assert_never(unreachable)


def _waiting(event: e.TaskChanged, view: RunView, name: str) -> list[Line]:
    """Not what the plan shows already: that a task needs others, or that all workers are busy."""
    if view.plan is None or event.detail in ("", NO_FREE_WORKER):
        return []
    needed = needs_words(view.plan, view, view.tasks[event.task])
    return [] if event.detail == needed else [Line(f". {name}: {prose(event.detail)}", Tone.DIM)]


def _bullets(view: RunView, task: TaskView) -> list[Line]:
    """What was done: the todos, without any the worker's summary; last the receipt or its absence."""
    todos = view.plan.task(task.id).todos if view.plan is not None else ()
    said = [line.strip().removeprefix("- ") for line in prose(task.detail).splitlines() if line.strip()]
    points = [prose(todo) for todo in todos] or [shorten(line, 160) for line in said]
    lines = [Line(f"  - {point}") for point in points[:_MAX_BULLETS]]
    if len(points) > _MAX_BULLETS:
        lines.append(Line(f"  - and {len(points) - _MAX_BULLETS} more"))
    if task.receipt is not None and is_proven(task):
        return lines + [Line(f"  - receipt: {text}", Tone.GOOD) for text in receipt_lines(task.receipt)]
    return [*lines, Line("  - unchecked: no check proved it", Tone.WARN)]


def _conversation(event: e.MessageAdded | e.ToolReturned, view: RunView) -> list[Line]:
    if view.kind is not RunKind.CHAT:
        return []
    match event:
        case e.MessageAdded(message=UserMessage() as said) if event.delivers:
            return [Line(f"> {first_line(prose(said.text))}", Tone.DIM)]
        case e.MessageAdded():
            is_said = isinstance(event.message, AssistantMessage) and not is_summary(event.session)
            text = event.message.text if is_said else ""
            return [Line(line) for line in prose(text).strip().splitlines()]
        case e.ToolReturned():
            mark, tone = ("!", Tone.WARN) if event.is_error else ("-", Tone.DIM)
            words = (
                first_line(prose(event.summary)) or first_line(prose(event.text)) if event.is_error else event.summary
            )
            return [Line(f"  {mark} {event.name}: {words}" if words else f"  {mark} {event.name}", tone)]
        case _ as unreachable:
            assert_never(unreachable)


def _approval(event: e.ApprovalRequested | e.ApprovalResolved) -> list[Line]:
    match event:
        case e.ApprovalRequested():
            asked = event.approval
            who = f"{asked.agent} {asked.task}" if asked.task else asked.agent
            if asked.tool == "merge":
                return [Line(f"? {who} proposes a merge and asks for your yes", Tone.WARN)]
            if asked.is_verdict:
                return [Line(f"? {who} leaves to you what the reviewers disagree about", Tone.WARN)]
            return [Line(f"? {who} asks for permission ({asked.tool}): {first_line(visible(asked.what))}", Tone.WARN)]
        case e.ApprovalResolved():
            answer = event.answer
            by = {"user": "you", "yes_flag": "--yes", "policy": "the policy"}[answer.by]
            if answer.allowed:
                return [Line(f"  allowed ({answer.scope.value}) by {by}", Tone.DIM)]
            note = f": {prose(answer.note)}" if answer.note else ""
            return [Line(f"  refused by {by}{note}", Tone.DIM)]
        case _ as unreachable:
            assert_never(unreachable)


def _supervision(
    event: e.EscalationAsked | e.EscalationAnswered | e.EscalationSkipped | e.ReviewGiven,
) -> list[Line]:
    match event:
        case e.EscalationAsked():
            why = f" ({event.trigger.value})" if event.trigger is not e.EscalationTrigger.TOOL else ""
            verb = f"goes to the supervisor{why}" if event.automatic else "asks the supervisor"
            return [Line(f"^ {_who(event)} {verb}: {first_line(prose(event.question))}")]
        case e.EscalationAnswered():
            answer = first_line(prose(event.answer))
            return [Line(f"^ supervisor answers {_who(event)} ({dollars(event.usd)}): {answer}")]
        case e.EscalationSkipped():
            why = f"the limit of the run, {plural(event.limit, 'question')}, is reached"
            return [Line(f"^ {_who(event)} goes on without the supervisor ({event.trigger.value}): {why}", Tone.DIM)]
        case e.ReviewGiven():
            reasons = "; ".join(prose(reason) for reason in event.reasons)
            words = f": {reasons}" if reasons else ""
            if event.missing:
                return [Line(f"^ {_who(event)} gave no verdict{words}", Tone.WARN)]
            if event.approved:
                return [Line(f"^ {_who(event)} approves the change{words}", Tone.GOOD)]
            return [Line(f"^ {_who(event)} rejects the change{words}", Tone.WARN)]
        case _ as unreachable:
            assert_never(unreachable)


def _merge(event: e.MergeLanded | e.MergeRejected | e.ReceiptStored, view: RunView) -> list[Line]:
    match event:
        case e.MergeLanded():
            if event.task is None and event.target == view.branch:
                return [Line(f"Ticked the todos of done tasks on {event.target}", Tone.DIM)]
            what = f"Merged {event.task} into" if event.task else "Landed on"
            return [Line(f"{what} {event.target} ({event.commit[:_SHORT_ID]})", Tone.GOOD)]
        case e.MergeRejected():
            if event.task is not None:
                return []  # the task's own change says it
            paths = f" [{', '.join(event.paths)}]" if event.paths else ""
            return [Line(f"~ Not landed ({event.reason.value}): {first_line(prose(event.detail))}{paths}", Tone.WARN)]
        case e.ReceiptStored():
            if view.tasks[event.task].state is not TaskState.DONE:
                return []  # the task's own block will show it
            return [Line(f"  {event.task} receipt: {text}", Tone.GOOD) for text in receipt_lines(event.receipt)]
        case _ as unreachable:
            assert_never(unreachable)


def _next_request(event: e.ModelCallReserved | e.ContextElided | e.ContextCompacted) -> list[Line]:
    """What is unusual about what a model is sent, or about who is sent it."""
    match event:
        case e.ModelCallReserved():
            if not event.instead_of:
                return []
            return [Line(f"~ {event.agent}: {event.model} takes over while {event.instead_of} is down", Tone.WARN)]
        case e.ContextElided():
            what = f"{plural(len(event.results), 'old result')} left out of what the model is sent"
        case e.ContextCompacted():
            why = f" ({first_line(prose(event.detail))})" if event.detail else ""
            what = f"the conversation is shortened to records{' and a summary' if event.summary else f' alone{why}'}"
        case _ as unreachable:
            assert_never(unreachable)
    sizes = f"from about {event.tokens_before} tokens to {event.tokens_after}"
    return [Line(f"~ {_who(event)}: {what}, {sizes}", Tone.DIM)]


_WAITS = {
    "rate_limited": "waits for the rate limit of",
    "paced": "waits its turn at",
    "shared_prefix": "waits for the cached prefix at",
}


def _money_and_models(
    event: e.BudgetWarned | e.BudgetReached | e.BudgetRaised | e.ModelCallFailed | e.ModelCallDelayed,
) -> list[Line]:
    match event:
        case e.BudgetWarned():
            figures = f"{dollars(event.usd)} of {limit(event.limit)}"
            return [Line(f"! budget of {event.account}: {figures} used", Tone.WARN)]
        case e.BudgetReached():
            detail = f": {prose(event.detail)}" if event.detail else ""
            figures = f"{dollars(event.usd)} of {limit(event.limit)}"
            return [Line(f"x budget of {event.account} reached, {figures}{detail}", Tone.BAD)]
        case e.BudgetRaised():
            return [Line(f"  the budget is {limit(event.limit)} now", Tone.GOOD)]
        case e.ModelCallFailed():
            charged = f", {dollars(event.usd)} charged" if event.usd else ""
            message = first_line(prose(event.message))
            words = f"{event.agent}: {event.model} failed ({event.kind.value}): {message}{charged}"
            if event.retry_in is None:
                return [Line(f"x {words}", Tone.BAD)]
            return [Line(f"~ {words}; next try in {duration(event.retry_in)}", Tone.WARN)]
        case e.ModelCallDelayed():
            where = event.provider or event.model
            return [Line(f"~ {event.agent} {_WAITS[event.why]} {where}, {duration(event.seconds)} at most", Tone.DIM)]
        case _ as unreachable:
            assert_never(unreachable)


def _title(view: RunView, task: TaskId) -> str:
    if view.plan is None:
        return ""
    return next((prose(entry.title) for entry in view.plan.tasks if entry.id == task), "")


def _why(event: e.TaskChanged) -> str:
    words = first_line(prose(event.detail)).removesuffix(_OUTPUT_FOLLOWS)
    detail = f": {words}" if words else ""
    if event.reason is None:
        return detail if event.state.is_final else ""
    return f" ({event.reason.value}){detail}"


def _evidence(event: e.TaskChanged) -> list[Line]:
    """The last lines of what a check printed: where the failure usually stands."""
    _, _, rest = prose(event.detail).partition("\n")
    lines = [line.rstrip() for line in rest.splitlines() if line.strip()]
    return [Line(f"    {shorten(line, _EVIDENCE_WIDTH)}", Tone.DIM) for line in lines[-_EVIDENCE_LINES:]]


def _who(event: e.AgentEvent) -> str:
    return f"{event.agent} {event.task}" if event.task else event.agent
