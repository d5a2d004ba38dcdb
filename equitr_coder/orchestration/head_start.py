"""Worktrees that are made while a plan is drafted, tried and read, so that its first tasks begin at once.

Making one costs a second for some 20,000 files, and they are made one after the other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.errors import EquitrError
from equitr_coder.domain.ids import CommitId
from equitr_coder.orchestration.worktrees import Worktrees

_AT_FIRST = 3
"""Tasks that can begin at once: few plans have less. What they do not need serves their checks."""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


async def beside_work(
    worktrees: Worktrees, commit: CommitId, *, checks: int, tasks: int, work: Callable[[], Awaitable[_T]]
) -> _T:
    """What `work` answers; while its agents wait for their models, checkouts for so many checks at once are made, and
    worktrees for so many tasks that begin while others are checked.
    """
    failed: Exception | None = None
    async with asyncio.TaskGroup() as group:
        making = group.create_task(
            _tried(worktrees.make_more_ready(commit, checks=checks, tasks=tasks)), name="head start"
        )
        try:
            answer = await work()
        except Exception as error:  # noqa: BLE001 - raised below, as it is and in no group
            failed = error
        finally:
            making.cancel()
    if failed is not None:
        raise failed
    return answer


async def _tried(making: Awaitable[None]) -> None:
    try:
        await making
    except Exception:  # noqa: BLE001 - a head start is all that is lost
        # Whoever needs one will have the same trouble, and says so.
        _log.info("no worktree was made ahead", exc_info=True)


class HeadStart:
    def __init__(self, worktrees: Worktrees, commit: CommitId | None, *, workers: int) -> None:
        """At `commit`, where the work will begin or not far from it; none without one. `workers` is 0 when nothing is
        built yet.
        """
        self._worktrees = worktrees
        self._commit = commit
        self._workers = workers
        self._wanted = 1 + min(_AT_FIRST, workers)
        """With one in which the checks of the plan are tried."""
        self._is_over = False
        self._changed = asyncio.Event()

    def expect(self, plan: Plan) -> None:
        """This may be what is built: as many more as it has tasks that can begin at once."""
        self._wanted = max(self._wanted, 1 + min(self._workers, sum(not task.needs for task in plan.tasks)))
        self._changed.set()

    async def beside(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """What `work` answers, with worktrees made while it goes on. The one that is being made when `work` has ended
        is still made, and none when it has failed.
        """
        stop: EquitrError | None = None
        async with asyncio.TaskGroup() as group:
            making = group.create_task(self._make(), name="head start")
            try:
                answer = await work()
            except EquitrError as error:
                making.cancel()
                stop = error
            else:
                self._is_over = True
                self._changed.set()
        if stop is not None:
            raise stop
        return answer

    async def _make(self) -> None:
        made = 0
        while self._commit is not None:
            self._changed.clear()
            while made < self._wanted and not self._is_over:
                made += 1
                try:
                    await self._worktrees.make_ahead(made, self._commit)
                except Exception:  # noqa: BLE001 - a head start is all that is lost
                    # Whoever opens one will have the same trouble, and says so.
                    _log.info("no worktree was made ahead", exc_info=True)
                    return
            if self._is_over:
                return
            await self._changed.wait()
