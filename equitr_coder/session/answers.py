"""Answers that come from folded logs: lists of runs, cost by group, what a run changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from equitr_coder.domain.costs import dearest_uses, grouped
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId, TaskId, TreeId, epic_id
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import CostAnswer, DiffAnswer, RunCost, RunMoney, RunSummary
from equitr_coder.domain.run_view import LedgerRow, RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import Repository, RunRow
from equitr_coder.workflows.chat import SESSION
from equitr_coder.workflows.rewinding import state_of

_BEGIN = datetime.min.replace(tzinfo=UTC)
_DEAREST = 3
_NAMED_RUNS = 5


def run_summary(view: RunView, *, alive: bool) -> RunSummary | None:
    """None of a run that has not begun."""
    if view.started is None or view.last is None:
        return None
    return RunSummary(
        run=view.run,
        kind=view.kind,
        epic=view.epic,
        title=view.title,
        state=view.state,
        phase=view.phase,
        done=view.count(TaskState.DONE),
        tasks=len(view.tasks),
        usd=view.spent,
        budget=view.options.budget,
        started=view.started,
        last=view.last,
        alive=alive,
        workspace=view.workspace,
    )


def run_money(view: RunView) -> RunMoney:
    return RunMoney(cost=_run_cost(view), calls=tuple(view.ledger.values()))


def cost_answer(runs: Sequence[RunMoney], *, is_one_run: bool, unreadable: Sequence[RunId] = ()) -> CostAnswer:
    """`runs` are newest first."""
    rows = sorted(
        (row for run in runs for row in run.calls),
        key=lambda row: (row.at or _BEGIN, row.run),
    )
    epics = {run.cost.run: run.cost.epic or run.cost.run for run in runs}

    def task(row: LedgerRow) -> str:
        return row.task or "-" if is_one_run or row.task is None else f"{epics[row.run]}/{row.task}"

    return CostAnswer(
        unreadable=tuple(unreadable),
        total=sum((run.cost.usd for run in runs), ZERO),
        held=sum((run.cost.held for run in runs), ZERO),
        limit=runs[0].cost.limit if is_one_run and runs else None,
        by_model=grouped(rows, lambda row: row.model),
        by_agent=grouped(rows, lambda row: row.agent),
        by_purpose=grouped(rows, lambda row: row.purpose.value),
        by_task=grouped(rows, task),
        by_day=tuple(sorted(grouped(rows, _day), key=lambda row: row.name)),
        top=dearest_uses(rows, _DEAREST),
        runs=tuple(run.cost for run in runs),
        calls=tuple(rows),
        is_one_run=is_one_run,
    )


def find_run(name: str, rows: Sequence[RunRow]) -> RunId:
    """The run that `name` means: an epic id, a run id, or the beginning of exactly one run id.

    Raises:
        UserError: none, or more than one.
    """
    for row in rows:
        if name == row.run or (row.epic_number is not None and name == epic_id(row.epic_number)):
            return row.run
    begun = [row.run for row in rows if name and row.run.startswith((name, f"run-{name}"))]
    if not begun:
        raise UserError(f"there is no run or epic {name!r} in this workspace", hint="`equitrcoder runs` lists them")
    if len(begun) > 1:
        shown = ", ".join(begun[:_NAMED_RUNS]) + (", ..." if len(begun) > _NAMED_RUNS else "")
        raise UserError(f"{name!r} is the beginning of {len(begun)} runs", hint=f"name one of them: {shown}")
    return begun[0]


async def diff_answer(
    view: RunView, repository: Repository, checkout: Path, *, state: int | None = None, task: TaskId | None = None
) -> DiffAnswer:
    """For a chat: from before its first turn to the checkout as it is, or what the step of one `state` changed.
    Otherwise base commit to integration branch, or what one `task` changed.

    Raises:
        UserError: there is no such state or task, or nothing was built.
    """
    if task is not None:
        before, after = ends_of_task(view, task)
        return DiffAnswer(text=await repository.diff(before, after))
    if view.kind is RunKind.CHAT:
        session = view.sessions.get(SESSION)
        if state is not None:
            found = state_of(session, state)
            return DiffAnswer(text=await repository.diff(found.before, found.after))
        if session is None or not session.checkpoints:
            return DiffAnswer(text="")
        before = session.checkpoints[0][1]
        for tree, paths in session.covered:
            before = await repository.mixed(before, tree, paths)
        now = await repository.snapshot(checkout, also=session.changed)
        return DiffAnswer(text=await repository.diff(before, now))
    if state is not None:
        raise UserError("only a chat has numbered states", hint="/diff alone shows what the run changed")
    if view.base_commit is None or view.tip is None:
        raise UserError("nothing has been built yet", hint="approve the plan first")
    return DiffAnswer(text=await repository.diff(view.base_commit, view.tip))


def ends_of_task(view: RunView, task: TaskId) -> tuple[TreeId | CommitId, TreeId | CommitId]:
    """What landed for it, else the worktree of its current attempt against what that started from."""
    found = view.tasks.get(task)
    if found is None:
        raise UserError(f"there is no task {task} in this run", hint="`equitrcoder epic status` lists its tasks")
    landed = [landing for landing in view.landings if landing.task == task]
    if landed:
        return landed[0].old, landed[-1].commit
    if found.base is None or found.tree is None:
        raise UserError(f"{task} has changed nothing yet", hint="its files show here as soon as it has written some")
    return found.base, found.tree


def _run_cost(view: RunView) -> RunCost:
    return RunCost(
        run=view.run,
        epic=view.epic,
        title=view.title,
        kind=view.kind,
        state=view.state,
        started=view.started,
        usd=view.spent,
        held=view.held,
        limit=view.options.budget,
        calls=len(view.ledger),
        is_unpriced=any(row.is_unpriced for row in view.ledger.values()),
        forecast=view.forecast if view.is_approved else None,
        built_for=view.built_for,
    )


def _day(row: LedgerRow) -> str:
    """The UTC day on which the call was paid."""
    at = row.ended or row.at
    return at.astimezone(UTC).date().isoformat() if at is not None else "-"
