"""What finished runs have left in git and on disk, and its removal. Branches stay, and so do runs that can go on."""

from collections.abc import Sequence
from pathlib import Path

from equitr_coder.domain.ids import RunId
from equitr_coder.domain.queries import LostCommit, Prunable, PruneAnswer, SparedRun
from equitr_coder.domain.run_view import RunView
from equitr_coder.ports import Repository


class Pruning:
    def __init__(self, *, repository: Repository, worktrees: Path) -> None:
        """`worktrees` is the folder that holds one folder for each run."""
        self._repository = repository
        self._worktrees = worktrees

    async def prune(self, views: Sequence[RunView], *, owned: set[RunId], delete: bool) -> PruneAnswer:
        """What could go of `views`; with `delete` it goes, and the answer is what went."""
        refs = await self._repository.refs("refs/equitr/")
        rows: list[Prunable] = []
        spared: list[SparedRun] = []
        doomed: list[str] = []
        folders: list[Path] = []
        for view in views:
            own = sorted(ref for ref in refs if ref.startswith(_prefixes(view)))
            places = self._places(view.run)
            if not own and not places:
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
