"""The only way onto the integration branch: forecast, prove, review, then one at a time compare-and-swap.

Proving and review happen outside the queue, on the tree that merging would give; what they said holds in the queue when
the branch has not moved since, and is asked again when it has.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import Event, MergeLanded, MergeQueued, MergeRejected, ReceiptStored, TaskChanged
from equitr_coder.domain.ids import AgentName, CommitId, TaskId, TreeId
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.orchestration.review import Reviewer
from equitr_coder.ports import Clock, EventSink, EventStore, Repository


@dataclass(frozen=True)
class _Candidate:
    commit: CommitId
    tree: TreeId
    old: CommitId
    paths: tuple[str, ...]


class MergeQueue:
    def __init__(
        self,
        *,
        plan: Plan,
        branch: str,
        repository: Repository,
        gate: Gate,
        reviewer: Reviewer,
        events: EventSink,
        store: EventStore,
        clock: Clock,
        default_check: str | None,
        gate_checks: Sequence[str],
        ref_prefix: str,
    ) -> None:
        self._plan = plan
        self._ref = f"refs/heads/{branch}"
        self._branch = branch
        self._repository = repository
        self._gate = gate
        self._reviewer = reviewer
        self._events = events
        self._store = store
        self._clock = clock
        self._default_check = default_check
        self._gate_checks = tuple(gate_checks)
        self._ref_prefix = ref_prefix
        self._turn = asyncio.Lock()

    @property
    def tip(self) -> CommitId:
        tip = self._events.view.tip
        assert tip is not None, "the epic is approved before anything is merged"
        return tip

    async def merge(self, hand_in: HandIn) -> SentBack | None:
        """None when the task is on the integration branch and its receipt is stored."""
        await self._events.record(MergeQueued(task=hand_in.task.id, attempt=hand_in.attempt, commit=hand_in.commit))
        candidate = await self._candidate(hand_in)
        if isinstance(candidate, SentBack):
            return await self._reject(hand_in, candidate)
        results = await self._gate.prove(candidate.commit, self._checks(hand_in.task, candidate.paths))
        refusal = _refusal(results)
        if refusal is not None:
            return await self._reject(hand_in, refusal)
        refusal = await self._reviewer.review(hand_in.task, hand_in.attempt, candidate.old, candidate.commit, results)
        if refusal is not None:
            return await self._reject(hand_in, refusal)
        async with self._turn:
            while candidate.old != self.tip:
                moved = await self._candidate(hand_in)
                if isinstance(moved, SentBack):
                    return await self._reject(hand_in, moved)
                results = await self._gate.prove(moved.commit, self._checks(hand_in.task, moved.paths))
                refusal = _refusal(results) or await self._review_again(hand_in, candidate, moved, results)
                if refusal is not None:
                    return await self._reject(hand_in, refusal)
                candidate = moved
            await self._land(hand_in, candidate, results)
        return None

    async def _review_again(
        self, hand_in: HandIn, approved: _Candidate, moved: _Candidate, results: Sequence[CheckResult]
    ) -> SentBack | None:
        """An approval holds while the task's own change is the same to the letter on the branch that has moved."""
        if not self._reviewer.is_due(hand_in.task):
            return None
        before = await self._repository.diff(approved.old, approved.commit)
        if before == await self._repository.diff(moved.old, moved.commit):
            return None
        return await self._reviewer.review(hand_in.task, hand_in.attempt, moved.old, moved.commit, results)

    async def recover(self) -> None:
        """Finish the one merge whose branch move a crash may have cut off from its record."""
        key = self._journal_key
        journal = (await self._store.open_journals(key)).get(key)
        if journal is None:
            return
        old, new = CommitId(journal["old"]), CommitId(journal["new"])
        now = await self._repository.resolve(self._ref)
        if now == old and not await self._repository.move_ref(self._ref, new, old):
            now = await self._repository.resolve(self._ref)
        if now in (old, new):
            await self._record_landed(journal)
        await self._store.clear_journal(key)

    def checks(self, task: Task) -> tuple[str, ...]:
        """What the task itself must pass: its check or the default, and the gate's own."""
        own = task.check or self._default_check
        return ((own,) if own else ()) + self._gate_checks

    def _checks(self, task: Task, paths: Sequence[str]) -> tuple[str, ...]:
        """With the checks of landed tasks whose files this one touches."""
        landed = [
            other.check
            for other in self._plan.tasks
            if other.check
            and other.id != task.id
            and self._events.view.tasks[other.id].state is TaskState.DONE
            and self._overlaps(other, paths)
        ]
        return tuple(dict.fromkeys((*self.checks(task), *landed)))

    def _overlaps(self, other: Task, paths: Sequence[str]) -> bool:
        touched = set(self._events.view.tasks[other.id].files)
        return any(path in touched or any(fnmatch(path, glob) for glob in other.files) for path in paths)

    async def _candidate(self, hand_in: HandIn) -> _Candidate | SentBack:
        old = self.tip
        forecast = await self._repository.forecast(old, hand_in.commit)
        if forecast.tree is None:
            listed = ", ".join(forecast.conflicts)
            return SentBack(
                StopReason.MERGE_CONFLICT,
                f"the work clashes with what others have landed since, in: {listed}. Where the files hold conflict "
                "markers, the upper part is what has landed and the lower part is yours: resolve them and hand in "
                "again.",
                forecast.conflicts,
            )
        if forecast.tree == await self._repository.tree_of(old):
            return SentBack(StopReason.NO_CHANGE, "nothing was changed, so there is nothing to merge")
        paths = tuple(sorted(await self._repository.changed(old, forecast.tree)))
        commit = await self._repository.commit_tree(
            forecast.tree, [old], self._message(hand_in), author=f"{hand_in.agent} <equitrcoder@localhost>"
        )
        await self._repository.move_ref(
            f"{self._ref_prefix}{hand_in.task.id}.{hand_in.attempt}-merged-{commit[:10]}", commit, None
        )
        return _Candidate(commit, forecast.tree, old, paths)

    def _message(self, hand_in: HandIn) -> str:
        summary = f"{hand_in.summary.strip()}\n\n" if hand_in.summary.strip() else ""
        return (
            f"{hand_in.task.id}: {hand_in.task.title}\n\n{summary}"
            f"Task: {hand_in.task.id}\nAgent: {hand_in.agent}\nAttempt: {hand_in.attempt}\n"
            f"Run: {self._events.view.run}\n"
        )

    @property
    def _journal_key(self) -> str:
        return f"merge:{self._events.view.run}"

    async def _land(self, hand_in: HandIn, candidate: _Candidate, results: Sequence[CheckResult]) -> None:
        receipt = None
        if results:
            receipt = Receipt(
                task=hand_in.task.id,
                commit=candidate.commit,
                tree=candidate.tree,
                checks=tuple(results),
                at=self._clock.now(),
            )
        journal: dict[str, Any] = {
            "task": hand_in.task.id,
            "attempt": hand_in.attempt,
            "agent": hand_in.agent,
            "old": candidate.old,
            "new": candidate.commit,
            "summary": hand_in.summary,
            "receipt": receipt.model_dump(mode="json") if receipt is not None else None,
        }
        await self._store.write_journal(self._journal_key, journal)
        if not await self._repository.move_ref(self._ref, candidate.commit, candidate.old):
            await self._store.clear_journal(self._journal_key)
            raise UserError(
                f"the branch {self._branch} was moved by somebody else while the run was working",
                hint=f"put it back with: git branch -f {self._branch} {candidate.old[:12]} and resume the run",
                exit_code=1,
            )
        await self._record_landed(journal)
        await self._store.clear_journal(self._journal_key)

    async def _record_landed(self, journal: Any) -> None:
        task = TaskId(journal["task"])
        if self._events.view.tasks[task].state is TaskState.DONE:
            return
        events: list[Event] = [
            MergeLanded(task=task, target=self._branch, old=CommitId(journal["old"]), commit=CommitId(journal["new"]))
        ]
        if journal["receipt"] is not None:
            events.append(ReceiptStored(task=task, receipt=Receipt.model_validate(journal["receipt"])))
        events.append(
            TaskChanged(
                task=task,
                state=TaskState.DONE,
                agent=AgentName(journal["agent"]),
                attempt=int(journal["attempt"]),
                detail=journal["summary"],
                commit=CommitId(journal["new"]),
            )
        )
        await self._events.record(*events)

    async def _reject(self, hand_in: HandIn, refusal: SentBack) -> SentBack:
        await self._events.record(
            MergeRejected(
                task=hand_in.task.id,
                attempt=hand_in.attempt,
                reason=refusal.reason,
                detail=refusal.detail,
                paths=refusal.paths,
            )
        )
        return refusal


def _refusal(results: Sequence[CheckResult]) -> SentBack | None:
    if not results or results[-1].passed:
        return None
    failed = results[-1]
    if failed.unproven:
        return SentBack(StopReason.CHECK_UNPROVEN, f"`{failed.command}` proves nothing: {failed.unproven}")
    if failed.timed_out:
        return SentBack(
            StopReason.CHECK_TIMEOUT, f"`{failed.command}` did not end in time. Its last output:\n{failed.output_tail}"
        )
    return SentBack(
        StopReason.CHECK_FAILED,
        f"`{failed.command}` ended with exit code {failed.exit_code} on the merged tree. "
        + (f"Its last output:\n{failed.output_tail}" if failed.output_tail.strip() else "It printed nothing."),
    )
