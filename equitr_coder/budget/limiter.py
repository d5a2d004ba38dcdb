"""Paces the model calls of all agents of the process, so that providers rarely have to refuse one.

Decides only when a call may go. It sends nothing, never retries, and holds no money.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from equitr_coder.budget.claim import Claim, Why
from equitr_coder.budget.lane import Lane
from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.models import ModelRequest, ModelSpec, RateLimits
from equitr_coder.ports import Clock
from equitr_coder.ports import Lane as LaneName

OnWait = Callable[[float, Why], Awaitable[None]]


class RateLimiter:
    """Implements `ports.Limiter`.

    Calls of one lane go in the order in which they came, model by model. What holds them back:

    - the provider's own limits, per model, as its headers state them (`Meter`);
    - a pause of the whole lane after a refusal, as long as the provider says or growing from half a second;
    - without headers, a rate and a number of parallel calls that are learnt: down by a factor, up by steps;
    - another call with the same beginning that is on its way, where the provider caches beginnings.
    """

    def __init__(
        self,
        *,
        lane_of: Callable[[ModelSpec], LaneName],
        clock: Clock,
        spread: Callable[[], float] = lambda: random.uniform(0.75, 1.25),  # noqa: S311 - protects nothing
    ) -> None:
        self._lane_of = lane_of
        self._clock = clock
        self._spread = spread
        self._lanes: dict[str, Lane] = {}

    @asynccontextmanager
    async def slot(self, request: ModelRequest, *, on_wait: OnWait) -> "AsyncIterator[_Slot]":
        lane = self._lane(request.model)
        claim = lane.enter(request)
        try:
            while not claim.may_go:
                seconds = claim.due - self._clock.monotonic()
                if claim.is_long and not claim.is_told:
                    claim.is_told = True
                    await on_wait(seconds, claim.why)
                else:
                    await self._until_changed(claim, seconds)
                    lane.serve()
            claim.is_taken = True
            yield _Slot(lane, claim)
        finally:
            lane.leave(claim)

    def waiting(self) -> Mapping[str, int]:
        """How many calls wait, by lane."""
        return {name: len(lane.queue) for name, lane in self._lanes.items()}

    def going(self) -> Mapping[str, int]:
        """How many calls are on their way, by lane."""
        return {name: len(lane.going) for name, lane in self._lanes.items()}

    def _lane(self, spec: ModelSpec) -> "Lane":
        lane = self._lane_of(spec)
        if lane.name not in self._lanes:
            self._lanes[lane.name] = Lane(self._clock, self._spread, caches_prefixes=lane.caches_prefixes)
        return self._lanes[lane.name]

    async def _until_changed(self, claim: "Claim", seconds: float) -> None:
        """Until the lane has news for this call, or the time it was given has come."""
        if not claim.is_timed:
            await claim.news.wait()
        elif not claim.news.is_set():
            async with asyncio.TaskGroup() as group:
                timer = group.create_task(self._clock.sleep(max(0.0, seconds)))
                timer.add_done_callback(lambda _: claim.news.set())
                await claim.news.wait()
                timer.cancel()
        claim.news.clear()


class _Slot:
    """Implements `ports.Slot`."""

    def __init__(self, lane: "Lane", claim: "Claim") -> None:
        self._lane = lane
        self._claim = claim

    def has_begun(self) -> None:
        self._lane.has_begun(self._claim)

    def answered(self, limits: RateLimits | None) -> None:
        self._lane.answered(self._claim, limits)

    def refused(self, error: ModelError) -> None:
        self._lane.refused(self._claim, error)
