"""The exit code of a run, from how it stands at the end. A closed list, part of the contract."""

from enum import IntEnum

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunState
from equitr_coder.presentation.summary import awaits_approval


class ExitCode(IntEnum):
    DONE = 0
    UNFINISHED = 1
    """Ended with failed or blocked tasks, or without the work done."""
    USAGE = 2
    BUDGET = 3
    PROVIDER = 4
    APPROVAL = 5
    INTERNAL = 70
    INTERRUPTED = 130


_REASONS = {
    StopReason.BUDGET_EXCEEDED: ExitCode.BUDGET,
    StopReason.MODEL_ERROR: ExitCode.PROVIDER,
    StopReason.APPROVAL_NEEDED: ExitCode.APPROVAL,
    StopReason.INTERRUPTED: ExitCode.INTERRUPTED,
    StopReason.INTERNAL_ERROR: ExitCode.INTERNAL,
    StopReason.BLOCKED: ExitCode.USAGE,
}


def reason_code(reason: StopReason | None) -> ExitCode:
    return ExitCode.UNFINISHED if reason is None else _REASONS.get(reason, ExitCode.UNFINISHED)


def exit_code(view: RunView) -> ExitCode:
    """`epic create` asks for no more than a plan: one that awaits approval is done."""
    if view.options.plan_only and awaits_approval(view):
        return ExitCode.DONE
    if view.state is RunState.COMPLETED:
        unfinished = any(task.state is not TaskState.DONE for task in view.tasks.values())
        return ExitCode.UNFINISHED if unfinished else ExitCode.DONE
    if view.state is RunState.FAILED and view.tasks and view.reason is not StopReason.INTERNAL_ERROR:
        return ExitCode.UNFINISHED
    if view.state.is_final or view.state is RunState.PAUSED:
        return reason_code(view.reason)
    return ExitCode.UNFINISHED
