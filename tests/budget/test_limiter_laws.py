"""What holds whatever happens: order, nothing left behind, nobody stuck."""

import asyncio
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.budget.meter import Meter
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import Allowance, ModelRequest, ModelSpec, RateLimits, Tier, UserMessage
from equitr_coder.ports import Lane
from equitr_coder.testing.clock import ManualClock

SYSTEM = "the beginning that all share " * 200
FATES = ("answered", "refused", "overloaded", "failed", "silent", "cancelled")


def schedules() -> st.SearchStrategy[list[tuple[str, float, float, int]]]:
    """What becomes of each call, how long it takes, when it is cancelled, and what its headers say is left."""
    call = st.tuples(
        st.sampled_from(FATES), st.floats(0.0, 5.0), st.floats(0.0, 20.0), st.integers(min_value=-1, max_value=20)
    )
    return st.lists(call, min_size=1, max_size=24)


async def play(
    schedule: list[tuple[str, float, float, int]], *, seed: int
) -> tuple[RateLimiter, Counter[str], list[int]]:
    clock = ManualClock(auto=True)
    limiter = RateLimiter(
        lane_of=lambda _: Lane("lane", "p", caches_prefixes=True), clock=clock, spread=random.Random(seed).random
    )
    ended: Counter[str] = Counter()
    order: list[int] = []

    async def on_wait(seconds: float, why: str) -> None:
        assert seconds > 0
        ended[f"told {asyncio.current_task().get_name()}"] += 1  # type: ignore[union-attr]

    async def call(number: int, fate: str, takes: float, left: int) -> None:
        spec = ModelSpec(name="m", tier=Tier.WEAK)
        request = ModelRequest(
            model=spec, system=SYSTEM if number % 2 else "", messages=(UserMessage(text="x"),), max_tokens=100
        )
        async with limiter.slot(request, on_wait=on_wait) as slot:
            order.append(number)
            await clock.sleep(takes)
            limits = RateLimits(requests=Allowance(limit=20, remaining=left, resets_in=30.0)) if left >= 0 else None
            if fate == "answered":
                slot.has_begun()
                await clock.sleep(takes)
                slot.answered(limits)
            elif fate in ("refused", "overloaded"):
                kind = ModelErrorKind.RATE_LIMITED if fate == "refused" else ModelErrorKind.SERVER
                status = 429 if fate == "refused" else 529
                wait = float(left) if left >= 0 else None
                slot.refused(ModelError("no", kind=kind, provider="p", status=status, retry_after=wait))
            elif fate == "failed":
                raise ValueError("the adapter has a bug")
        ended[fate] += 1

    async def cancel(task: "asyncio.Task[None]", when: float) -> None:
        await clock.sleep(when)
        task.cancel()

    async def guarded(number: int, fate: str, takes: float, left: int) -> None:
        try:
            await call(number, fate, takes, left)
        except ValueError:
            ended["failed"] += 1

    async with asyncio.TaskGroup() as group:
        for number, (fate, takes, when, left) in enumerate(schedule):
            task = group.create_task(guarded(number, fate, takes, left), name=str(number))
            if fate == "cancelled":
                group.create_task(cancel(task, when))
    return limiter, ended, order


@settings(max_examples=60, deadline=None)
@given(schedules(), st.integers(0, 3))
def test_every_call_gets_its_turn_and_nothing_is_left_behind(
    schedule: list[tuple[str, float, float, int]], seed: int
) -> None:
    limiter, ended, order = asyncio.run(play(schedule, seed=seed))

    assert limiter.waiting() == {"lane": 0}
    assert limiter.going() == {"lane": 0}
    wanted = Counter(fate for fate, *_ in schedule)
    for fate in ("answered", "refused", "overloaded", "failed", "silent"):
        assert ended[fate] == wanted[fate]
    assert max((count for name, count in ended.items() if name.startswith("told")), default=0) <= 1
    assert len(order) == len(set(order))


@settings(max_examples=60, deadline=None)
@given(schedules())
def test_calls_that_do_not_wait_for_a_beginning_go_in_the_order_in_which_they_came(
    schedule: list[tuple[str, float, float, int]],
) -> None:
    _, _, order = asyncio.run(play(schedule, seed=0))

    plain = [number for number in order if number % 2 == 0]
    assert plain == sorted(plain)


@given(
    limit=st.integers(1, 1000),
    costs=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.1, 50.0)), min_size=1, max_size=60),
)
def test_a_meter_that_is_obeyed_never_takes_more_than_the_limit_allows(
    limit: int, costs: list[tuple[float, float]]
) -> None:
    meter = Meter()
    meter.hear(Allowance(limit=limit, remaining=limit, resets_in=0.0), 1, 0.0)
    now, taken = 0.0, 0.0

    for number, (pause, cost) in enumerate(costs, start=2):
        now += pause
        now += meter.wait(cost, now)
        meter.take(number, min(cost, limit), now)
        taken += min(cost, limit)
        assert taken <= limit + now * limit / 60.0 + 1e-3
