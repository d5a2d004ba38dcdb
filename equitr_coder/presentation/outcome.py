"""A run or an epic as one JSON-ready mapping: what `--output json` prints. Money as exact decimal strings."""

from typing import Any

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.run_view import RunView, TaskView
from equitr_coder.presentation.conflicts import conflicts_data, overlaps_data
from equitr_coder.presentation.cost import by_model, dearest
from equitr_coder.presentation.cost_data import use_data
from equitr_coder.presentation.cost_forecast import forecast_data, with_what_is_left
from equitr_coder.presentation.figures import exact
from equitr_coder.presentation.states import is_proven, sync_state, waits_for
from equitr_coder.presentation.summary import next_step


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
                "waits_for": list(waits_for(plan, view, task)) if plan is not None else [],
            }
            for task in view.tasks.values()
        ],
        "conflicts": conflicts_data(view),
        "overlaps": overlaps_data(view),
        "sync_points": [
            {
                "id": point.id,
                "epic": view.epic,
                "description": point.description,
                "producer": point.producer,
                "consumers": list(point.consumers),
                "type": point.type.value,
                "content": None,
                "status": sync_state(point, view),
            }
            for point in points
        ],
    }


def _task(view: RunView, task: TaskView) -> dict[str, Any]:
    """`receipt` is null for an unchecked task: only what the harness proved is shown as proof."""
    receipt = task.receipt if is_proven(task) else None
    return {
        "id": task.id,
        "title": view.plan.task(task.id).title if view.plan is not None else "",
        "state": task.state.value,
        "attempts": task.attempt,
        "agent": task.agent,
        "reason": task.reason.value if task.reason else None,
        "detail": task.detail,
        "next": next_step(view, task.reason) or None if task.state in (TaskState.FAILED, TaskState.BLOCKED) else None,
        "receipt": receipt.model_dump(mode="json", exclude={"checks": {"__all__": {"output_tail"}}})
        if receipt
        else None,
    }
