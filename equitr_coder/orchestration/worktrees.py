"""Where tasks and checks work: linked worktrees of one run, prepared as `.equitr/worktree.yaml` says."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CommitId, RequestId, TaskId, TreeId
from equitr_coder.orchestration.stopwatch import span
from equitr_coder.orchestration.worktree_pool import GATE, READY, WorktreePool
from equitr_coder.ports import Lease, Leases, Place, Preparation, Repository

_OPENED_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
"""Git fills one worktree with several cores. And workers that begin a moment apart stay apart: those that begin
together need this process together at every step, and each waits for all.
"""
_QUICK = 0.25
"""Seconds that a checkout may take which is made in case it is needed."""


@frozen
class RunPlaces:
    """The folders of one run."""

    root: Path
    """`EQUITR_HOME/worktrees/<workspace>/<run>`."""
    checkout: Path
    """The user's checkout, which commands in a worktree must never reach."""
    git_dir: Path
    links: Mapping[str, Path] = field(default_factory=dict)

    def place(self, root: Path, variables: Mapping[str, str]) -> Place:
        return Place(root=root, stands_for=self.checkout, git_dir=self.git_dir, links=self.links, variables=variables)


class Worktrees:
    """Of one run. Each has a lease of its own while it is used; gate checkouts keep theirs until the run ends."""

    def __init__(
        self,
        *,
        repository: Repository,
        places: RunPlaces,
        preparation: Preparation,
        pool: WorktreePool,
        leases: Leases,
        gate_slots: int,
    ) -> None:
        self._repository = repository
        self._places = places
        self._preparation = preparation
        self._pool = pool
        self._leases = leases
        self._held: dict[Path, Lease] = {}
        self._free = sorted(places.root.glob(f"{READY}*"))
        """Made ahead (some perhaps by a process that died), or of tasks that are done: for the tasks that come."""
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._cost = 0.0
        """Seconds that the last new worktree took."""
        self._openers = 0
        self._nobody_opens = asyncio.Event()
        self._gates: asyncio.LifoQueue[Path] = asyncio.LifoQueue()  # the one used last is the quickest to reset
        for number in range(gate_slots, 0, -1):
            self._gates.put_nowait(places.root / f"{GATE}{number}")

    def path(self, task: TaskId) -> Path:
        return self._places.root / task

    def place(self, root: Path) -> Place:
        if root not in self._held:
            self._held[root] = self._leases.take()
        return self._places.place(root, self._held[root].variables)

    async def open(self, task: TaskId, base: CommitId, tree: TreeId | None = None) -> Path:
        """The task's worktree at `base`, or with the content of `tree` on top of it."""
        path = self.path(task)
        self._openers += 1
        self._nobody_opens.clear()
        try:
            with span("worktree"):
                async with self._opening:
                    await self._make_ready(path, base)
                    if tree is not None:
                        await self._repository.restore(path, tree)
        finally:
            self._openers -= 1
            if not self._openers:
                self._nobody_opens.set()
        with span("worktree"):
            await self._preparation.prepare(self.place(path))
        return path

    @property
    def are_quick(self) -> bool:
        """Whether a new one takes less than a task would gain by not waiting for one that is used."""
        return self._cost <= _QUICK

    async def make_ahead(self, number: int, commit: CommitId) -> float:
        """A worktree at `commit` for whatever task comes; no other has this `number`. Answers the seconds it took."""
        path = self._places.root / f"{READY}{number}"
        if path in self._free or _stands(path):  # or somebody is just taking it
            return 0.0
        async with self._opening:
            started = _seconds()
            await self._make(path, commit)
            try:
                await self._repository.snapshot(path)  # every file is looked at once: the first step would wait for it
            finally:
                self._free.append(path)
            return _seconds() - started

    async def make_more_ready(self, commit: CommitId, *, checks: int, tasks: int) -> None:
        """Checkouts at `commit` for so many checks at once, and worktrees for so many tasks that begin while others are
        checked: while no task waits for its own, and not before one has it. No more when making one takes long, because
        as many are rarely needed.
        """
        for number in range(1, max(checks, tasks) + 1):
            await self._nobody_opens.wait()
            if number <= checks and await self._make_checkout(commit, checks) > _QUICK:
                return
            await self._nobody_opens.wait()
            if number <= tasks and await self.make_ahead(number, commit) > _QUICK:
                return

    async def _make_checkout(self, commit: CommitId, most: int) -> float:
        async with self._opening:
            path = self._unmade_checkout(most)
            if path is None:
                return 0.0
            started = _seconds()
            try:
                await self._make(path, commit)
            finally:
                self._gates.put_nowait(path)
            return _seconds() - started

    def _unmade_checkout(self, most: int) -> Path | None:
        """One of the first `most` that nobody has used, taken out of those that are free."""
        free = [self._gates.get_nowait() for _ in range(self._gates.qsize())]
        wanted = {self._places.root / f"{GATE}{number}" for number in range(1, most + 1)}
        found = next((path for path in free if path in wanted and not _stands(path)), None)
        for path in reversed(free):
            if path != found:
                self._gates.put_nowait(path)
        return found

    async def reset(self, task: TaskId, base: CommitId, tree: TreeId) -> Path:
        """After a crash: the worktree exactly as its last recorded step left it; ignored files stay."""
        path = self.path(task)
        if not await self._repository.take_up_worktree(path, base):
            return await self.open(task, base, tree)
        await self._repository.restore(path, tree)
        return path

    @asynccontextmanager
    async def clean_checkout(self, commit: CommitId) -> AsyncIterator[Place]:
        """A checkout of exactly `commit`, prepared, for one check at a time."""
        path = await self._gates.get()
        try:
            with span("worktree"):
                await self._make_ready(path, commit)
                place = self.place(path)
                await self._preparation.prepare(place)
            yield place
        finally:
            self._gates.put_nowait(path)

    def conflict(self, conflict: RequestId) -> Path:
        return self._places.root / f"conflict-{conflict}"

    async def has_conflict(self, conflict: RequestId, base: CommitId) -> bool:
        """Whether the place to resolve it in is still there; what stands in it is not touched."""
        return await self._repository.take_up_worktree(self.conflict(conflict), base)

    async def open_conflict(self, conflict: RequestId, base: CommitId, tree: TreeId) -> Path:
        """A place to resolve a conflict in: `base`, with the content of `tree`."""
        path = self.conflict(conflict)
        await self._make_ready(path, base)
        await self._repository.restore(path, tree)
        return path

    async def close_conflict(self, conflict: RequestId) -> None:
        await self._pool.give(self.conflict(conflict))

    async def _make_ready(self, path: Path, commit: CommitId) -> None:
        if path in self._free:
            self._free.remove(path)
        if _stands(path) or await self._take_free(path):
            await self._repository.add_worktree(path, commit)
        else:
            await self._make(path, commit)

    async def _make(self, path: Path, commit: CommitId) -> None:
        started = _seconds()
        if not _stands(path):
            await self._pool.take(path)
        await self._repository.add_worktree(path, commit)
        self._cost = _seconds() - started

    async def _take_free(self, path: Path) -> bool:
        while self._free:
            free = self._free.pop()
            if await self._repository.move_worktree(free, path):
                return True
            await self._repository.remove_worktree(free)  # git knows it no more
        return False

    def close(self, task: TaskId) -> None:
        """The task's worktree is free for another task of the run; its work is kept by refs."""
        path = self.path(task)
        self._release(path)
        if path not in self._free and _stands(path):
            self._free.append(path)

    async def close_all(self) -> None:
        self._free.clear()
        await self._pool.give_all(self._places.root)
        self.release()
        await self._pool.trim()

    def release(self) -> None:
        """The leases of all of them: nothing runs in there any more."""
        for path in tuple(self._held):
            self._release(path)

    def _release(self, path: Path) -> None:
        if (lease := self._held.pop(path, None)) is not None:
            lease.release()


def _seconds() -> float:
    return asyncio.get_running_loop().time()


def _stands(path: Path) -> bool:
    return path.exists()
