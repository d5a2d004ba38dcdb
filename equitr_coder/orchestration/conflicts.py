"""What becomes of work that does not fit: merged by structure where code can tell, else by the mode of the run."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from equitr_coder.domain.conflicts import Conflict, ConflictStage, ConflictState
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.events import ConflictChanged, ConflictResolved, Event
from equitr_coder.domain.ids import CommitId, RequestId, SessionId, TaskId, TreeId
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.domain.run_view import ConflictView, RunView
from equitr_coder.domain.runs import RunOptions
from equitr_coder.orchestration.conflict_log import ConflictLog, ended_with, landed_since, of_attempt, standing_commit
from equitr_coder.orchestration.markers import labelled
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.orchestration.proposals import Proposals
from equitr_coder.orchestration.structure import merge_structure
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import EventSink, MergeForecast, Repository

_UNNAMED = RequestId("")


class Conflicts:
    """Implements `outcomes.Resolver`."""

    def __init__(
        self,
        *,
        log: ConflictLog,
        options: RunOptions,
        proposals: Proposals | None,
        repository: Repository,
        worktrees: Worktrees,
        events: EventSink,
        ref_prefix: str,
    ) -> None:
        """Without `proposals` (there is no supervisor) a clash goes back to its worker."""
        self._log = log
        self._mode = options.conflicts
        self._proposals = proposals
        self._repository = repository
        self._worktrees = worktrees
        self._events = events
        self._ref_prefix = ref_prefix

    def standing(self, hand_in: HandIn) -> CommitId:
        return standing_commit(self._view, hand_in.task.id, hand_in.attempt, hand_in.commit)

    async def resolve(self, hand_in: HandIn, old: CommitId, forecast: MergeForecast) -> TreeId | SentBack:
        theirs = self.standing(hand_in)
        found = self._open(hand_in, ConflictStage.MERGE, theirs)
        if found is None:
            draft = await self._draft(hand_in, old, theirs, forecast)
            merged = await merged_by_structure(self._repository, forecast)
            if merged is not None:
                commit = await self._keep(hand_in, merged, old, "structure")
                how = "both sides' additions were kept"
                await self._log.open(draft, lambda number: [_resolved(number, "structure", commit, how)])
                return merged
            found = await self._log.open(draft)
        ours = found.conflict.ours or old
        if ours != old:
            forecast = await self._repository.forecast(ours, theirs)
        settled = await self._by_mode(hand_in, found, forecast.marked_tree, _in_question(found, forecast))
        if isinstance(settled, SentBack) or ours == old:
            return settled
        again = await self._repository.forecast(old, self.standing(hand_in))
        return again.tree or await self.resolve(hand_in, old, again)

    async def reconcile(
        self, hand_in: HandIn, old: CommitId, new: CommitId, refusal: SentBack, results: Sequence[CheckResult]
    ) -> SentBack | None:
        attempt = of_attempt(self._view, hand_in.task.id, hand_in.attempt)
        found = next((known for known in attempt if known.conflict.stage is ConflictStage.CHECK), None)
        if found is not None and (not found.is_open or found.state is ConflictState.PROPOSED):
            return refusal  # once an attempt: what has taken its place is red as well
        since = landed_since(self._view, hand_in.base)
        changes = [(landing.task, await self._repository.changed(landing.old, landing.commit)) for landing in since]
        command = results[-1].command if results else "the check"
        paths = tuple(sorted({path for _, changed in changes for path in changed}))
        if found is None:
            found = await self._log.open(
                Conflict(
                    id=_UNNAMED,
                    stage=ConflictStage.CHECK,
                    tasks=(hand_in.task.id, *(task for task, _ in changes if task is not None)),
                    paths=paths,
                    detail=f"`{command}` is green on the task's own files and red on the merged ones",
                    ours=old,
                    theirs=self.standing(hand_in),
                    attempt=hand_in.attempt,
                )
            )
        told = SentBack(refusal.reason, "\n".join((_story(changes, command), refusal.detail)), paths)
        merged = await self._repository.tree_of(new)
        mine = await self._repository.changed(old, merged)
        settled = await self._by_mode(
            hand_in, found, merged, tuple(sorted({*paths, *mine})), told=told, evidence=refusal.detail
        )
        return settled if isinstance(settled, SentBack) else None

    async def accept(
        self, hand_in: HandIn, old: CommitId, new: CommitId, results: Sequence[CheckResult]
    ) -> SentBack | None:
        waiting = [
            found
            for found in of_attempt(self._view, hand_in.task.id, hand_in.attempt)
            if found.state is ConflictState.PROPOSED
        ]
        if not waiting or self._proposals is None:
            return None
        refusal = await self._proposals.accept(hand_in, waiting[-1], old, new, results)
        events: list[Event] = []
        for found in waiting:
            number = found.conflict.id
            if refusal is None:
                events.append(_resolved(number, "proposal", found.commit, found.detail))
            else:
                events.append(ConflictChanged(conflict=number, state=ConflictState.OPEN, detail=refusal.detail))
        await self._events.record(*events)
        return refusal

    def ended(self, task: TaskId, commit: CommitId) -> Sequence[Event]:
        return ended_with(self._view, task, commit)

    # ---------------------------------------------------------------- by mode

    async def _by_mode(
        self,
        hand_in: HandIn,
        found: ConflictView,
        start: TreeId | None,
        paths: tuple[str, ...],
        *,
        told: SentBack | None = None,
        evidence: str = "",
    ) -> TreeId | SentBack:
        """`start` is where a resolution begins: the merge with its markers, or the clean one that is red, with what its
        check said as `evidence`.
        """
        conflict = found.conflict
        assert conflict.ours is not None, "a conflict of a hand-in names the tip it was found on"
        told = told or _marked(conflict.paths)
        if start is None:
            return told
        if self._mode == "manual":
            raise await self._leave_to_person(found, conflict.ours, start)
        proposal = None
        if self._proposals is not None:
            proposal = await self._proposals.make(hand_in, found, start, paths, evidence)
        if proposal is None:
            # Turned down before a restart: the reasons are in the log.
            return SentBack(told.reason, f"{found.detail}\n{told.detail}", told.paths) if found.detail else told
        if proposal.tree is None:
            await self._events.record(proposal.answered)
            words = f"The supervisor was asked to merge both and says: {proposal.answered.answer}"
            return SentBack(told.reason, f"{told.detail}\n{words}", told.paths)
        commit = await self._keep(hand_in, proposal.tree, conflict.ours, f"{conflict.id}-proposed")
        proposed = ConflictChanged(
            conflict=conflict.id,
            state=ConflictState.PROPOSED,
            tree=proposal.tree,
            commit=commit,
            detail=proposal.answered.answer,
        )
        await self._events.record(proposal.answered, proposed)
        return proposal.tree

    async def _leave_to_person(self, found: ConflictView, ours: CommitId, start: TreeId) -> RunStopped:
        """The files lie in a worktree of their own, for as long as it takes; what stands there is never overwritten."""
        conflict = found.conflict
        path = self._worktrees.conflict(conflict.id)
        is_there = found.worktree is not None and await self._worktrees.has_conflict(conflict.id, ours)
        if is_there and found.worktree != str(path):
            await self._events.record(_lies_at(path, found, found.tree))
        elif not is_there:
            if conflict.theirs is not None:
                mine, *landed = conflict.tasks
                sides: dict[str, str] = {ours: f"landed: {', '.join(landed)}", conflict.theirs: f"handed in: {mine}"}
                start = await labelled(self._repository, start, conflict.paths, sides)
            await self._worktrees.open_conflict(conflict.id, ours, start)
            await self._events.record(_lies_at(path, found, start))
        where = f" in {', '.join(conflict.paths)}" if conflict.paths else ""
        return RunStopped(
            StopReason.CONFLICT_OPEN,
            f"{conflict.id}: {' and '.join(conflict.tasks)} do not fit together{where}; it waits for your word",
            hint=f"`equitrcoder conflict list` shows what waits; edit {path}, then: "
            f"equitrcoder conflict resolve {conflict.id}",
        )

    # ---------------------------------------------------------------- what is known

    @property
    def _view(self) -> RunView:
        return self._events.view

    def _open(self, hand_in: HandIn, stage: ConflictStage, theirs: CommitId) -> ConflictView | None:
        return next(
            (
                found
                for found in reversed(of_attempt(self._view, hand_in.task.id, hand_in.attempt))
                if found.is_open and found.conflict.stage is stage and found.conflict.theirs == theirs
            ),
            None,
        )

    async def _draft(self, hand_in: HandIn, old: CommitId, theirs: CommitId, forecast: MergeForecast) -> Conflict:
        since = landed_since(self._view, hand_in.base)
        touching: list[TaskId] = []
        for landing in since:
            changed = await self._repository.changed(landing.old, landing.commit)
            if landing.task is not None and any(path in changed for path in forecast.conflicts):
                touching.append(landing.task)
        others = touching or [landing.task for landing in since if landing.task is not None]
        return Conflict(
            id=_UNNAMED,
            stage=ConflictStage.MERGE,
            tasks=tuple(dict.fromkeys((hand_in.task.id, *others))),
            paths=forecast.conflicts,
            ours=old,
            theirs=theirs,
            attempt=hand_in.attempt,
        )

    async def _keep(self, hand_in: HandIn, tree: TreeId, ours: CommitId, what: str) -> CommitId:
        """On a ref of its own, so that nothing that was proposed or resolved is ever garbage."""
        task = hand_in.task
        commit = await self._repository.commit_tree(
            tree,
            [ours],
            f"{task.id}: {task.title} ({what})",
            # Made again after a crash it is the same commit, and none is left that no ref names.
            at=self._events.view.last_call(SessionId(f"{task.id}.{hand_in.attempt}")),
        )
        ref = f"{self._ref_prefix}{task.id}.{hand_in.attempt}-{what}-{commit[:10]}"
        await self._repository.move_ref(ref, commit, await self._repository.resolve(ref))
        return commit


async def merged_by_structure(repository: Repository, forecast: MergeForecast) -> TreeId | None:
    """The clean merge when every path that clashes can be merged by what its file says."""
    if forecast.marked_tree is None or not forecast.clashes:
        return None
    files: dict[str, bytes | None] = {}
    for clash in forecast.clashes:
        if not clash.is_plain or clash.ours is None or clash.theirs is None:
            return None
        base = await repository.read_blob(clash.base) if clash.base is not None else None
        ours, theirs = await repository.read_blob(clash.ours), await repository.read_blob(clash.theirs)
        merged = await asyncio.to_thread(merge_structure, clash.path, base, ours, theirs)
        if merged is None:
            return None
        files[clash.path] = merged
    return await repository.tree_with(forecast.marked_tree, files)


def _lies_at(path: Path, found: ConflictView, tree: TreeId | None) -> ConflictChanged:
    """Where a person finds the files that the merge left as `tree`."""
    number = found.conflict.id
    return ConflictChanged(
        conflict=number,
        state=ConflictState.ESCALATED,
        tree=tree,
        worktree=str(path),
        detail=f"edit the files in {path}, then: equitrcoder conflict resolve {number}",
    )


def _resolved(number: RequestId, how: str, commit: CommitId | None, detail: str) -> ConflictResolved:
    return ConflictResolved.model_validate({"conflict": number, "how": how, "commit": commit, "detail": detail})


def _in_question(found: ConflictView, forecast: MergeForecast) -> tuple[str, ...]:
    """What is to be resolved, and what git put beside it."""
    return tuple(dict.fromkeys((*found.conflict.paths, *(clash.path for clash in forecast.clashes))))


def _marked(paths: Sequence[str]) -> SentBack:
    return SentBack(
        StopReason.MERGE_CONFLICT,
        f"the work clashes with what others have landed since, in: {', '.join(paths)}. Where the files hold conflict "
        "markers, the upper part is what has landed and the lower part is yours: resolve them and hand in again.",
        tuple(paths),
    )


def _story(changes: Sequence[tuple[TaskId | None, Mapping[str, str]]], command: str) -> str:
    rows = [
        f"- {task} changed {', '.join(f'{path} ({what})' for path, what in sorted(changed.items()))}"
        for task, changed in changes
    ]
    return (
        f"`{command}` passes on your own files and fails once they are merged with what has landed since you began. "
        "Landed since:\n" + "\n".join(rows) + "\nYour copy will hold their work: adapt yours to it."
    )
