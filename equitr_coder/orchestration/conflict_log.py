"""The conflicts of a run as its log has them: numbered here and nowhere else, found again after a restart."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from equitr_coder.domain.conflicts import Conflict, ConflictStage, ConflictState
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.events import ConflictFound, ConflictResolved, Event, MergeLanded
from equitr_coder.domain.ids import CommitId, RequestId, TaskId
from equitr_coder.domain.run_view import ConflictView, RunView
from equitr_coder.ports import EventSink

_MERGED_BY = ("structure", "proposal", "user")


class ConflictLog:
    """One for a run: two that are found at the same moment get two numbers."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._turn = asyncio.Lock()

    async def open(
        self, conflict: Conflict, then: Callable[[RequestId], Sequence[Event]] = lambda _: ()
    ) -> ConflictView:
        """Record it under the next number, in one transaction with what `then` makes of that number. One that was
        foreseen and has come true keeps its number.
        """
        async with self._turn:
            known = self._events.view.conflicts
            number = _foreseen(known.values(), conflict) or RequestId(f"C{len(known) + 1}")
            named = conflict.model_copy(update={"id": number})
            await self._events.record(ConflictFound(conflict=named), *then(named.id))
            return known[named.id]


def _foreseen(known: Iterable[ConflictView], conflict: Conflict) -> RequestId | None:
    if conflict.stage is not ConflictStage.MERGE:
        return None
    return next(
        (
            found.conflict.id
            for found in known
            if found.is_open
            and found.conflict.stage is ConflictStage.FORECAST
            and set(found.conflict.tasks) <= set(conflict.tasks)
            and set(found.conflict.paths) & set(conflict.paths)
        ),
        None,
    )


def of_attempt(view: RunView, task: TaskId, attempt: int) -> list[ConflictView]:
    """What did not fit in this attempt's hand-in, oldest first."""
    return [
        found
        for found in view.conflicts.values()
        if found.conflict.kind == "file"
        and found.conflict.stage is not ConflictStage.FORECAST
        and found.conflict.tasks[0] == task
        and found.conflict.attempt == attempt
    ]


def standing_commit(view: RunView, task: TaskId, attempt: int, handed_in: CommitId) -> CommitId:
    """What is to be merged for an attempt: the newest resolution or proposal in the place of what was handed in."""
    commit = handed_in
    for found in of_attempt(view, task, attempt):
        if found.resolved is not None and found.resolved.how in _MERGED_BY and found.resolved.commit is not None:
            commit = found.resolved.commit
        elif found.state is ConflictState.PROPOSED and found.commit is not None:
            commit = found.commit
    return commit


def landed_since(view: RunView, base: CommitId) -> list[MergeLanded]:
    """Tasks that came onto the branch after `base`, in order."""
    commits = [landing.commit for landing in view.landings]
    after = commits.index(base) + 1 if base in commits else 0
    return [landing for landing in view.landings[after:] if landing.task is not None]


def waiting_for_a_person(view: RunView, found: ConflictView) -> bool:
    """Its task stands still until somebody says how it merges. A verdict is asked for as an approval instead."""
    task = view.tasks.get(found.conflict.tasks[0])
    return (
        found.is_open
        and found.conflict.kind == "file"
        and found.state in (ConflictState.ESCALATED, ConflictState.PROPOSED)
        and task is not None
        and task.state is TaskState.REVIEW
        and task.attempt == found.conflict.attempt
    )


def ended_with(view: RunView, task: TaskId, commit: CommitId | None) -> list[ConflictResolved]:
    """What is settled now that the task is on the branch (`commit`), or that it never will be (None)."""
    resolved: list[ConflictResolved] = []
    others_open = _in_flight(view) - {task}
    for found in _open_with(view, task):
        conflict = found.conflict
        if conflict.stage is ConflictStage.FORECAST:
            if commit is not None and others_open & set(conflict.tasks):
                continue  # the other one has still to be merged with it
            how = _how_it_passed(view, conflict.tasks)
            resolved.append(ConflictResolved(conflict=conflict.id, how=how, commit=commit))
        elif conflict.tasks[0] == task:
            how = "worker" if commit is not None else "aborted"
            resolved.append(ConflictResolved(conflict=conflict.id, how=how, commit=commit))
    return resolved


def _how_it_passed(view: RunView, tasks: Iterable[TaskId]) -> str:
    """As the clash that came of it was resolved; `passed` when none came."""
    pair = set(tasks)
    came = [
        f for f in view.conflicts.values() if f.conflict.stage is ConflictStage.MERGE and pair <= {*f.conflict.tasks}
    ]
    if not came:
        return "passed"
    return came[-1].resolved.how if came[-1].resolved is not None else "worker"


def _open_with(view: RunView, task: TaskId) -> list[ConflictView]:
    return [found for found in view.conflicts.values() if found.is_open and task in found.conflict.tasks]


def _in_flight(view: RunView) -> set[TaskId]:
    return {task.id for task in view.tasks.values() if not task.state.is_final}
