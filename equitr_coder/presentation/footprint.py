"""What tasks said they would touch beside what they touched."""

from typing import Any

from equitr_coder.domain.claims import touched
from equitr_coder.domain.epic import Plan
from equitr_coder.domain.footprint import Claim, claim_of, is_within
from equitr_coder.domain.run_view import RunView, TaskView
from equitr_coder.presentation.text import Line, Tone, prose

_NAMED = 8


def footprint_data(plan: Plan, task: TaskView) -> dict[str, Any]:
    claim = claim_of(plan.task(task.id))
    return {"declared": list(claim.shown), "touched": list(touched(task)), "outside": _outside(claim, task)}


def footprint_lines(plan: Plan, task: TaskView) -> list[Line]:
    """Of a task in a list; nothing where it kept to what it said."""
    left = _outside(claim_of(plan.task(task.id)), task)
    return [Line(f"      touched beyond its footprint: {_listed(left)}", Tone.WARN)] if left else []


def unsaid_lines(plan: Plan) -> list[Line]:
    """Who named no files, where there are others whom that concerns."""
    unsaid = [task.id for task in plan.tasks if not claim_of(task).files]
    if not unsaid or len(plan.tasks) == 1:
        return []
    return [Line(f"No files named by {', '.join(unsaid)}: nothing keeps others away from what they change")]


def summary_footprint_lines(view: RunView) -> list[Line]:
    if view.plan is None:
        return []
    found = [(task.id, _outside(claim_of(view.plan.task(task.id)), task)) for task in view.tasks.values()]
    return [Line(f"  {task} touched more than it said: {_listed(left)}", Tone.WARN) for task, left in found if left]


def _outside(claim: Claim, task: TaskView) -> list[str]:
    """What no entry covers, and in files that are claimed in part what no symbol names."""
    return [name for name in touched(task) if claim.files and not _is_claimed(claim, name)]


def _is_claimed(claim: Claim, name: str) -> bool:
    path, _, symbol = name.partition("::")
    if not claim.has(path):
        return False
    parts = claim.symbols.get(path)
    return not symbol or parts is None or any(is_within(symbol, part) for part in parts)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(prose(name) for name in names[:_NAMED])}{more}"
