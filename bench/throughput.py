"""Measures how much of what a provider allows is used: 8 workers, 200 calls each way, over HTTP, in scaled-down time.

`python bench/throughput.py [--speed 50]`. The server keeps limits per minute as real providers do and refuses some
calls at random. Every row is played twice in one run: through the limiter, and by workers that only wait and try again,
each for itself. The figures are shares of what somebody reaches who knows when each call will be admitted.
"""

import argparse
import asyncio
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.models import Allowance, Delta, ModelRequest, ModelSpec, RateLimits, Reply, Tier, UserMessage
from equitr_coder.testing.rates import Quota, Rates
from equitr_coder.testing.script import Script, ScriptedReply, always
from equitr_coder.testing.server import serve_in_thread

WORKERS = 8
CALLS = 200
LATENCY = 2.0
OUTPUT = 100
MAX_TOKENS = 400

ROWS = (
    ("60 requests a minute", Quota(requests=60)),
    ("60 requests a minute, 5 % random 429/529", Quota(requests=60, faults=0.05)),
    ("60,000 tokens a minute, 5 % random", Quota(tokens=60_000, faults=0.05)),
    ("both, in windows, 5 % random", Quota(requests=60, tokens=80_000, refills="at_once", faults=0.05)),
    ("60 requests, no headers, 5 % random", Quota(requests=60, headers=False, faults=0.05)),
    ("the same without retry-after", Quota(requests=60, headers=False, retry_after=False, faults=0.05)),
    ("60 requests, refusals count, 5 % random", Quota(requests=60, counts_refusals=True, faults=0.05)),
)


@dataclass(frozen=True)
class FastClock:
    """A `ports.Clock` on which `speed` seconds pass in one."""

    speed: float

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


@dataclass(frozen=True)
class FastClient:
    """The router; what the server says of time is told in seconds of the fast clock."""

    router: ModelRouter
    speed: float

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Reply]:
        try:
            async for part in self.router.stream(request):
                yield part.model_copy(update={"limits": self._slow(part.limits)}) if isinstance(part, Reply) else part
        except ModelError as error:
            if error.retry_after is not None:
                error.retry_after *= self.speed
            raise

    def _slow(self, limits: RateLimits | None) -> RateLimits | None:
        return limits and RateLimits(requests=self._slowed(limits.requests), tokens=self._slowed(limits.tokens))

    def _slowed(self, said: Allowance | None) -> Allowance | None:
        return said and said.model_copy(update={"resets_in": (said.resets_in or 0.0) * self.speed})


Ask = Callable[[ModelRequest], Awaitable[Reply | None]]


def paced(client: FastClient, clock: FastClock, router: ModelRouter) -> Ask:
    limiter = RateLimiter(lane_of=router.lane, clock=clock)

    async def on_wait(seconds: float, why: str) -> None:
        """Nobody watches."""

    async def ask(request: ModelRequest) -> Reply | None:
        async with limiter.slot(request, on_wait=on_wait) as slot:
            try:
                *_, reply = [part async for part in client.stream(request)]
            except ModelError as error:
                slot.refused(error)
                return None
            assert isinstance(reply, Reply)
            slot.answered(reply.limits)
            return reply

    return ask


def each_for_itself(client: FastClient, clock: FastClock) -> Ask:
    tries: dict[ModelRequest, int] = {}

    async def ask(request: ModelRequest) -> Reply | None:
        try:
            *_, reply = [part async for part in client.stream(request)]
        except ModelError as error:
            number = tries[request] = tries.get(request, 0) + 1
            backoff = min(60.0, 0.5 * 2.0**number)
            await clock.sleep(backoff if error.retry_after is None else error.retry_after)
            return None
        assert isinstance(reply, Reply)
        return reply

    return ask


async def play(ask: Ask, requests: list[ModelRequest]) -> tuple[float, int, int]:
    """Seconds, answers and refusals until every request is answered."""
    todo, answered, refused = list(requests), 0, 0
    started = time.monotonic()

    async def work() -> None:
        nonlocal answered, refused
        while todo:
            request = todo.pop()
            while await ask(request) is None:
                refused += 1
            answered += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
    return time.monotonic() - started, answered, refused


def ideal_seconds(quota: Quota, costs: list[int]) -> float:
    rates = Rates(quota.model_copy(update={"faults": 0.0}))
    free = [0.0] * WORKERS
    for cost in costs:
        free.sort()
        now = rates.earliest(cost, free[0])
        while rates.admit(cost, now) is not None:
            now += 1e-3
        free[0] = now + LATENCY
    return max(free)


async def measure(quota: Quota, speed: float) -> tuple[str, ...]:
    """A row of the table."""
    cells: list[str] = []
    reply = ScriptedReply(text="x" * 4 * OUTPUT, delay=LATENCY / speed)
    script = Script(rules=(always(reply),), quota=quota.model_copy(update={"minute": 60.0 / speed}))
    for way in ("paced", "each"):
        with serve_in_thread(script) as server:
            router = ModelRouter(keys=EnvironmentKeys({}))
            client, clock = FastClient(router, speed), FastClock(speed)
            spec = ModelSpec(name="stub/m", tier=Tier.WEAK, api_base=server.url)
            requests = [
                ModelRequest(
                    model=spec,
                    system="s" * 2000,
                    messages=(UserMessage(text=f"{number}" + "q" * (400 + number % 7 * 400)),),
                    max_tokens=MAX_TOKENS,
                )
                for number in range(CALLS)
            ]
            ask = paced(client, clock, router) if way == "paced" else each_for_itself(client, clock)
            seconds, answered, refused = await play(ask, requests)
            await router.close()
            costs = [1] * CALLS
            if quota.tokens is not None:
                sizes = (len(str(one.body["messages"])) for one in server.requests if one.status == 200)
                costs = [size // 4 + MAX_TOKENS for size in sizes]
        assert answered == CALLS
        cells += [f"{ideal_seconds(quota, costs) / (seconds * speed):.0%}", str(refused)]
    return tuple(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=50.0, help="how many seconds pass in one")
    speed = parser.parse_args().speed
    print(
        f"{platform.platform()}, Python {platform.python_version()}; {WORKERS} workers, {CALLS} calls, {speed:g} times"
    )
    print(f"{'provider':44}{'limiter':>9}{'refused':>9}{'without':>9}{'refused':>9}")
    for name, quota in ROWS:
        used, refused, used_alone, refused_alone = asyncio.run(measure(quota, speed))
        print(f"{name:44}{used:>9}{refused:>9}{used_alone:>9}{refused_alone:>9}", flush=True)


if __name__ == "__main__":
    main()
