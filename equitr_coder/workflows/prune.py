"""What finished runs have left in git and on disk, and its removal. Branches stay, and so do runs that can go on."""

from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from pathlib import Path

from equitr_coder.domain.ids import RunId
from equitr_coder.domain.queries import LostCommit, Prunable, PruneAnswer, RunSummary, SparedRun
from equitr_coder.domain.run_view import RunView
from equitr_coder.ports import Repository


def chosen(rows: Sequence[RunSummary], *, before: datetime | None, keep: int | None) -> list[RunId]:
    """Of runs, newest first: those that ended before, and not the newest `keep` finished ones."""
    finished = [row.run for row in rows if row.state.is_final]
    spared = set(finished[: keep or 0])
    return [row.run for row in rows if row.run not in spared and (before is None or row.last < before)]


def logs_alone(views: Sequence[RunView], owned: Set[RunId]) -> Iterator[Prunable]:
    """Finished runs of a plain folder: there is no git to look into."""
    for view in views:
        if view.state.is_final and view.run not in owned:
            yield Prunable(
                run=view.run, epic=view.epic, state=view.state, refs=(), worktrees=(), lost=(), records=view.seq
            )


class Pruning:
    def __init__(self, *, repository: Repository, worktrees: Path) -> None:
        """`worktrees` is the folder that holds one folder for each run."""
        self._repository = repository
        self._worktrees = worktrees

    async def prune(
        self, views: Sequence[RunView], *, owned: set[RunId], delete: bool, logs: bool = False
    ) -> PruneAnswer:
        """What could go of `views`; with `delete` it goes, and the answer is what went. With `logs` a run is named
        too whose log is all that is left of it; whoever asks deletes that.
        """
        refs = await self._repository.refs("refs/equitr/")
        rows: list[Prunable] = []
        spared: list[SparedRun] = []
        doomed: list[str] = []
        folders: list[Path] = []
        for view in views:
            own = sorted(ref for ref in refs if ref.startswith(_prefixes(view)))
            places = self._places(view.run)
            if not own and not places and not (logs and view.state.is_final and view.run not in owned):
                continue
            if not view.state.is_final or view.run in owned:
                why = "it is at work" if view.run in owned else f"it can go on ({view.state.value})"
                spared.append(SparedRun(run=view.run, epic=view.epic, why=why, refs=len(own)))
                continue
            lost = await self._repository.kept_by_alone(own)
            rows.append(
                Prunable(
                    run=view.run,
                    epic=view.epic,
                    state=view.state,
                    refs=tuple(own),
                    worktrees=tuple(str(place) for place in places),
                    records=view.seq if logs else 0,
                    lost=tuple(LostCommit(commit=commit, subject=subject) for commit, subject in lost),
                )
            )
            doomed += own
            folders += places
        size = await self._repository.size_kept_by_alone(doomed)
        if delete:
            for folder in folders:
                await self._repository.remove_worktree(folder)
                if not any(folder.parent.iterdir()):
                    folder.parent.rmdir()
            await self._repository.delete_refs(doomed)
        return PruneAnswer(runs=tuple(rows), spared=tuple(spared), size=size, deleted=delete)

    def _places(self, run: RunId) -> list[Path]:
        folder = self._worktrees / run
        return sorted(place for place in folder.iterdir() if place.is_dir()) if folder.is_dir() else []


def _prefixes(view: RunView) -> tuple[str, ...]:
    """Under `refs/equitr/`: hand-ins and merges of an epic, trees of steps, checkpoints of a chat."""
    # Before its approval an epic has none: what bears its number is of another checkout of the same repository.
    of_epic = (f"refs/equitr/{view.epic}/",) if view.epic and view.is_approved else ()
    return (*of_epic, f"refs/equitr/keep/{view.run}/", f"refs/equitr/checkpoints/{view.run}/")
