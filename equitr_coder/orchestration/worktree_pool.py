"""Worktrees that wait for their next use, for all runs of a workspace: a new one costs every file of the repository.

A worktree is taken out of the pool, and given back, by renaming its folder: two processes can never have the same one.
Whoever takes one resets it; what an earlier use left is in it until then.
"""

from contextlib import suppress
from pathlib import Path

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId, new_id
from equitr_coder.domain.run_view import fold
from equitr_coder.ports import EventStore, Repository

FOLDER = "pool"
GATE = "gate-"
READY = "ready-"
"""How the names begin of checkouts that only serve checks, and of worktrees that no task has had yet: what they hold is
never worth keeping.
"""


class WorktreePool:
    def __init__(self, *, repository: Repository, store: EventStore, workspace: Path, size: int) -> None:
        """`workspace` is `EQUITR_HOME/worktrees/<workspace>`, with a folder for each run and `pool`; `size` is how many
        are kept when a run has ended.
        """
        self._repository = repository
        self._store = store
        self._workspace = workspace
        self._size = size

    @property
    def _root(self) -> Path:
        return self._workspace / FOLDER

    async def take(self, path: Path) -> bool:
        """A waiting worktree, as its last use left it, stands at `path` now; False when none waits."""
        for waiting in _inside(self._root):
            if await self._repository.move_worktree(waiting, path):
                return True
            if _stands(waiting):  # git knows it no more: somebody pruned, or we were killed between two steps
                await self._repository.remove_worktree(waiting)
        return False

    async def give(self, path: Path) -> None:
        """The worktree at `path` waits for its next use; nothing there is fine."""
        if _stands(path) and not await self._repository.move_worktree(path, self._root / new_id("tree")):
            await self._repository.remove_worktree(path)

    async def give_all(self, folder: Path) -> None:
        """Every worktree of a run's folder; the folder goes."""
        for path in _inside(folder):
            await self.give(path)
        _remove_empty(folder)

    async def trim(self) -> None:
        """Down to the size that is kept."""
        for waiting in _inside(self._root)[self._size :]:
            await self._repository.remove_worktree(waiting)

    async def reclaim(self) -> None:
        """What runs have left whose process died: all of those that have ended, of the others what checks and tasks
        that are done used; and what git remembers of those that somebody has deleted.
        """
        await self._repository.forget_worktrees(self._workspace)
        for folder in _inside(self._workspace):
            run = RunId(folder.name)
            if folder.name == FOLDER or self._store.is_owned(run):
                continue
            try:
                async with self._store.lock_run(run):  # no resume begins while we look
                    await self._reclaim(run, folder)
            except UserError:
                continue  # its log cannot be read, or somebody has just resumed it: it is theirs

    async def _reclaim(self, run: RunId, folder: Path) -> None:
        view = fold(await self._store.read(run, transcripts=False))
        if view.state.is_final or not view.seq:
            await self.give_all(folder)
            return
        done = {task.id for task in view.tasks.values() if task.state is TaskState.DONE}
        for path in _inside(folder):
            if path.name.startswith((GATE, READY)) or path.name in done:
                await self.give(path)


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _stands(path: Path) -> bool:
    return path.exists()


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
