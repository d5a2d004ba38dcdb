import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import pytest

from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.domain.errors import BudgetRefused, ModelError, ModelErrorKind
from equitr_coder.domain.events import (
    ModelCallDelayed,
    ModelCallFailed,
    ModelCallReserved,
    ModelCallSettled,
)
from equitr_coder.domain.ids import AgentName
from equitr_coder.domain.models import ModelRequest, ModelSpec, Purpose, Tier, UserMessage
from equitr_coder.engine.model_call import Caller, ModelCalls
from equitr_coder.ports import Lane
from equitr_coder.testing.clock import ManualClock
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.rates import Quota
from equitr_coder.testing.script import ScriptedUsage, always, calls, fails, says
from tests.engine.conftest import DEAR, MODEL, SESSION, Bench, OpenBench

USED = ScriptedUsage(input=900, output=100)
BACKUP = ModelSpec(name="scripted/backup", tier=Tier.WEAK, max_tokens=1000, adapter="scripted")
THIRD = BACKUP.model_copy(update={"name": "scripted/third"})
CHAINED = MODEL.model_copy(update={"fallbacks": (BACKUP, THIRD)})


Kind = TypeVar("Kind")


async def delayed(bench: Bench) -> ModelCallDelayed:
    """Follows the log until a call waits."""
    async for event in bench.hub.follow(after=0, deltas=False):
        if isinstance(event, ModelCallDelayed):
            return event
    raise AssertionError("no call was delayed")


async def run(bench: Bench, *, retries: int = 2, seconds: float = 120.0) -> str:
    """Let the agent run while time passes."""
    task = asyncio.get_running_loop().create_task(bench.agent(retries=retries).run())
    passed = 0.0
    while not task.done() and passed < seconds:
        await asyncio.wait([task], timeout=0.005)  # the store works in a thread
        if bench.clock.sleeping:
            await bench.clock.advance(0.5)
            passed += 0.5
    return (await task).text


def request_of() -> ModelRequest:
    return ModelRequest(model=MODEL, system="", messages=(UserMessage(text="x"),), max_tokens=400)


async def of(bench: Bench, kind: type[Kind]) -> list[Kind]:
    return [event for event in await bench.events() if isinstance(event, kind)]


@pytest.mark.parametrize("status", [429, 529])
async def test_being_told_to_wait_uses_up_no_try(bench: OpenBench, status: int) -> None:
    b = await bench(always(fails(status), times=9), always(says("at last")))

    assert await run(b, retries=0) == "at last"

    failed = await of(b, ModelCallFailed)
    assert len(failed) == 9
    assert all(event.usd == 0 and event.retry_in for event in failed)
    assert b.ledger.held == 0
    assert_well_formed(await b.events())


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (400, 1), (404, 1), (500, 3), (503, 3), (408, 3)])
async def test_only_what_helps_is_tried_again(bench: OpenBench, status: int, attempts: int) -> None:
    b = await bench(always(fails(status)))

    with pytest.raises(ModelError):
        await run(b, retries=2)

    assert len(b.model.requests) == attempts


async def test_a_wait_of_a_second_or_more_is_in_the_log_once_and_holds_no_money(bench: OpenBench) -> None:
    b = await bench(always(fails(429, retry_after=7), times=1), always(says("late")))
    task = asyncio.get_running_loop().create_task(b.agent().run())

    event = await delayed(b)

    assert (event.seconds, event.why, event.model, event.provider) == (7.0, "rate_limited", MODEL.name, "scripted")
    assert b.ledger.held == 0
    await b.clock.advance(7)
    assert (await task).text == "late"
    assert len(await of(b, ModelCallDelayed)) == 1


async def test_a_wait_longer_than_a_quarter_of_an_hour_ends_the_call_and_says_so(bench: OpenBench) -> None:
    b = await bench(always(fails(429, "slow down", retry_after=1200)))

    with pytest.raises(ModelError, match="slow down; it asks to wait for 20 min") as raised:
        await b.agent().run()

    assert raised.value.kind is ModelErrorKind.RATE_LIMITED
    assert raised.value.hint == ""
    assert b.ledger.held == b.ledger.spent == 0
    assert_well_formed(await b.events())


async def test_quota_ends_the_call_at_once(bench: OpenBench) -> None:
    b = await bench(always(fails(429, "pay", code="insufficient_quota")))

    with pytest.raises(ModelError) as raised:
        await b.agent().run()

    assert raised.value.kind is ModelErrorKind.QUOTA
    assert len(b.model.requests) == 1


async def test_a_cancelled_wait_ends_at_once_and_leaves_nothing_behind(bench: OpenBench) -> None:
    b = await bench(always(fails(429, retry_after=600)))
    task = asyncio.get_running_loop().create_task(b.agent().run())
    await delayed(b)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert b.ledger.held == b.ledger.spent == 0
    assert b.clock.sleeping == 0
    assert len(b.model.requests) == 1


async def test_limits_in_the_answers_pace_the_calls_that_follow(bench: OpenBench) -> None:
    b = await bench(*(calls("note", text=str(n)) for n in range(4)), says("done"))
    b.model.backend = type(b.model.backend)(
        b.model.backend.script.model_copy(update={"quota": Quota(requests=3)}), now=b.clock.monotonic
    )

    assert await run(b) == "done"

    assert [request.status for request in b.model.requests] == [200] * 5
    assert [event.why for event in await of(b, ModelCallDelayed)] == ["paced", "paced"]
    assert b.model.requests[-1].started == pytest.approx(40.0, abs=1.0)


class Stopwatch:
    """A deadline that says whether its time stands still."""

    def __init__(self) -> None:
        self.is_paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.is_paused = True
        yield
        self.is_paused = False


async def test_the_deadline_stands_still_while_the_provider_or_the_budget_is_waited_for(bench: OpenBench) -> None:
    b = await bench(always(fails(429, retry_after=7), times=1), always(fails(503), times=1), always(says("late")))
    deadline = Stopwatch()
    stood_still: list[bool] = []

    class Watch(ManualClock):
        async def sleep(self, seconds: float) -> None:
            stood_still.append(deadline.is_paused)
            await super().sleep(seconds)

    clock = Watch(auto=True)
    made = ModelCalls(
        caller=Caller(SESSION, AgentName("assistant"), None, Purpose.CHAT),
        providers=replace(b.providers, limiter=RateLimiter(lane_of=lambda _: Lane("l"), clock=clock)),
        budget=b.ledger,
        events=b.hub,
        clock=clock,
        deadline=deadline,
    )

    reply = await made.call(request_of())

    assert reply.message.text == "late"
    assert stood_still == [True, True]
    assert not deadline.is_paused


# ---------------------------------------------------------------- what the ledger is told


async def test_a_settled_call_says_its_provider_and_the_rates_that_were_used(bench: OpenBench) -> None:
    b = await bench(says("hi", usage=USED))

    await b.agent().run()

    [settled] = await of(b, ModelCallSettled)
    assert settled.provider == "scripted"
    assert settled.price is not None
    assert (settled.price.input, settled.price.source, settled.price_source) == (Decimal(1), "flat", "flat")


async def test_a_failed_call_says_its_provider(bench: OpenBench) -> None:
    b = await bench(always(fails(400)))

    with pytest.raises(ModelError):
        await b.agent().run()

    [failed] = await of(b, ModelCallFailed)
    assert failed.provider == "scripted"


# ---------------------------------------------------------------- fallbacks


async def chained(bench: OpenBench, *script: object) -> Bench:
    return replace(await bench(*script), spec=CHAINED)


async def test_while_a_model_is_down_the_next_in_the_chain_answers_with_its_own_reservation(bench: OpenBench) -> None:
    b = await chained(bench, always(fails(503), model="m"), always(says("from the backup"), model="backup"))

    assert await run(b, retries=1) == "from the backup"

    assert [request.model for request in b.model.requests] == ["m", "m", "backup"]
    reserved = [(event.model, event.instead_of) for event in await of(b, ModelCallReserved)]
    assert reserved == [(MODEL.name, ""), (MODEL.name, ""), (BACKUP.name, MODEL.name)]
    [settled] = await of(b, ModelCallSettled)
    assert settled.model == BACKUP.name
    assert_well_formed(await b.events())


async def test_a_model_that_is_down_is_left_alone_until_its_cool_down_is_over(bench: OpenBench) -> None:
    b = await chained(
        bench,
        always(fails(503), model="m", times=2),
        always(calls("note", text="a"), model="backup", turn=0),
        always(calls("note", text="b"), model="backup", turn=1),
        always(says("done")),
    )

    assert await run(b, retries=1) == "done"
    assert [request.model for request in b.model.requests] == ["m", "m", "backup", "backup", "backup"]

    await b.clock.advance(60.0)
    await b.agent(retries=1).run("and now?")
    assert b.model.requests[-1].model == "m"


async def test_a_model_that_is_still_down_after_its_cool_down_gets_one_try(bench: OpenBench) -> None:
    b = await chained(bench, always(fails(503), model="m"), always(says("ok"), model="backup"))
    await run(b, retries=2)
    await b.clock.advance(60.0)

    await b.agent(retries=2).run("again")

    assert [request.model for request in b.model.requests] == ["m"] * 3 + ["backup", "m", "backup"]


async def test_a_model_that_came_back_gets_all_its_tries_again(bench: OpenBench) -> None:
    b = await chained(
        bench,
        always(fails(503), model="m", times=1),
        always(says("ok"), model="backup"),
        always(says("I am back"), model="m", times=1),
        always(fails(503), model="m", times=1),
        always(says("still here"), model="m"),
    )
    await run(b, retries=0)
    await b.clock.advance(60.0)
    await b.agent(retries=0).run("again")

    task = asyncio.get_running_loop().create_task(b.agent(retries=1).run("and again"))
    while not task.done():
        await asyncio.wait([task], timeout=0.005)
        await b.clock.advance(0.5)

    assert (await task).text == "still here"
    assert [request.model for request in b.model.requests] == ["m", "backup", "m", "m", "m"]


async def test_another_session_of_the_process_knows_of_the_outage(bench: OpenBench) -> None:
    b = await chained(bench, always(fails(503), model="m"), always(says("ok"), model="backup"))
    await run(b, retries=0)

    await b.agent().run("again")

    assert [request.model for request in b.model.requests] == ["m", "backup", "backup"]


async def test_when_all_are_down_all_are_tried_and_the_last_error_is_told(bench: OpenBench) -> None:
    b = await chained(bench, always(fails(503, "m is out"), model="m"), always(fails(500, "all out")))

    with pytest.raises(ModelError, match="all out"):
        await run(b, retries=0)

    assert [request.model for request in b.model.requests] == ["m", "backup", "third"]
    with pytest.raises(ModelError, match="all out"):
        await run(b, retries=0)
    assert [request.model for request in b.model.requests][3:] == ["m", "backup", "third"]


@pytest.mark.parametrize("status", [401, 404, 400])
async def test_what_the_configuration_or_the_request_got_wrong_does_not_fall_back(
    bench: OpenBench, status: int
) -> None:
    b = await chained(bench, always(fails(status), model="m"), always(says("never")))

    with pytest.raises(ModelError):
        await run(b)

    assert [request.model for request in b.model.requests] == ["m"]


async def test_a_rate_limit_is_waited_out_and_does_not_fall_back(bench: OpenBench) -> None:
    b = await chained(bench, always(fails(429, retry_after=30), model="m", times=3), always(says("mine"), model="m"))

    assert await run(b) == "mine"

    assert {request.model for request in b.model.requests} == {"m"}


async def test_a_fallback_that_does_not_fit_the_budget_is_refused_before_it_is_sent(bench: OpenBench) -> None:
    b = replace(await bench(always(fails(503), model="m"), always(says("never")), budget="0.0025"), spec=CHAINED)
    costly = BACKUP.model_copy(update={"name": DEAR, "max_tokens": 1000})
    b = replace(b, spec=MODEL.model_copy(update={"fallbacks": (costly,)}))

    with pytest.raises(BudgetRefused):
        await run(b, retries=0)

    assert [request.model for request in b.model.requests] == ["m"]


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
async def test_a_wait_without_end_ends_the_call_and_says_so(bench: OpenBench, seconds: float) -> None:
    b = await bench(always(fails(429, "slow down", retry_after=seconds)))

    with pytest.raises(ModelError, match="slow down; it asks to come back another time"):
        await b.agent().run()

    assert b.ledger.held == b.ledger.spent == 0
    assert_well_formed(await b.events())
