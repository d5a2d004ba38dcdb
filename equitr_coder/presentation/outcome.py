"""A run or an epic as one JSON-ready mapping: what `--output json` prints. Money as exact decimal strings."""

from typing import Any

from equitr_coder.domain.artifacts import ContractVerdict
from equitr_coder.domain.epic import SyncPoint, TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView, SyncPointView, TaskView
from equitr_coder.domain.task_graph import serial_advice
from equitr_coder.presentation.conflicts import conflicts_data, overlaps_data
from equitr_coder.presentation.cost import by_model, dearest
from equitr_coder.presentation.cost_data import use_data
from equitr_coder.presentation.cost_forecast import forecast_data, with_what_is_left
from equitr_coder.presentation.figures import exact
from equitr_coder.presentation.footprint import footprint_data
from equitr_coder.presentation.states import is_proven, waits_for, why_waiting
from equitr_coder.presentation.summary import agent_of, next_step


def outcome(view: RunView) -> dict[str, Any]:
    """Status, answer, money, tasks and where the work is."""
    return {
        "status": view.state.value,
        "reason": view.reason.value if view.reason else None,
        "content": view.content,
        "detail": view.detail or None,
        "cost": {
            "total": exact(view.spent),
            "by_model": {row.name: "unknown" if row.is_unpriced else exact(row.usd) for row in by_model(view)},
            "top": [use_data(use) for use in dearest(view)],
        },
        "forecast": forecast_data(with_what_is_left(view)),
        "tasks": [_task(view, task) for task in view.tasks.values()],
        "conflicts": conflicts_data(view),
        "run": view.run,
        "epic": view.epic,
        "missing_paths": list(view.missing_paths),
        "landed": view.landed,
        "branch": view.branch,
        "hint": view.hint,
    }


def epic_status(view: RunView) -> dict[str, Any]:
    """The epic with its tasks, dependencies and sync points; `progress` is 0 to 100, computed from task states."""
    plan = view.plan
    done, total = view.count(TaskState.DONE), len(view.tasks)
    points = plan.sync_points if plan is not None else ()
    return {
        "id": view.epic,
        "title": plan.title if plan is not None else "",
        "description": view.request,
        "status": view.phase,
        "progress": round(100 * done / total, 1) if total else 0.0,
        "done": done,
        "total": total,
        "run": view.run,
        "branch": view.branch,
        "cost": exact(view.spent),
        "top": [use_data(use) for use in dearest(view)],
        "forecast": forecast_data(with_what_is_left(view)),
        "tasks": [
            {
                **_task(view, task),
                "needs": list(plan.task(task.id).needs) if plan is not None else [],
                **_assigned(task),
                "held": task.is_held,
                "waits_for": list(waits_for(plan, view, task)) if plan is not None else [],
                "why": (why_waiting(plan, view, task) or None) if plan is not None else None,
                "footprint": footprint_data(plan, task) if plan is not None else None,
            }
            for task in view.tasks.values()
        ],
        "conflicts": conflicts_data(view),
        "overlaps": overlaps_data(view),
        "serial": (serial_advice(plan) or None) if plan is not None else None,
        "sync_points": [_sync_point(view, point) for point in points],
    }


def _sync_point(view: RunView, point: SyncPoint) -> dict[str, Any]:
    """`checked` is what became of comparing the newest version with the real files; null until somebody has."""
    found = view.sync_points.get(point.id) or SyncPointView(point)
    newest, checked = found.newest, found.checked
    return {
        "id": point.id,
        "epic": view.epic,
        "description": point.description,
        "producer": point.producer,
        "consumers": list(point.consumers),
        "type": point.type.value,
        "detected": point.detected,
        "content": newest.content if newest is not None else None,
        "status": found.state.value,
        "version": newest.version if newest is not None else None,
        "read_by": [{"task": task, "version": version} for task, version in found.read.items()],
        "checked": found.verdict.value if found.verdict is not None else None,
        "differences": checked.detail if checked is not None and found.verdict is ContractVerdict.BROKEN else None,
    }


def directed(view: RunView, task: TaskId) -> dict[str, Any]:
    """What a person's word on a task has made of it."""
    found = view.tasks[task]
    return {
        "epic": view.epic,
        "run": view.run,
        "task": found.id,
        "state": found.state.value,
        "held": found.is_held,
    }


def assignments(view: RunView) -> dict[str, Any]:
    """Who does each task of an epic, and why."""
    assert view.plan is not None, "what has no plan cannot be assigned"
    return {
        "epic": view.epic,
        "run": view.run,
        "assignments": [
            {
                "task": task.id,
                "title": view.plan.task(task.id).title,
                "type": view.plan.task(task.id).type,
                "state": task.state.value,
                **_assigned(task),
            }
            for task in view.tasks.values()
        ],
    }


def _assigned(task: TaskView) -> dict[str, Any]:
    """All null for a task that was given to nobody."""
    given = task.assigned
    return {
        "profile": given.profile if given else None,
        "assigned_by": given.by if given else None,
        "why": given.why if given else None,
    }


def _task(view: RunView, task: TaskView) -> dict[str, Any]:
    """`receipt` is null for an unchecked task: only what the harness proved is shown as proof."""
    receipt = task.receipt if is_proven(task) else None
    return {
        "id": task.id,
        "title": view.plan.task(task.id).title if view.plan is not None else "",
        "state": task.state.value,
        "attempts": task.attempt,
        "agent": agent_of(view, task),
        "reason": task.reason.value if task.reason else None,
        "detail": task.detail,
        "next": next_step(view, task.reason) or None if task.state in (TaskState.FAILED, TaskState.BLOCKED) else None,
        "checked": receipt is not None,
        "receipt": receipt.model_dump(mode="json", exclude={"checks": {"__all__": {"output_tail"}}})
        if receipt
        else None,
    }
