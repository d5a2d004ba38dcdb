"""A person's word on a conflict, as events: what they resolved, or that the worker is to do it again."""

from collections.abc import Sequence
from pathlib import Path

from equitr_coder.domain.commands import AbortConflict, ResolveConflict
from equitr_coder.domain.conflicts import ConflictStage, ConflictState
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import ConflictResolved, Event, TaskChanged
from equitr_coder.domain.ids import CommitId, RequestId, TreeId
from equitr_coder.domain.queries import ConflictAnswer
from equitr_coder.domain.run_view import ConflictView, RunView
from equitr_coder.orchestration.conflict_log import waiting_for_a_person
from equitr_coder.orchestration.markers import left_words, marked_paths
from equitr_coder.ports import Repository


async def settled(view: RunView, repository: Repository, command: ResolveConflict | AbortConflict) -> Sequence[Event]:
    """What to record. Nothing is recorded, and no ref but a kept one has moved, when this raises.

    Raises:
        UserError: it cannot be settled now; says why and what to do.
    """
    found = _waiting(view, command.conflict)
    task = view.tasks[found.conflict.tasks[0]]
    if isinstance(command, AbortConflict):
        again = TaskChanged(
            task=task.id,
            state=TaskState.READY,
            agent=task.agent,
            attempt=task.attempt,
            reason=StopReason.MERGE_CONFLICT,
            detail=f"the user gave {command.conflict} back: it clashes with what has landed in "
            f"{', '.join(found.conflict.paths)}. Merge both there, and remove every conflict marker.",
        )
        return [ConflictResolved(conflict=command.conflict, how="aborted"), again]
    return [await _resolution(view, repository, found, command)]


def open_ones(view: RunView) -> list[ConflictView]:
    """Those that wait for a person."""
    return [found for found in view.conflicts.values() if waiting_for_a_person(view, found)]


async def conflict_answer(view: RunView, repository: Repository, conflict: RequestId) -> ConflictAnswer:
    found = _known(view, conflict)
    ours, theirs = found.conflict.ours, found.conflict.theirs
    task = view.tasks.get(found.conflict.tasks[0])
    if ours is None or theirs is None or task is None or task.base is None:
        return ConflictAnswer()
    paths = found.conflict.paths
    if found.conflict.kind == "finding":
        return ConflictAnswer(theirs=await repository.diff(ours, theirs))
    merged = found.tree or (await repository.forecast(ours, theirs)).marked_tree
    return ConflictAnswer(
        ours=await repository.diff(task.base, ours, paths=paths),
        theirs=await repository.diff(task.base, theirs, paths=paths),
        merged=await repository.diff(ours, merged, paths=paths) if merged is not None else "",
    )


async def _resolution(
    view: RunView, repository: Repository, found: ConflictView, command: ResolveConflict
) -> ConflictResolved:
    conflict = found.conflict
    assert conflict.ours is not None, "a conflict of a hand-in names the tip it was found on"
    if command.take == "proposal":
        if found.state is not ConflictState.PROPOSED or found.commit is None:
            raise UserError(f"nobody has proposed a merge for {conflict.id}", hint=_other_ways(found))
        return ConflictResolved(conflict=conflict.id, how="user", commit=found.commit, detail="the proposal")
    if command.take == "edited":
        tree = await _edited(view, repository, found)
    else:
        tree = await _side(repository, found, command.take)
    title = view.plan.task(conflict.tasks[0]).title if view.plan is not None else ""
    commit = await repository.commit_tree(
        tree, [conflict.ours], f"{conflict.tasks[0]}: {title} ({conflict.id} resolved by the user)"
    )
    await repository.move_ref(f"refs/equitr/{view.epic}/{conflict.id}-user-{commit[:10]}", commit, None)
    words = {"edited": "edited by hand", "ours": "what had landed", "theirs": "what was handed in"}[command.take]
    return ConflictResolved(conflict=conflict.id, how="user", commit=commit, detail=words)


async def _edited(view: RunView, repository: Repository, found: ConflictView) -> TreeId:
    conflict = found.conflict
    assert conflict.ours is not None, "a conflict of a hand-in names the tip it was found on"
    if found.worktree is None or not await repository.take_up_worktree(Path(found.worktree), conflict.ours):
        raise UserError(
            f"the files of {conflict.id} are nowhere to be edited",
            hint=f"equitrcoder resume {view.epic or view.run} lays them out; or {_other_ways(found)}",
        )
    tree = await repository.snapshot(Path(found.worktree))
    marked = await marked_paths(repository, tree, conflict.paths)
    if marked:
        raise UserError(
            left_words(marked),
            hint=f"edit them in {found.worktree}, or take one side: {_other_ways(found)}",
        )
    if tree == found.tree:
        raise UserError(
            f"nothing was decided: the merge is as it was left in {', '.join(conflict.paths)}",
            hint=f"edit them in {found.worktree}, or take one side: {_other_ways(found)}",
        )
    return tree


async def _side(repository: Repository, found: ConflictView, take: str) -> TreeId:
    conflict = found.conflict
    assert conflict.ours is not None, "a conflict of a hand-in names the tip it was found on"
    assert conflict.theirs is not None, "and what was to be merged"
    if conflict.stage is ConflictStage.CHECK:
        raise UserError(
            f"{conflict.id} is about a check that fails on the merged files, not about one side's lines",
            hint=f"edit the files in {found.worktree}, or give it back: equitrcoder conflict abort {conflict.id}",
        )
    forecast = await repository.forecast(conflict.ours, conflict.theirs)
    assert forecast.marked_tree is not None, "what is in conflict does not merge"
    side: CommitId = conflict.ours if take == "ours" else conflict.theirs
    paths = {*forecast.conflicts, *(clash.path for clash in forecast.clashes)}
    return await repository.mixed(forecast.marked_tree, side, paths=paths)


def _waiting(view: RunView, number: RequestId) -> ConflictView:
    found = _known(view, number)
    name = view.epic or view.run
    if found.resolved is not None:
        on = f"{name} has ended ({view.state.value})" if view.state.is_final else f"equitrcoder resume {name} goes on"
        raise UserError(f"{number} is settled already", hint=on)
    if view.state.is_final:
        raise UserError(f"{name} has ended ({view.state.value})", hint="equitrcoder runs lists what can be resumed")
    if found.conflict.kind == "finding":
        raise UserError(
            f"{number} is a verdict that reviewers disagree about, and nothing to merge",
            hint=f"where it is yours to decide you are asked in the run: equitrcoder resume {name}",
        )
    if found.conflict.stage is ConflictStage.FORECAST:
        raise UserError(
            f"{number} is only foreseen: nothing has been handed in yet",
            hint="both workers know of it; it is settled when the second of them lands",
        )
    if not waiting_for_a_person(view, found):
        raise UserError(
            f"{number} is not waiting for you: {found.conflict.tasks[0]} is with its worker again",
            hint=f"equitrcoder resume {name} goes on",
        )
    return found


def _known(view: RunView, number: RequestId) -> ConflictView:
    found = view.conflicts.get(number)
    if found is None:
        name = view.epic or view.run
        raise UserError(f"there is no conflict {number} in {name}", hint="`equitrcoder conflict list` lists them")
    return found


def _other_ways(found: ConflictView) -> str:
    number = found.conflict.id
    ways = [f"equitrcoder conflict resolve {number} --ours (what has landed) or --theirs (what was handed in)"]
    if found.state is ConflictState.PROPOSED:
        ways.insert(0, "--proposal")
    return ", ".join(ways)
