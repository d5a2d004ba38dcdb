"""Answers that come from folded logs: lists of runs, cost by group, what a run changed."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.money import ZERO, Usage
from equitr_coder.domain.queries import CostAnswer, CostRow, DiffAnswer, RunsAnswer, RunSummary
from equitr_coder.domain.run_view import LedgerRow, RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import Repository
from equitr_coder.workflows.chat import SESSION


def runs_answer(views: Sequence[RunView], is_owned: Callable[[RunId], bool]) -> RunsAnswer:
    rows: list[RunSummary] = []
    for view in views:
        if view.started is None or view.last is None:
            continue
        title = view.plan.title if view.plan is not None else view.request.strip().split("\n", 1)[0]
        rows.append(
            RunSummary(
                run=view.run,
                kind=view.kind,
                epic=view.epic,
                title=title,
                state=view.state,
                phase=view.phase,
                done=view.count(TaskState.DONE),
                tasks=len(view.tasks),
                usd=view.spent,
                budget=view.options.budget,
                started=view.started,
                last=view.last,
                alive=is_owned(view.run),
            )
        )
    return RunsAnswer(runs=tuple(rows))


def cost_answer(view: RunView) -> CostAnswer:
    rows = list(view.ledger.values())
    return CostAnswer(
        total=view.spent,
        held=view.held,
        limit=view.options.budget,
        by_model=_group(rows, lambda row: row.model),
        by_agent=_group(rows, lambda row: row.agent),
        by_purpose=_group(rows, lambda row: row.purpose.value),
        by_task=_group(rows, lambda row: row.task or "-"),
    )


async def diff_answer(view: RunView, repository: Repository, checkout: Path) -> DiffAnswer:
    """For a chat: from before its first turn to the checkout as it is. Otherwise base commit to integration branch."""
    if view.kind is RunKind.CHAT:
        session = view.sessions.get(SESSION)
        if session is None or not session.checkpoints:
            return DiffAnswer(text="")
        before = session.checkpoints[0][1]
        return DiffAnswer(text=await repository.diff(before, await repository.snapshot(checkout)))
    if view.base_commit is None or view.tip is None:
        raise UserError("nothing has been built yet", hint="approve the plan first")
    return DiffAnswer(text=await repository.diff(view.base_commit, view.tip))


def _group(rows: Iterable[LedgerRow], key: Callable[[LedgerRow], str]) -> tuple[CostRow, ...]:
    """Dearest first; open reservations are not in it."""
    groups: dict[str, list[LedgerRow]] = {}
    for row in rows:
        if not row.is_open:
            groups.setdefault(key(row), []).append(row)
    made = [
        CostRow(
            name=name,
            calls=len(group),
            usage=sum_usage(row.usage for row in group),
            usd=sum((row.usd for row in group), ZERO),
            is_unpriced=any(row.is_unpriced for row in group),
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(made, key=lambda row: (-row.usd, row.name)))


def sum_usage(usages: Iterable[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total = total.plus(usage)
    return total
