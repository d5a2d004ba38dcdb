"""What the tasks of a run hold while they are at work: their footprints, and what they were allowed or seen to touch
beyond. Folded from the run's events, like everything else.
"""

from collections.abc import Collection

from equitr_coder.domain.approvals import Scope
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.footprint import Claim, claim_of
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView, TaskView


def beyond(view: RunView, task: TaskId) -> tuple[str, ...]:
    """Files outside its footprint that a task changed or was allowed to change; of one that named no files, all."""
    if view.plan is None:
        return ()
    claim = claim_of(view.plan.task(task))
    return tuple(path for path in sorted({*view.tasks[task].files, *granted(view, task)}) if not claim.has(path))


def granted(view: RunView, task: TaskId) -> frozenset[str]:
    """Files that a person allowed this task to write, each by name or, under a wider yes, because it was written."""
    named: set[str] = set()
    for asked, resolved in view.grants:
        if not resolved.answer.allowed or asked.inside or not asked.confined:
            continue
        is_own = asked.task == task
        if is_own:
            named.update(asked.paths)
        is_wider = resolved.answer.scope is Scope.RUN or (is_own and resolved.answer.scope is Scope.TASK)
        if is_wider or (is_own and not asked.paths):
            named.update(view.tasks[task].files)
    return frozenset(named)


def claims_at_work(view: RunView, *, besides: TaskId | None = None) -> dict[TaskId, Claim]:
    """What each task that has begun and not ended claims now."""
    plan = view.plan
    if plan is None:
        return {}
    return {
        task.id: claim_of(plan.task(task.id), beyond(view, task.id))
        for task in view.tasks.values()
        if task.id != besides and _is_at_work(task)
    }


def holder(view: RunView, path: str, *, besides: TaskId | None) -> TaskId | None:
    """The other task at work that claims this file, or a part of it."""
    claims = claims_at_work(view, besides=besides)
    return next((task for task, claim in claims.items() if claim.has(path)), None)


def touched(task: TaskView) -> Collection[str]:
    """What a task changed, as far as is known: what it handed in, before that what its steps changed."""
    return task.touched or tuple(sorted(task.files))


def _is_at_work(task: TaskView) -> bool:
    """Between two attempts as well: what the last one left is where the next one begins."""
    return task.state in (TaskState.WORKING, TaskState.REVIEW) or (task.state is TaskState.READY and task.attempt > 0)
