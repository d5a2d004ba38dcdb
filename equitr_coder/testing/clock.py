"""A clock that stands until it is moved: time-outs, pauses and schedules become exact and take no time."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

_TURNS = 50
"""How often everybody else gets a turn of the event loop before time moves on."""


class ManualClock:
    """Implements `ports.Clock`. Sleepers wake, in order, when `advance` passes their time.

    With `auto`, whoever sleeps moves the clock on as soon as all others had their turns and it is the next to wake.
    `slept` lists every pause that was asked for.
    """

    def __init__(self, *, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), auto: bool = False) -> None:
        self._start = start
        self._elapsed = 0.0
        self._auto = auto
        self._numbers = count()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        sleeper = (self._elapsed + max(0.0, seconds), next(self._numbers), asyncio.Event())
        heapq.heappush(self._sleepers, sleeper)
        try:
            while not sleeper[2].is_set():
                if not self._auto:
                    await sleeper[2].wait()
                    continue
                await _let_others_run()
                if self._sleepers and self._sleepers[0] is sleeper:
                    self._wake_next()
        finally:
            if not sleeper[2].is_set():
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move time on, waking everybody whose time comes on the way, also those who sleep again meanwhile."""
        await _let_others_run()
        end = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self._wake_next()
            await _let_others_run()
        self._elapsed = max(self._elapsed, end)

    @property
    def sleeping(self) -> int:
        return len(self._sleepers)

    def _wake_next(self) -> None:
        moment, _, is_time = heapq.heappop(self._sleepers)
        self._elapsed = max(self._elapsed, moment)
        is_time.set()


async def _let_others_run() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
