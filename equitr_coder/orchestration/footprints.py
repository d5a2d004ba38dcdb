"""What a task really touched: learned from what it hands in, and held against what it claimed.

Behind the question that a worker's tools ask before they leave the footprint, this is the wall: nothing lands that is
neither in the footprint nor allowed by a person. In a Python file that tasks share by symbols, nothing lands that
touches what no symbol of the task names, as long as another of them has work to do there.
"""

from collections.abc import Collection, Mapping, Sequence

from equitr_coder.domain.claims import granted
from equitr_coder.domain.epic import Plan
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.footprint import claim_of, is_within, outside
from equitr_coder.domain.ids import CommitId, TaskId, TreeId
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.domain.symbols import changed_symbols
from equitr_coder.domain.task_graph import prerequisites
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.ports import EventSink, Repository

_NAMED = 20


class Footprints:
    """Implements `outcomes.Proof`."""

    def __init__(self, *, plan: Plan, repository: Repository, events: EventSink) -> None:
        self._repository = repository
        self._events = events
        self._claims = {task.id: claim_of(task) for task in plan.tasks}
        self._before = prerequisites(plan)

    async def touched(self, base: CommitId, commit: CommitId) -> tuple[str, ...]:
        """The files that a hand-in changes, and `path::Name` in those that some task claims by symbols."""
        found: list[str] = []
        for path in sorted(await self._repository.changed(base, commit)):
            names = None
            if any(path in claim.symbols for claim in self._claims.values()):
                names = await self._changed_symbols(path, base, commit)
            found += [path] if names is None else [f"{path}::{name}" for name in names] or [path]
        return tuple(found)

    async def examine(
        self, hand_in: HandIn, _old: CommitId, _new: CommitId, _results: Sequence[CheckResult]
    ) -> SentBack | None:
        """Asked about the task's own change, whatever it is merged with."""
        task = hand_in.task.id
        changed = await self._repository.changed(hand_in.base, hand_in.commit)
        if left := self._left(task, changed):
            return SentBack(StopReason.FOOTPRINT_LEFT, _left_words(left, self._claims[task].shown), left)
        for path, names in self._claims[task].symbols.items():
            others = self._sharing(task, path)
            if path not in changed or not others:
                continue
            refusal = await self._examine_parts(hand_in, path, names, others)
            if refusal is not None:
                return refusal
        return None

    async def within(self, task: TaskId, base: CommitId, tree: TreeId) -> TreeId:
        """The tree without what it changes outside the footprint and nobody allowed: where a next attempt begins. Its
        worker could not put that back by itself.
        """
        left = self._left(task, await self._repository.changed(base, tree))
        if not left:
            return tree
        return await self._repository.tree_with(
            tree, {path: await self._repository.show_file(base, path) for path in left}
        )

    def _left(self, task: TaskId, changed: Collection[str]) -> tuple[str, ...]:
        allowed = granted(self._events.view, task)
        return tuple(path for path in outside(self._claims[task], sorted(changed)) if path not in allowed)

    def _sharing(self, task: TaskId, path: str) -> Mapping[TaskId, frozenset[str]]:
        """Other tasks that still have work to do in this file, and may do it at the same time."""
        states = self._events.view.tasks
        return {
            other: claim.symbols[path]
            for other, claim in self._claims.items()
            if other != task
            and path in claim.symbols
            and not states[other].state.is_final
            and other not in self._before[task]
            and task not in self._before[other]
        }

    async def _examine_parts(
        self, hand_in: HandIn, path: str, names: frozenset[str], others: Mapping[TaskId, frozenset[str]]
    ) -> SentBack | None:
        found = await self._changed_symbols(path, hand_in.base, hand_in.commit)
        theirs = ", ".join(f"{other} has {', '.join(sorted(parts))}" for other, parts in others.items())
        if found is None:
            words = f"{path} cannot be read as Python, so nobody can tell whose part of it was changed ({theirs})"
            return SentBack(StopReason.FOOTPRINT_LEFT, words, (path,))
        beyond = [name for name in found if not any(is_within(name, own) for own in names)]
        if not beyond:
            return None
        return SentBack(
            StopReason.FOOTPRINT_LEFT,
            f"in {path} only {', '.join(sorted(names))} and imports are yours to change ({theirs}), but these were "
            f"changed as well: {', '.join(beyond[:_NAMED])}. Make them what they were at the start.",
            (path,),
        )

    async def _changed_symbols(self, path: str, base: CommitId, commit: CommitId) -> tuple[str, ...] | None:
        before = await self._repository.show_file(base, path)
        return changed_symbols(before, await self._repository.show_file(commit, path))


def _left_words(left: Sequence[str], claimed: Sequence[str]) -> str:
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return (
        f"it changes files outside its footprint ({', '.join(claimed)}) that nobody allowed: "
        f"{', '.join(left[:_NAMED])}{more}. They were put back. Do the task without them, and say in the summary what "
        "is missing and why."
    )
