"""Runs the checks of stored receipts again, each on a clean checkout of its own tree. Asks no model."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId, TaskId, new_id
from equitr_coder.domain.queries import CheckedAgain, VerifyAnswer
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.run_view import RunView
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.worktree_pool import WorktreePool
from equitr_coder.orchestration.worktrees import RunPlaces, Worktrees
from equitr_coder.ports import RunKit

_OUR_REF = re.compile(r"git show '?(refs/equitr/[^\s:']+):")


class Verification:
    def __init__(self, kit: RunKit) -> None:
        self._kit = kit

    async def run(self, view: RunView, task: str | None) -> VerifyAnswer:
        """Raises UserError when the run has no such task."""
        if task is not None and task not in view.tasks:
            known = ", ".join(view.tasks) or "none"
            raise UserError(f"{view.epic or view.run} has no task {task}", hint=f"its tasks are: {known}")
        chosen = [one for one in view.tasks.values() if task is None or one.id == task]
        rows: list[CheckedAgain] = []
        async with self._gate() as gate:
            for one in chosen:
                if one.receipt is not None:
                    rows += [await self._again(gate, one.receipt, was) for was in one.receipt.checks]
        return VerifyAnswer(
            run=view.run,
            epic=view.epic,
            checks=tuple(rows),
            without=tuple(TaskId(one.id) for one in chosen if one.receipt is None or not one.receipt.checks),
        )

    async def _again(self, gate: Gate, receipt: Receipt, was: CheckResult) -> CheckedAgain:
        gone = await self._why_gone(receipt) or await self._what_is_gone(was.command)
        if gone:
            return CheckedAgain(
                task=receipt.task, command=was.command, commit=receipt.commit, was=was.exit_code, differs=(gone,)
            )
        [now] = await gate.prove(receipt.commit, [was.command])
        return CheckedAgain(
            task=receipt.task,
            command=was.command,
            commit=receipt.commit,
            was=was.exit_code,
            exit_code=now.exit_code,
            is_green=now.passed and now.exit_code == was.exit_code and now.tree == was.tree,
            duration_ms=now.duration_ms,
            tests=now.tests,
            differs=tuple(_differences(was, now)),
            output_tail="" if now.passed else now.output_tail,
        )

    async def _why_gone(self, receipt: Receipt) -> str:
        if await self._kit.repository.resolve(receipt.commit) is None:
            return f"git no longer has commit {receipt.commit[:12]}: what kept it was deleted"
        tree = await self._kit.repository.tree_of(receipt.commit)
        return "" if tree == receipt.tree else f"commit {receipt.commit[:12]} has another tree than the receipt says"

    async def _what_is_gone(self, command: str) -> str:
        """Tests of a contract are read from a ref of ours, which `prune` deletes."""
        for ref in _OUR_REF.findall(command):
            if await self._kit.repository.resolve(ref) is None:
                return f"git no longer has {ref}: what kept these tests was deleted"
        return ""

    @asynccontextmanager
    async def _gate(self) -> AsyncIterator[Gate]:
        kit = self._kit
        # A folder of its own: the run itself may be at work in the one that bears its name. It is owned as a run's is,
        # or another process would take it for what a dead one has left.
        name = RunId(new_id("verify"))
        places = RunPlaces(
            root=kit.worktrees / name,
            checkout=kit.checkout,
            git_dir=kit.repository.git_dir(),
            links=kit.links,
        )
        pool = WorktreePool(
            repository=kit.repository, store=kit.store, workspace=kit.worktrees, size=kit.terms.worktree_pool
        )
        worktrees = Worktrees(
            repository=kit.repository,
            places=places,
            preparation=kit.preparation,
            pool=pool,
            leases=kit.leases,
            gate_slots=1,
        )
        async with kit.store.lock_run(name):
            await pool.reclaim()  # also what a verification has left that was killed
            try:
                yield Gate(
                    repository=kit.repository,
                    executor=kit.executor,
                    store=kit.store,
                    worktrees=worktrees,
                    timeout=kit.terms.check_timeout,
                )
            finally:
                await worktrees.close_all()


def _differences(was: CheckResult, now: CheckResult) -> list[str]:
    found: list[str] = []
    if now.timed_out:
        found.append("it did not end in time")
    elif now.exit_code != was.exit_code:
        found.append(f"exit code {now.exit_code} instead of {was.exit_code}")
    if reason := now.unproven or now.untested:
        found.append(reason)
    if now.tree != was.tree:
        found.append(f"tree {now.tree[:12]} instead of {was.tree[:12]}")
    if was.tests is not None and now.tests != was.tests:
        found.append(f"{now.tests if now.tests is not None else 'an unknown number of'} tests instead of {was.tests}")
    if now.interpreter != was.interpreter:
        found.append(f"interpreter {now.interpreter or 'none'} instead of {was.interpreter or 'none'}")
    if now.environment_hash != was.environment_hash:
        found.append("the environment is another than then")
    if now.sandbox != was.sandbox:
        found.append(f"sandbox {now.sandbox} instead of {was.sandbox}")
    return found
