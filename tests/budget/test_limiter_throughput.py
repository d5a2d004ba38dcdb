"""A provider with limits per minute, on virtual time: how much of what it allows is used, and how often it refuses."""

import asyncio
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.models import ModelRequest, ModelSpec, Reply, Tier, UserMessage
from equitr_coder.ports import Lane
from equitr_coder.testing.clock import ManualClock
from equitr_coder.testing.rates import Quota, Rates
from equitr_coder.testing.script import Script, ScriptedReply, always
from equitr_coder.testing.scripted_model import ScriptedModel

WORKERS = 8
CALLS = 200
LATENCY = 2.0
OUTPUT = 100


@dataclass(frozen=True)
class Measured:
    answered: int
    refused: int
    seconds: float
    ideal: float
    """Seconds of somebody who knows at every moment when the provider admits the next call."""

    @property
    def share(self) -> float:
        return self.ideal / self.seconds


async def measure(quota: Quota, *, max_tokens: int = 400, latency: float = LATENCY) -> Measured:
    clock = ManualClock(auto=True)
    model = ScriptedModel(
        Script(rules=(always(ScriptedReply(text="x" * 4 * OUTPUT, delay=latency)),), quota=quota), clock=clock
    )
    chance = random.Random(quota.seed)
    limiter = RateLimiter(lane_of=lambda _: Lane("l"), clock=clock, spread=lambda: chance.uniform(0.75, 1.25))
    todo = [request_of(number, max_tokens) for number in range(CALLS)]
    costs: list[int] = []
    refused = 0

    async def on_wait(seconds: float, why: str) -> None:
        assert seconds >= 0.9

    async def ask(request: ModelRequest) -> Reply | None:
        async with limiter.slot(request, on_wait=on_wait) as slot:
            try:
                *_, reply = [part async for part in model.stream(request)]
            except ModelError as error:
                slot.refused(error)
                return None
            assert isinstance(reply, Reply)
            slot.answered(reply.limits)
            return reply

    async def work() -> None:
        nonlocal refused
        while todo:
            request = todo.pop()
            while (reply := await ask(request)) is None:
                refused += 1
            usage = reply.usage
            costs.append(usage.input + (max_tokens if quota.counts == "asked" else usage.output))

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
    return Measured(len(costs), refused, clock.monotonic(), ideal_seconds(quota, costs, latency))


def request_of(number: int, max_tokens: int) -> ModelRequest:
    spec = ModelSpec(name="m", tier=Tier.WEAK)
    text = "q" * (400 + number % 7 * 400)
    return ModelRequest(model=spec, system="s" * 2000, messages=(UserMessage(text=text),), max_tokens=max_tokens)


def ideal_seconds(quota: Quota, costs: list[int], latency: float) -> float:
    rates = Rates(quota.model_copy(update={"faults": 0.0}))
    free = [0.0] * WORKERS
    now = 0.0
    for cost in costs:
        free.sort()
        now = rates.earliest(cost, max(now, free[0]))
        while rates.admit(cost, now) is not None:
            now += 1e-3
        free[0] = now + latency
    return max(free)


@settings(max_examples=25, deadline=None)
@given(
    requests=st.sampled_from([None, 30, 60, 120]),
    tokens=st.sampled_from([20_000, 60_000]),
    refills=st.sampled_from(["evenly", "at_once"]),
    counts=st.sampled_from(["asked", "used"]),
    counts_refusals=st.booleans(),
    retry_after=st.booleans(),
    faults=st.sampled_from([0.0, 0.05, 0.1]),
    seed=st.integers(0, 1000),
)
def test_with_headers_nine_tenths_of_what_is_allowed_are_used_and_no_call_fails(**quota: object) -> None:
    measured = asyncio.run(measure(Quota.model_validate(quota)))

    assert measured.answered == CALLS
    assert measured.share >= 0.9, measured


@pytest.mark.sample(4)
@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize("refills", ["evenly", "at_once"])
@pytest.mark.parametrize("faults", [0.0, 0.05])
@pytest.mark.parametrize("limits", [{"requests": 60}, {"requests": 20}, {"tokens": 60_000}])
async def test_without_headers_the_rate_is_learnt_from_refusals(
    limits: dict[str, int], faults: float, refills: str, retry_after: bool
) -> None:
    terms = {"headers": False, "retry_after": retry_after, "refills": refills, "faults": faults}

    measured = await measure(Quota.model_validate(limits | terms))

    assert measured.answered == CALLS
    assert measured.share >= 0.9, measured


@pytest.mark.parametrize("counts", ["asked", "used"])
async def test_a_provider_that_says_what_is_left_never_has_to_refuse(counts: str) -> None:
    quota = Quota.model_validate({"requests": 60, "tokens": 60_000, "counts": counts})

    measured = await measure(quota, max_tokens=4000 if counts == "used" else 400)

    assert measured.refused == 0
    assert measured.share >= 0.9, measured


async def test_what_the_provider_really_counts_for_a_call_is_learnt() -> None:
    quota = Quota(tokens=40_000, counts="used")

    measured = await measure(quota, max_tokens=30_000, latency=5.0)

    assert measured.refused == 0
    assert measured.share >= 0.9, measured


async def test_a_learnt_rate_keeps_refusals_rare() -> None:
    measured = await measure(Quota(requests=60, headers=False))

    assert measured.refused <= CALLS / 3
