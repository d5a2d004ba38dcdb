"""Where tasks and checks work: linked worktrees of one run, prepared as `.equitr/worktree.yaml` says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CommitId, RequestId, TaskId, TreeId
from equitr_coder.ports import Place, Preparation, Repository


@frozen
class RunPlaces:
    """The folders of one run."""

    root: Path
    """`EQUITR_HOME/worktrees/<workspace>/<run>`."""
    checkout: Path
    """The user's checkout, which commands in a worktree must never reach."""
    git_dir: Path
    links: Mapping[str, Path] = field(default_factory=dict)

    def place(self, root: Path) -> Place:
        return Place(root=root, stands_for=self.checkout, git_dir=self.git_dir, links=self.links)


class Worktrees:
    def __init__(self, *, repository: Repository, places: RunPlaces, preparation: Preparation, gate_slots: int) -> None:
        self._repository = repository
        self._places = places
        self._preparation = preparation
        self._gates: asyncio.Queue[Path] = asyncio.Queue()
        for number in range(1, gate_slots + 1):
            self._gates.put_nowait(places.root / f"gate-{number}")

    def path(self, task: TaskId) -> Path:
        return self._places.root / task

    def place(self, root: Path) -> Place:
        return self._places.place(root)

    async def open(self, task: TaskId, base: CommitId, tree: TreeId | None = None) -> Path:
        """The task's worktree at `base`, or with the content of `tree` on top of it."""
        path = self.path(task)
        await self._repository.add_worktree(path, base)
        if tree is not None:
            await self._repository.restore(path, tree)
        await self._preparation.prepare(self.place(path))
        return path

    async def reset(self, task: TaskId, base: CommitId, tree: TreeId) -> Path:
        """After a crash: the worktree exactly as its last recorded step left it; ignored files stay."""
        path = self.path(task)
        if not path.exists():
            return await self.open(task, base, tree)
        await self._repository.restore(path, tree)
        return path

    @asynccontextmanager
    async def clean_checkout(self, commit: CommitId) -> AsyncIterator[Place]:
        """A checkout of exactly `commit`, prepared, for one check at a time."""
        path = await self._gates.get()
        try:
            await self._repository.add_worktree(path, commit)
            place = self.place(path)
            await self._preparation.prepare(place)
            yield place
        finally:
            self._gates.put_nowait(path)

    def conflict(self, conflict: RequestId) -> Path:
        return self._places.root / f"conflict-{conflict}"

    async def open_conflict(self, conflict: RequestId, base: CommitId, tree: TreeId) -> Path:
        """A place to resolve a conflict in: `base`, with the content of `tree`."""
        path = self.conflict(conflict)
        await self._repository.add_worktree(path, base)
        await self._repository.restore(path, tree)
        return path

    async def close_conflict(self, conflict: RequestId) -> None:
        await self._repository.remove_worktree(self.conflict(conflict))

    async def close(self, task: TaskId) -> None:
        """Give the task's worktree back; its work is kept by refs."""
        await self._repository.remove_worktree(self.path(task))

    async def close_all(self) -> None:
        if not self._places.root.exists():
            return
        for path in sorted(self._places.root.iterdir()):
            await self._repository.remove_worktree(path)
        if not any(self._places.root.iterdir()):
            self._places.root.rmdir()
