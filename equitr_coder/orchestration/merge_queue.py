"""The only way onto the integration branch: forecast, prove, review, then one at a time compare-and-swap.

Proving and review happen outside the queue, on the tree that merging would give once everybody in the line has landed.
When the branch is another by then, the checks run again on the new merged tree; an approval of the review holds as long
as the task's own change is the same to the letter there, and is asked for again when it is not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any, Literal, overload

from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import Event, MergeLanded, MergeQueued, MergeRejected, ReceiptStored, TaskChanged
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import covers
from equitr_coder.domain.ids import AgentName, CommitId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.merge_line import MergeLine, Place
from equitr_coder.orchestration.outcomes import Chronicle, HandIn, Proof, Resolver, SentBack
from equitr_coder.orchestration.review import Reviewer
from equitr_coder.orchestration.stopwatch import measured_here, span
from equitr_coder.ports import Clock, EventSink, EventStore, Repository

WrittenBy = Callable[[HandIn, CommitId, CommitId], Awaitable[tuple[str, ...]]]
"""Who wrote the tests that prove a candidate on top of a commit of the branch."""
_PATIENCE = 1.0
"""Seconds that a merge at least waits for the one before."""
_DONE_BEFORE = "No change of its own: done by earlier work, as its check proves."


@frozen
class _Candidate:
    task: TaskId
    commit: CommitId
    tree: TreeId
    old: CommitId
    paths: tuple[str, ...]
    landed: frozenset[TaskId]
    """The tasks that `old` holds: their checks, and no others, are a matter of this tree."""

    @property
    def is_empty(self) -> bool:
        """The task changes nothing: what it asks for is there, or was never done."""
        return self.commit == self.old

    @property
    def landed_with(self) -> frozenset[TaskId]:
        """The tasks that the commit holds."""
        return self.landed | {self.task}


class _Again(Enum):
    """The branch is not what the merge was made for."""

    IN_LINE = auto()
    OVERTAKING = auto()
    """Nobody is waited for any more."""


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
        resolver: Resolver,
        proofs: Sequence[Proof] = (),
        chronicle: Chronicle | None = None,
        written_by: WrittenBy | None = None,
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
        self._resolver = resolver
        self._proofs = tuple(proofs)
        self._chronicle = chronicle
        self._written_by = written_by
        self._turn = asyncio.Lock()
        self._line = MergeLine[_Candidate]()
        self._joining = asyncio.Lock()

    @property
    def tip(self) -> CommitId:
        tip = self._events.view.tip
        assert tip is not None, "the epic is approved before anything is merged"
        return tip

    async def merge(self, hand_in: HandIn) -> SentBack | None:
        """None when the task is on the integration branch and its receipt is stored."""
        self._events.note(MergeQueued(task=hand_in.task.id, attempt=hand_in.attempt, commit=hand_in.commit))
        overtakes = False
        while True:
            place = None if overtakes else await self._stand_in_line(hand_in)
            try:
                outcome = await self._merge(hand_in, place)
            finally:
                if place is not None:
                    self._line.leave(place)
            if outcome is _Again.OVERTAKING:
                overtakes = True
            elif outcome is None:
                return None
            elif isinstance(outcome, SentBack):
                return await self._reject(hand_in, outcome)

    async def _merge(self, hand_in: HandIn, place: Place[_Candidate] | None) -> "SentBack | _Again | None":
        candidate = place.merge if place is not None else await self._candidate(hand_in)
        if isinstance(candidate, SentBack):
            return candidate
        started = self._clock.monotonic()
        results, refusal = await self._prove(hand_in, candidate)
        if place is not None and place.before is not None:
            # As long as another proof would take; who is checked for long holds up nobody who is checked quickly.
            patience = max(_PATIENCE, self._clock.monotonic() - started)
            with span("turn"):
                is_next = await place.is_next(patience)
            if is_next is not True:  # a refusal as well says nothing: it was for another's work
                return _Again.IN_LINE if is_next is False else _Again.OVERTAKING
        if refusal is None:
            refusal = await self._approve(hand_in, candidate, results)
        elif await self._is_clash_of_meaning(hand_in, candidate, refusal, results):
            old, new = candidate.old, candidate.commit
            refusal = await self._resolver.reconcile(hand_in, old, new, refusal, results)
            if refusal is None:
                return _Again.IN_LINE
        if refusal is not None:
            return refusal
        async with self._my_turn():
            return await self._take_turn(hand_in, candidate, results, place)

    async def _stand_in_line(self, hand_in: HandIn) -> Place[_Candidate] | None:
        """A place with a merge made on top of the last one in the line. None for what may take long to be approved,
        what other tasks are told of before it lands, and what does not merge by itself.
        """
        is_plain = self._resolver.standing(hand_in) == hand_in.commit
        if self._reviewer.is_due(hand_in.task) or self._plan.produced_by(hand_in.task.id) or not is_plain:
            return None
        async with self._joining:
            while True:
                before = self._line.last.merge if self._line.last is not None else None
                candidate = await self._candidate(hand_in, settles=False, before=before)
                if not isinstance(candidate, _Candidate) or candidate.is_empty:
                    return None
                if (candidate.old, candidate.landed) == self._end_of_line:
                    return self._line.join(candidate)

    @property
    def _end_of_line(self) -> tuple[CommitId, frozenset[TaskId]]:
        """The branch as it will be when everybody in the line has landed, and the tasks that are on it then."""
        if self._line.last is None:
            return self.tip, self._landed()
        return self._line.last.merge.commit, self._line.last.merge.landed_with

    async def _take_turn(
        self,
        hand_in: HandIn,
        candidate: _Candidate,
        results: Sequence[CheckResult],
        place: Place[_Candidate] | None,
    ) -> "SentBack | _Again | None":
        """None when it has landed; again when the branch has moved and it does not fit any more: that is settled
        outside the turn, so that the others go on.
        """
        # A task may land without a commit: its earlier work is proven, and from then on this tree has to keep it.
        while (candidate.old, candidate.landed) != (self.tip, self._landed()):
            moved = await self._candidate(hand_in, settles=False)
            if moved is None:
                return _Again.IN_LINE
            if isinstance(moved, SentBack):
                return moved
            results, refusal = await self._prove(hand_in, moved)
            if refusal is not None and await self._is_clash_of_meaning(hand_in, moved, refusal, results):
                return _Again.IN_LINE
            if refusal is None and await self._is_another_matter(hand_in, candidate, moved):
                if self._reviewer.may_ask_person:
                    return _Again.IN_LINE  # nobody waits in the turn for a person
                refusal = await self._reviewer.review(hand_in.task, hand_in.attempt, moved.old, moved.commit, results)
            if refusal is not None:
                return refusal
            candidate = moved
        await self._land(hand_in, candidate, results)
        self._line.landed(place if place is not None and place.merge is candidate else None)
        return None

    async def _approve(self, hand_in: HandIn, candidate: _Candidate, results: Sequence[CheckResult]) -> SentBack | None:
        old, new = candidate.old, candidate.commit
        refusal = await self._resolver.accept(hand_in, old, new, results)
        return refusal or await self._reviewer.review(hand_in.task, hand_in.attempt, old, new, results)

    async def _is_clash_of_meaning(
        self, hand_in: HandIn, candidate: _Candidate, refusal: SentBack, results: Sequence[CheckResult]
    ) -> bool:
        """Red once merged with what has landed since, and green without: neither side is wrong by itself."""
        if refusal.reason is not StopReason.CHECK_FAILED or candidate.is_empty or candidate.old == hand_in.base:
            return False
        failed = results[-1]
        if failed.passed:
            return False  # refused by a proof, not by a check
        if failed.command not in self.checks(hand_in.task):
            return True  # the check of what has landed, which was green there
        [own] = await self._gate.prove(hand_in.commit, [failed.command])
        return own.passed

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        with span("turn"):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    async def _prove(self, hand_in: HandIn, candidate: _Candidate) -> tuple[Sequence[CheckResult], SentBack | None]:
        task = hand_in.task
        results: Sequence[CheckResult] = await self._gate.prove(candidate.commit, self._checks(task, candidate))
        refusal = _refusal(results)
        if candidate.is_empty:
            if refusal is not None and refusal.reason is not StopReason.CHECK_UNPROVEN:
                refusal = SentBack(StopReason.NO_CHANGE, f"nothing was changed, and it is not done: {refusal.detail}")
            refusal = refusal or await self._proves_nothing(task)
        for proof in self._proofs:
            if refusal is None:
                shown = await proof.examine(hand_in, candidate.old, candidate.commit, results)
                refusal = shown if isinstance(shown, SentBack) else None
                results = results if isinstance(shown, SentBack) else (*results, *(shown or ()))
        return results, refusal

    async def _proves_nothing(self, task: Task) -> SentBack | None:
        """Why a passing check is no proof that earlier work has done the task: it must fail where the epic began."""
        base = self._events.view.base_commit
        check = task.check or self._default_check
        assert base is not None, "the epic is approved before anything is merged"
        assert check is not None, "without a check of its own no empty hand-in comes here"
        [before] = await self._gate.prove(base, [check])
        if before.passed:
            return SentBack(
                StopReason.NO_CHANGE,
                f"nothing was changed, and `{check}` passes on the files that the work began with as well, so it "
                "proves nothing. Make the change that the task asks for, with a test that fails without it; say so in "
                "the summary if there is nothing to do.",
            )
        if before.timed_out or before.unproven:
            why = before.unproven or "it did not end in time"
            return SentBack(
                StopReason.NO_CHANGE,
                f"nothing was changed, and nobody can tell whether `{check}` failed before: on the files that the work "
                f"began with {why}",
            )
        return None

    async def _is_another_matter(self, hand_in: HandIn, approved: _Candidate, moved: _Candidate) -> bool:
        """Whether it is reviewed again: an approval holds while the task's own change is the same to the letter on the
        branch that has moved.
        """
        if not self._reviewer.is_due(hand_in.task):
            return False
        before = await self._repository.diff(approved.old, approved.commit)
        return before != await self._repository.diff(moved.old, moved.commit)

    async def recover(self) -> None:
        """Finish the one merge whose branch move a crash may have cut off from its record.

        Raises:
            UserError: the branch is not where the log left it, or checked out, and there is work to be put on it:
                nothing is paid before that is mended.
        """
        await self._finish_open_merge()
        is_unfinished = any(task.state is not TaskState.DONE for task in self._events.view.tasks.values())
        if is_unfinished and not await self._repository.move_ref(self._ref, self.tip, self.tip):
            raise moved_away(self._branch, self.tip, await self._repository.resolve(self._ref))

    async def _finish_open_merge(self) -> None:
        key = self._journal_key
        journal = (await self._store.open_journals(key)).get(key)
        if journal is None:
            return
        if not self._is_recorded(journal):
            old, new = CommitId(journal["old"]), CommitId(journal["new"])
            now = await self._repository.resolve(self._ref)
            if now == old and not await self._repository.move_ref(self._ref, new, old):
                now = await self._repository.resolve(self._ref)
            if now in (old, new):
                await self._record_landed(journal)
        await self._store.clear_journal(key)

    def _is_recorded(self, journal: Mapping[str, Any]) -> bool:
        return self._events.view.tasks[TaskId(journal["task"])].state is TaskState.DONE

    async def close(self) -> None:
        """Nothing more is merged."""
        await self._store.clear_journal(self._journal_key)

    def checks(self, task: Task) -> tuple[str, ...]:
        """What the task itself must pass: its check or the default, and the gate's own."""
        own = task.check or self._default_check
        return ((own,) if own else ()) + self._gate_checks

    def _checks(self, task: Task, candidate: _Candidate) -> tuple[str, ...]:
        """With the checks of tasks it is merged with whose files it touches, or that build on what it promised."""
        readers = {consumer for point in self._plan.produced_by(task.id) for consumer in point.consumers}
        landed = [
            other.check
            for other in self._plan.tasks
            if other.check
            and other.id != task.id
            and other.id in candidate.landed
            and (other.id in readers or self._overlaps(other, candidate.paths))
        ]
        return tuple(dict.fromkeys((*self.checks(task), *landed)))

    def _landed(self) -> frozenset[TaskId]:
        """The tasks that are on the branch, as it is at its present tip."""
        return frozenset(task.id for task in self._events.view.tasks.values() if task.state is TaskState.DONE)

    def _overlaps(self, other: Task, paths: Sequence[str]) -> bool:
        touched = set(self._events.view.tasks[other.id].files)
        return any(path in touched or any(covers(entry, path) for entry in other.files) for path in paths)

    @overload
    async def _candidate(self, hand_in: HandIn) -> _Candidate | SentBack: ...

    @overload
    async def _candidate(
        self, hand_in: HandIn, *, settles: Literal[False], before: _Candidate | None = None
    ) -> _Candidate | SentBack | None: ...

    async def _candidate(
        self, hand_in: HandIn, *, settles: bool = True, before: _Candidate | None = None
    ) -> _Candidate | SentBack | None:
        """On the branch as it is, or as it will be with the one `before`. None only for what does not merge by itself,
        when that is not to be settled here.
        """
        old, landed = (self.tip, self._landed()) if before is None else (before.commit, before.landed_with)
        forecast = await self._repository.forecast(old, self._resolver.standing(hand_in))
        if forecast.tree is None and not settles:
            return None
        resolved = forecast.tree or await self._resolver.resolve(hand_in, old, forecast)
        if isinstance(resolved, SentBack):
            return resolved
        if resolved == await self._repository.tree_of(old):
            if not (hand_in.task.check or self._default_check):
                words = "nothing was changed, so there is nothing to merge, and no check can prove that it is done"
                return SentBack(StopReason.NO_CHANGE, words)
            return _Candidate(hand_in.task.id, old, resolved, old, (), landed)
        paths = tuple(sorted(await self._repository.changed(old, resolved)))
        commit = await self._repository.commit_tree(
            resolved,
            [old],
            merge_message(hand_in, self._events.view.run),
            author=signature(hand_in.agent),
            at=self._events.view.last_call(SessionId(f"{hand_in.task.id}.{hand_in.attempt}")),
        )
        await self._repository.move_ref(
            f"{self._ref_prefix}{hand_in.task.id}.{hand_in.attempt}-merged-{commit[:10]}", commit, None
        )
        return _Candidate(hand_in.task.id, commit, resolved, old, paths, landed)

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
                tests_by=await self._written_by(hand_in, candidate.old, candidate.commit) if self._written_by else (),
            )
        journal: dict[str, Any] = {
            "task": hand_in.task.id,
            "attempt": hand_in.attempt,
            "agent": hand_in.agent,
            "old": candidate.old,
            "new": candidate.commit,
            "summary": "\n\n".join((_DONE_BEFORE, hand_in.summary)) if candidate.is_empty else hand_in.summary,
            "receipt": receipt.model_dump(mode="json") if receipt is not None else None,
        }
        await self._events.flush()  # what is to be landed was handed in, whoever reads the log after our death
        await self._store.write_journal(self._journal_key, journal)
        if not await self._repository.move_ref(self._ref, candidate.commit, candidate.old):
            await self._store.clear_journal(self._journal_key)
            raise moved_away(self._branch, candidate.old, await self._repository.resolve(self._ref))
        await self._record_landed(journal)  # and the next one overwrites its journal

    async def _record_landed(self, journal: Mapping[str, Any]) -> None:
        task = TaskId(journal["task"])
        old, new = CommitId(journal["old"]), CommitId(journal["new"])
        events: list[Event] = []
        if old != new:
            events.append(MergeLanded(task=task, target=self._branch, old=old, commit=new))
        if journal["receipt"] is not None:
            events.append(ReceiptStored(task=task, receipt=Receipt.model_validate(journal["receipt"])))
        events.append(
            TaskChanged(
                task=task,
                state=TaskState.DONE,
                agent=AgentName(journal["agent"]),
                attempt=int(journal["attempt"]),
                detail=journal["summary"],
                commit=new,
            )
        )
        events += measured_here(task, int(journal["attempt"]))
        events += self._resolver.ended(task, new)
        if self._chronicle is not None:
            await self._chronicle.record(task, old, new, events)
        else:
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


def merge_message(hand_in: HandIn, run: RunId) -> str:
    """Of the commit on the integration branch. Who looks for the task of a line reads it (`workflows.why`)."""
    summary = f"{hand_in.summary.strip()}\n\n" if hand_in.summary.strip() else ""
    return (
        f"{hand_in.task.id}: {hand_in.task.title}\n\n{summary}"
        f"Task: {hand_in.task.id}\nAgent: {hand_in.agent}\nAttempt: {hand_in.attempt}\n"
        f"Run: {run}\n"
    )


def signature(agent: AgentName) -> str:
    """The author of what an agent has written."""
    return f"{agent} <equitrcoder@localhost>"


def moved_away(branch: str, wanted: CommitId, found: CommitId | None) -> UserError:
    """The integration branch is not where this run left it. What somebody else put there is kept by the hint."""
    if found is None:
        return UserError(
            f"the branch {branch} is gone",
            hint=f"make it again and resume the run: git branch {branch} {wanted[:12]}",
            exit_code=1,
        )
    return UserError(
        f"the branch {branch} was moved by somebody else",
        hint=f"keep that under another name and resume the run: git branch -m {branch} {branch}-moved && "
        f"git branch {branch} {wanted[:12]}",
        exit_code=1,
    )


def _refusal(results: Sequence[CheckResult]) -> SentBack | None:
    if not results or results[-1].passed:
        return None
    failed = results[-1]
    if failed.unproven:
        return SentBack(StopReason.CHECK_UNPROVEN, f"`{failed.command}` proves nothing: {failed.unproven}")
    if failed.untested and not failed.timed_out:
        words = f"`{failed.command}` proves nothing: {failed.untested}. {_printed(failed)}"
        return SentBack(StopReason.NO_TESTS, words)
    if failed.timed_out:
        seconds = f" ({failed.duration_ms / 1000:.0f} s)" if failed.duration_ms else ""
        return SentBack(
            StopReason.CHECK_TIMEOUT, f"`{failed.command}` did not end in time{seconds}. {_printed(failed)}"
        )
    what = f"`{failed.command}` ended with exit code {failed.exit_code} on the merged tree."
    return SentBack(StopReason.CHECK_FAILED, f"{what} {_printed(failed)}")


def _printed(check: CheckResult) -> str:
    return f"Its last output:\n{check.output_tail}" if check.output_tail.strip() else "It printed nothing."
