"""The end of a run in words: what is done and what is not, what landed or how to take it, money, time, how to go on."""

from equitr_coder.domain.epic import TaskState, agent_names
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, TaskId
from equitr_coder.domain.models import Tier
from equitr_coder.domain.refusals import unattended
from equitr_coder.domain.run_view import RunView, TaskView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.presentation.cost import run_cost_lines
from equitr_coder.presentation.figures import duration
from equitr_coder.presentation.footprint import summary_footprint_lines
from equitr_coder.presentation.states import is_proven, task_glyph, task_tone
from equitr_coder.presentation.tally import Tally
from equitr_coder.presentation.text import Line, Tone, plural, prose, shorten

_REFUSALS, _WIDTH = 5, 160

_NEXT = {
    StopReason.BUDGET_EXCEEDED: "raise the cap: `equitrcoder resume {run} --budget USD`",
    StopReason.MAX_ITERATIONS: "allow more model calls (`orchestrator.max_iterations`) or split the task",
    StopReason.WORKER_TIMEOUT: "allow more time (`orchestrator.worker_timeout`) or split the task",
    StopReason.CHECK_FAILED: "run the check on the kept branch and read its output, then ask again with what it says",
    StopReason.CHECK_TIMEOUT: "allow the check more time (`checks.timeout`) or name a faster one",
    StopReason.CHECK_UNPROVEN: "make the check use the code of its own checkout, then run it again",
    StopReason.CHECK_EDITED: "look in the kept attempt at what it changed in its check or tests; allow that at a "
    "terminal, or name another check",
    StopReason.NO_TESTS: "name a check that collects at least one test, then ask again",
    StopReason.CONTRACT_BROKEN: "read the difference above; mend the code, or plan again with the right contract",
    StopReason.FOOTPRINT_LEFT: "plan again with the files it needs, or let it ask (`orchestrator.footprint: ask`)",
    StopReason.REVIEW_REJECTED: "read the reviewer's reasons above and ask again with an answer to them",
    StopReason.MERGE_CONFLICT: "merge the kept attempt by hand, or ask again now that the other change is in",
    StopReason.CONFLICT_OPEN: "resolve it: `equitrcoder conflict list` shows it and the ways",
    StopReason.HELD: "`equitrcoder epic release TASK --run {run}`, then `equitrcoder resume {run}`",
    StopReason.NO_HAND_IN: "read what it answered above; ask again in smaller steps, or with another worker model",
    StopReason.NO_CHANGE: "say what must be different when it is done, with a check that fails until then",
    StopReason.NO_PROGRESS: "say more in the request (`equitrcoder escalations {run}` shows where it was stuck), or "
    "use another worker model",
    StopReason.BAD_PLAN: "ask again in other words or for less at once, or plan with another supervisor model",
    StopReason.INTERRUPTED: "`equitrcoder resume {run}` goes on",
    StopReason.CANCELLED: "`equitrcoder resume {run}` goes on",
    StopReason.BLOCKED: "mend what it says above, then `equitrcoder resume {run}`",
    StopReason.INTERNAL_ERROR: "see logs/equitr.log for the traceback; `equitrcoder resume {run}` tries again",
    StopReason.MODEL_ERROR: "see `equitrcoder doctor`, then `equitrcoder resume {run}`",
    StopReason.CONTEXT_OVERFLOW: "split the task, or use a model with a larger context window",
    StopReason.APPROVAL_NEEDED: "answer at a terminal with `equitrcoder resume {run}`, or add --yes",
    StopReason.PREREQUISITE_FAILED: "mend the task it needs first, then `equitrcoder resume {run}`",
}


def summary_lines(view: RunView, tally: Tally) -> list[Line]:
    """Everything a person needs once the run has ended or stopped; ends with the run's id and how to go on."""
    lines = _outcome(view, tally) if view.kind is RunKind.CHAT else [*_tasks(view), *_outcome(view, tally)]
    lines += run_cost_lines(view)
    lines += _time(tally)
    return [*lines, *_ending(view)]


def awaits_approval(view: RunView) -> bool:
    """Whether the run stopped because its plan waits for a person, and for no other reason."""
    return view.reason is StopReason.APPROVAL_NEEDED and view.plan is not None and not view.is_approved


def trouble(view: RunView) -> tuple[str, str] | None:
    """Message and hint when the run stopped for an error rather than with failed tasks; None when nothing is wrong."""
    if view.state is RunState.PAUSED:
        if view.reason is StopReason.INTERRUPTED or (awaits_approval(view) and view.options.plan_only):
            return None
        return view.detail or str(view.reason), _advice(view)
    tasks_tell = any(task.state in (TaskState.FAILED, TaskState.BLOCKED) for task in view.tasks.values())
    if view.state is not RunState.FAILED or tasks_tell:
        return None
    return view.detail or view.content or str(view.reason), _advice(view)


def _advice(view: RunView) -> str:
    """Never empty: an error without a way out helps nobody."""
    if advice := view.hint or next_step(view, view.reason):
        return advice
    if view.state is RunState.PAUSED:
        return f"`equitrcoder resume {view.run}` goes on"
    return "ask again in other words or in smaller steps, or use another model with `--model NAME`"


def next_step(view: RunView, reason: StopReason | None) -> str:
    """What the person can do about a task or run that stopped for `reason`."""
    return _NEXT[reason].format(run=view.run) if reason in _NEXT else ""


def agent_of(view: RunView, task: TaskView) -> AgentName | None:
    """Who does the task; of one that was blocked before it began, who would have."""
    if task.agent is None and task.state is TaskState.BLOCKED and view.plan is not None:
        return agent_names(view.plan).get(task.id)
    return task.agent


def counts(view: RunView) -> str:
    """`5 done, 1 failed, 1 blocked`; done and failed are always named."""
    parts = [f"{view.count(TaskState.DONE)} done", f"{view.count(TaskState.FAILED)} failed"]
    for state in (TaskState.BLOCKED, TaskState.CANCELLED):
        if view.count(state):
            parts.append(f"{view.count(state)} {state.value}")
    unfinished = sum(not task.state.is_final for task in view.tasks.values())
    return ", ".join([*parts, f"{unfinished} not finished"] if unfinished else parts)


def _tasks(view: RunView) -> list[Line]:
    if not view.tasks or not view.is_approved:
        return []
    everything_done = all(task.state is TaskState.DONE for task in view.tasks.values())
    lines = [Line(f"Summary: {counts(view)}", Tone.GOOD if everything_done else Tone.WARN)]
    unchecked = [task.id for task in view.tasks.values() if task.state is TaskState.DONE and not is_proven(task)]
    if unchecked:
        lines.append(Line(f"  unchecked (no check proved them): {', '.join(unchecked)}", Tone.WARN))
        lines += [Line(f"    {name}: {reason}") for name in unchecked if (reason := _why_unchecked(view, name))]
    for task in view.tasks.values():
        if task.state in (TaskState.FAILED, TaskState.BLOCKED):
            lines += _fate(view, task)
    if view.missing_paths:
        lines.append(Line(f"  the design names, but nothing made: {prose(', '.join(view.missing_paths))}", Tone.WARN))
    return lines + _unattended(view) + summary_footprint_lines(view)


def _unattended(view: RunView) -> list[Line]:
    """What the tasks asked leave for where nobody was, and how it is given the next time."""
    found = unattended(view)
    if not found:
        return []
    more = f" and {len(found) - _REFUSALS} more" if len(found) > _REFUSALS else ""
    lines = [Line(f"  refused, because no person answered{more}:", Tone.WARN)]
    for refusal in found[:_REFUSALS]:
        task = f"{refusal.asked.task}: " if refusal.asked.task is not None else ""
        lines.append(Line(f"    {task}{shorten(prose(refusal.words), _WIDTH)}", Tone.WARN))
    return [*lines, Line("    allow it with --yes (inside the sandbox) or permission.allow, or answer at a terminal")]


def _why_unchecked(view: RunView, task: TaskId) -> str:
    """What the plan says of a task that nothing can check."""
    planned = view.plan.task(task) if view.plan is not None else None
    return prose(planned.check_reason).strip() if planned is not None and planned.check is None else ""


def _fate(view: RunView, task: TaskView) -> list[Line]:
    title = view.plan.task(task.id).title if view.plan is not None else ""
    tries = f" after {plural(task.attempt, 'attempt')}" if task.attempt else ""
    who = f" by {task.agent}" if task.agent else _waiting(view, task)
    who += ", the last one on the supervisor's model" if task.tier is Tier.STRONG else ""
    reason = f" ({task.reason.value})" if task.reason else ""
    detail = f": {prose(task.detail).strip()}" if task.detail else ""
    head = f"  {task_glyph(task.state)} {task.id} {prose(title)}: {task.state.value}{tries}{who}{reason}{detail}"
    advice = next_step(view, task.reason)
    return [Line(head, task_tone(task.state)), *([Line(f"    next: {advice}")] if advice else [])]


def _waiting(view: RunView, task: TaskView) -> str:
    agent = agent_of(view, task)
    return f" before {agent} began" if agent is not None and task.state is TaskState.BLOCKED else ""


def _outcome(view: RunView, tally: Tally) -> list[Line]:
    lines = []
    if view.kind is not RunKind.CHAT and view.state.is_final:
        lines += [Line(text) for text in prose(view.content).strip().splitlines()]
    for path, (change, added, removed) in sorted(tally.files.items()):
        lines.append(Line(f"  {change} {path} (+{added} -{removed})"))
    if view.landed:
        where = view.base_branch or "your branch"
        commit = f" (now at {tally.landing.commit[:10]})" if tally.landing is not None else ""
        lines.append(Line(f"Landed on {where}{commit}", Tone.GOOD))
    elif view.landed is False:
        kept = f"what is done is on {view.branch}" if view.hint else "nothing was merged"
        lines.append(Line(f"Your branch is untouched; {kept}", Tone.WARN))
        if view.detail:
            lines.append(Line(f"Not landed: {prose(view.detail)}", Tone.WARN))
        if view.hint:
            lines.append(Line(f"Take it with: {prose(view.hint)}"))
    return lines


def _time(tally: Tally) -> list[Line]:
    wall, work = tally.wall_time.total_seconds(), tally.task_time.total_seconds()
    if not work:
        return []
    ratio = f" ({work / wall:.1f} times the clock)" if wall else ""
    return [Line(f"Time: {duration(wall)} on the clock, {duration(work)} of task time{ratio}")]


def _ending(view: RunView) -> list[Line]:
    if view.state is RunState.PAUSED:
        return _pause(view)
    reason = f" ({view.reason.value})" if view.reason else ""
    tone = {RunState.COMPLETED: Tone.DIM, RunState.FAILED: Tone.BAD}.get(view.state, Tone.WARN)
    lines = [Line(f"Run {view.run}: {view.state.value}{reason}", tone)]
    if view.can_be_tried_again:
        lines.append(Line(f"Try again what failed with: equitrcoder resume {view.epic or view.run}"))
    return lines


def _pause(view: RunView) -> list[Line]:
    if awaits_approval(view):
        name = view.epic or view.run
        title = f": {prose(view.plan.title)} ({plural(len(view.plan.tasks), 'task')})" if view.plan else ""
        return [
            Line(f"{name} awaits approval{title}", Tone.STRONG),
            Line(f"Approve and run it with: equitrcoder epic run {name}"),
        ]
    reason = view.reason.value if view.reason else "stopped"
    is_budget = view.reason is StopReason.BUDGET_EXCEEDED and (not view.hint or "--budget" in view.hint)
    more = " --budget USD" if is_budget else ""  # of other limits the hint says how they are raised
    return [
        Line(f"Paused ({reason}); everything is kept", Tone.WARN),
        Line(f"Go on with: equitrcoder resume {view.run}{more}"),
    ]
