"""Whose worker is at work. It is free for another task once its own is handed in: checking and merging take none."""

import asyncio
from collections.abc import Callable

from equitr_coder.domain.ids import TaskId

_IN_HAND = 2
"""Tasks in hand for each of several workers, those that are checked and merged included: with slow checks nobody runs
far ahead of the branch.
"""


class Seats:
    """As many as workers are allowed at once. With a single one, each task builds on what the one before has landed."""

    def __init__(self, workers: int, *, may_overlap: Callable[[], bool] = lambda: True) -> None:
        """`may_overlap` says whether a task may begin while others are only checked: it needs a worktree of its own."""
        self._workers = workers
        self._may_overlap = may_overlap
        self._most = workers * _IN_HAND if workers > 1 else 1
        self._seated: set[TaskId] = set()
        self._leaving: set[TaskId] = set()
        self._coming: dict[TaskId, asyncio.Future[None] | None] = {}
        """In the order of their coming; with a future when it waits already."""
        self._watchers: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Called when there is a seat for one more."""
        self._watchers.append(changed)

    def free(self, in_hand: int) -> int:
        """For how many tasks more there is one, or will be in a moment, while so many are in hand."""
        taken = len(self._seated) - len(self._leaving) + len(self._coming)
        most = self._most if self._may_overlap() else self._workers
        return max(0, min(self._workers - taken, most - in_hand))

    def expect(self, task: TaskId) -> None:
        """It will come for one of those."""
        self._coming[task] = None

    def keep(self, task: TaskId) -> None:
        """It was at work when the run was interrupted, and goes on."""
        self._seated.add(task)

    def has_one(self, task: TaskId) -> bool:
        """Whether it need not wait: for one that it has, or will be given at once."""
        return task in self._seated or (len(self._seated) < self._workers and not self._queue())

    async def sit(self, task: TaskId) -> None:
        """Returns when it has one. Who waits is served in turn, and before tasks that were not expected yet."""
        if not self.has_one(task):
            turn = self._coming[task] = asyncio.get_running_loop().create_future()
            await turn
        self._coming.pop(task, None)
        self._leaving.discard(task)
        self._seated.add(task)

    def leave_soon(self, task: TaskId) -> None:
        """Another may prepare to come."""
        if task in self._seated:
            self._leaving.add(task)
            self._tell()

    def leave(self, task: TaskId) -> None:
        """Also one that has none, or no longer waits for one."""
        had_one, was_coming = task in self._seated, task in self._coming
        self._coming.pop(task, None)
        self._leaving.discard(task)
        self._seated.discard(task)
        if had_one and (waiting := self._queue()):
            first, turn = waiting[0]
            del self._coming[first]
            self._seated.add(first)
            turn.set_result(None)
        if had_one or was_coming:
            self._tell()

    def _queue(self) -> list[tuple[TaskId, "asyncio.Future[None]"]]:
        return [(task, turn) for task, turn in self._coming.items() if turn is not None and not turn.done()]

    def _tell(self) -> None:
        for changed in self._watchers:
            changed()
