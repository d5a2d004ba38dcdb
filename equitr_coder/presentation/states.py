"""A glyph and a word for every state. The word alone is enough; no colour, no emoji, one column wide."""

from equitr_coder.domain.artifacts import SyncState
from equitr_coder.domain.epic import Plan, SyncPoint, TaskState
from equitr_coder.domain.run_view import RunView, TaskView
from equitr_coder.domain.runs import RunState
from equitr_coder.domain.task_graph import waiting_words
from equitr_coder.presentation.text import Tone

_TASKS: dict[TaskState, tuple[str, Tone]] = {
    TaskState.WAITING: (".", Tone.DIM),
    TaskState.READY: (":", Tone.PLAIN),
    TaskState.WORKING: (">", Tone.PLAIN),
    TaskState.REVIEW: ("o", Tone.PLAIN),
    TaskState.DONE: ("+", Tone.GOOD),
    TaskState.FAILED: ("x", Tone.BAD),
    TaskState.BLOCKED: ("!", Tone.WARN),
    TaskState.CANCELLED: ("-", Tone.DIM),
}

_RUNS: dict[RunState, tuple[str, Tone]] = {
    RunState.INITIALIZING: (".", Tone.DIM),
    RunState.RUNNING: (">", Tone.PLAIN),
    RunState.AGGREGATING: (">", Tone.PLAIN),
    RunState.COMPLETED: ("+", Tone.GOOD),
    RunState.FAILED: ("x", Tone.BAD),
    RunState.CANCELLED: ("-", Tone.DIM),
    RunState.PAUSED: ("=", Tone.WARN),
}


def task_glyph(state: TaskState) -> str:
    return _TASKS[state][0]


def task_tone(state: TaskState) -> Tone:
    return _TASKS[state][1]


def state_word(state: TaskState) -> str:
    """`DONE`, `WORKING`, `WAITING`: as the list of an epic's tasks has it."""
    return state.value.upper()


def run_tone(state: RunState) -> Tone:
    return _RUNS[state][1]


def run_state(state: RunState, phase: str | None = None) -> str:
    """`= paused`, or with a phase `= awaiting approval`."""
    return f"{_RUNS[state][0]} {phase or state.value}"


def is_proven(task: TaskView) -> bool:
    """Whether the harness itself ran a check on the merged tree and it passed. Anything less is *unchecked*."""
    checks = task.receipt.checks if task.receipt is not None else ()
    return bool(checks) and all(check.passed for check in checks)


def waits_for(plan: Plan, view: RunView, task: TaskView) -> tuple[str, ...]:
    """Titles of the unfinished tasks that a waiting task needs."""
    if task.state is not TaskState.WAITING:
        return ()
    return tuple(
        plan.task(need).title
        for need in plan.task(task.id).needs
        if need not in view.tasks or view.tasks[need].state is not TaskState.DONE
    )


def why_waiting(plan: Plan, view: RunView, task: TaskView) -> str:
    """In one line why a task that nobody has in hand does not go on: as the scheduler said, or what it needs."""
    if task.state.is_final or (task.state is TaskState.WORKING and not task.is_held):
        return ""
    return task.waits or needs_words(plan, view, task)


def needs_words(plan: Plan, view: RunView, task: TaskView) -> str:
    """`waits for T1 (Schema)`; empty when all that it needs is done."""
    done = {other.id for other in view.tasks.values() if other.state is TaskState.DONE}
    return waiting_words(plan, [(need, ()) for need in plan.task(task.id).needs if need not in done])


def sync_state(point: SyncPoint, view: RunView) -> str:
    """`pending`, `produced`, or `consumed` once every consumer has read the newest version."""
    found = view.sync_points.get(point.id)
    return (found.state if found is not None else SyncState.PENDING).value
