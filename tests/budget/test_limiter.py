import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import Allowance, ModelRequest, ModelSpec, RateLimits, Tier, UserMessage
from equitr_coder.ports import Lane, Limiter, Slot
from equitr_coder.testing.clock import ManualClock

LONG = "a system prompt that all workers share. " * 120


def request_of(model: str = "weak", *, system: str = "", text: str = "hello", max_tokens: int = 100) -> ModelRequest:
    spec = ModelSpec(name=model, tier=Tier.WEAK)
    return ModelRequest(model=spec, system=system, messages=(UserMessage(text=text),), max_tokens=max_tokens)


def refusal(status: int = 429, retry_after: float | None = None) -> ModelError:
    kind = ModelErrorKind.RATE_LIMITED if status == 429 else ModelErrorKind.SERVER
    return ModelError("no", kind=kind, provider="p", status=status, retryable=True, retry_after=retry_after)


def requests_left(remaining: int, *, limit: int = 60, resets_in: float | None = None) -> RateLimits:
    return RateLimits(requests=Allowance(limit=limit, remaining=remaining, resets_in=resets_in))


@dataclass
class Calls:
    """Calls through one limiter; each holds its slot until the test lets it end."""

    clock: ManualClock = field(default_factory=ManualClock)
    caches: bool = False
    limiter: RateLimiter = field(init=False)
    going: dict[str, Slot] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    told: list[tuple[str, float, str]] = field(default_factory=list)
    tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)
    group: asyncio.TaskGroup = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = RateLimiter(
            lane_of=lambda spec: Lane(spec.name.partition("/")[0], "p", caches_prefixes=self.caches),
            clock=self.clock,
            spread=lambda: 1.0,
        )

    async def start(self, name: str, request: ModelRequest | None = None) -> None:
        self.tasks[name] = self.group.create_task(self._call(name, request or request_of()))
        await self.clock.advance(0)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.clock.advance(0)

    async def answer(self, name: str, limits: RateLimits | None = None) -> None:
        self.going[name].answered(limits)
        await self.end(name)

    async def refuse(self, name: str, error: ModelError) -> None:
        self.going[name].refused(error)
        await self.end(name)

    async def _call(self, name: str, request: ModelRequest) -> None:
        async def on_wait(seconds: float, why: str) -> None:
            self.told.append((name, round(seconds, 3), why))

        self._ends[name] = asyncio.Event()
        async with self.limiter.slot(request, on_wait=on_wait) as slot:
            self.going[name] = slot
            self.order.append(name)
            await self._ends[name].wait()
        del self.going[name]


@asynccontextmanager
async def calls(*, caches: bool = False) -> AsyncIterator[Calls]:
    made = Calls(caches=caches)
    async with AsyncExitStack() as stack:
        made.group = await stack.enter_async_context(asyncio.TaskGroup())
        try:
            yield made
        finally:
            for task in made.tasks.values():
                task.cancel()
    assert not any(made.limiter.waiting().values())
    assert not any(made.limiter.going().values())


def test_the_limiter_is_what_the_port_asks_for() -> None:
    limiter: Limiter = RateLimiter(lane_of=lambda _: Lane("l"), clock=ManualClock())

    assert limiter is not None


async def test_nobody_waits_at_a_provider_that_never_refuses() -> None:
    async with calls() as c:
        for number in range(20):
            await c.start(str(number))

        assert len(c.going) == 20
        assert c.told == []


async def test_what_the_headers_leave_is_shared_and_the_rest_waits_its_turn() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", requests_left(2, resets_in=58.0))
        for name in ("a", "b", "c", "d"):
            await c.start(name)

        assert list(c.going) == ["a", "b"]
        await c.clock.advance(1.0)
        assert list(c.going) == ["a", "b", "c"]
        await c.clock.advance(0.9)
        assert "d" not in c.going
        await c.clock.advance(0.1)
        assert list(c.going) == ["a", "b", "c", "d"]
        assert c.told == [("c", 1.0, "paced"), ("d", 2.0, "paced")]


async def test_headers_that_are_older_than_other_calls_do_not_give_their_place_away_again() -> None:
    async with calls() as c:
        for name in ("a", "b", "c"):
            await c.start(name)
        await c.answer("a", requests_left(3, resets_in=57.0))  # b and c are on their way: one is left

        await c.start("d")
        await c.start("e")

        assert "d" in c.going
        assert "e" not in c.going


async def test_an_answer_that_overtakes_an_older_one_is_believed() -> None:
    async with calls() as c:
        await c.start("a")
        await c.start("b")
        await c.answer("b", requests_left(0, resets_in=60.0))
        await c.answer("a", requests_left(30, resets_in=30.0))

        await c.start("c")

        assert "c" not in c.going


async def test_tokens_are_counted_with_the_output_that_was_asked_for() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", RateLimits(tokens=Allowance(limit=6000, remaining=1500, resets_in=45.0)))
        await c.start("a", request_of(text="x" * 2000, max_tokens=500))
        await c.start("b", request_of(text="x" * 2000, max_tokens=500))

        assert list(c.going) == ["a"]
        await c.clock.advance(4.9)
        assert list(c.going) == ["a"]
        await c.clock.advance(0.2)
        assert list(c.going) == ["a", "b"]


async def test_a_request_larger_than_the_limit_goes_when_all_of_it_is_left() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", RateLimits(tokens=Allowance(limit=600, remaining=0, resets_in=60.0)))
        await c.start("huge", request_of(text="x" * 40_000))

        await c.clock.advance(59.9)
        assert not c.going
        await c.clock.advance(0.1)
        assert list(c.going) == ["huge"]


async def test_a_window_that_starts_anew_is_told_from_a_bucket() -> None:
    async with calls() as c:
        for left, resets_in in ((30, 40.0), (20, 30.0), (10, 20.0), (0, 10.0)):
            name = str(left)
            await c.start(name)
            await c.answer(name, requests_left(left, resets_in=resets_in))
            if left:
                await c.clock.advance(10.0)
        await c.start("next")

        await c.clock.advance(9.9)
        assert not c.going
        await c.clock.advance(0.1)
        assert list(c.going) == ["next"]


async def test_nobody_is_held_for_hours_on_a_headers_word() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", requests_left(0, limit=1, resets_in=8 * 3600.0))

        await c.start("next")

        assert "next" in c.going


async def test_retry_after_holds_the_whole_lane_exactly_so_long_and_no_other_lane() -> None:
    async with calls() as c:
        await c.start("a")
        await c.refuse("a", refusal(retry_after=7.0))
        await c.start("again")
        await c.start("other model", request_of("weak/other"))
        await c.start("other lane", request_of("elsewhere"))

        assert list(c.going) == ["other lane"]
        await c.clock.advance(6.9)
        assert list(c.going) == ["other lane"]
        await c.clock.advance(0.1)
        assert {"again", "other model"} <= set(c.going)
        assert c.told == [("again", 7.0, "rate_limited"), ("other model", 7.0, "rate_limited")]


@pytest.mark.parametrize("status", [429, 529])
async def test_without_a_time_the_pause_grows_until_an_answer_comes(status: int) -> None:
    async with calls() as c:
        pauses: list[float] = []
        for number in range(6):
            await c.start(str(number))
            await c.refuse(str(number), refusal(status))
            before = c.clock.monotonic()
            await c.start("probe")
            while not c.going:
                await c.clock.advance(0.25)
            pauses.append(c.clock.monotonic() - before)
            await c.end("probe")
        assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]

        await c.start("good")
        await c.answer("good")
        await c.start("bad")
        await c.refuse("bad", refusal(status))
        await c.start("probe")
        await c.clock.advance(0.5)
        assert "probe" in c.going


@pytest.mark.parametrize("told", [0.0, 0.125])
async def test_short_pauses_are_believed_three_times_in_a_row_and_then_grow(told: float) -> None:
    async with calls() as c:
        pauses: list[float] = []
        for number in range(6):
            before = c.clock.monotonic()
            await c.start(str(number))
            while not c.going:
                await c.clock.advance(0.125)
            pauses.append(round(c.clock.monotonic() - before, 3))
            await c.refuse(str(number), refusal(retry_after=told))

        assert pauses == [0.0, told, told, told, 0.5, 1.0]


async def test_a_retry_after_of_hours_holds_nobody_else() -> None:
    async with calls() as c:
        await c.start("a")
        await c.refuse("a", refusal(retry_after=3600.0))

        await c.start("b")

        assert "b" in c.going


async def test_overload_cuts_the_calls_at_once_by_a_factor_and_answers_add_to_them_one_by_one() -> None:
    async with calls() as c:
        for number in range(8):
            await c.start(str(number))
        for number in range(8):
            await c.refuse(str(number), refusal(529))
        await c.clock.advance(10.0)
        for number in range(10, 20):
            await c.start(str(number))
        assert len(c.going) == 6

        await c.answer("10")
        assert len(c.going) == 7


async def test_many_refusals_of_one_moment_slow_the_lane_down_once() -> None:
    async with calls() as c:
        for number in range(8):
            await c.start(str(number))
        for number in range(8):
            await c.refuse(str(number), refusal(429))
        await c.start("next")

        await c.clock.advance(0.5)

        assert "next" in c.going


async def test_other_failures_slow_nobody_down() -> None:
    async with calls() as c:
        await c.start("a")
        await c.refuse("a", refusal(503))

        await c.start("b")

        assert "b" in c.going


async def test_calls_of_one_model_go_in_the_order_in_which_they_came_and_another_model_passes() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", requests_left(0, resets_in=60.0))
        for name in ("a", "b", "c"):
            await c.start(name)
        await c.start("other", request_of("weak/other"))

        assert list(c.going) == ["other"]
        await c.clock.advance(3.0)
        assert c.order == ["first", "other", "a", "b", "c"]


async def test_nobody_passes_a_call_that_waits_for_minutes() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", requests_left(0, limit=6, resets_in=4000.0))
        for name in ("a", "b", "c"):
            await c.start(name)

        assert not c.going
        await c.clock.advance(700.0)
        assert list(c.going) == ["a"]


async def test_a_cancelled_wait_ends_at_once_and_the_next_takes_its_place() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", requests_left(0, resets_in=60.0))
        await c.start("a")
        await c.start("b")

        c.tasks["a"].cancel()
        await c.clock.advance(0)

        assert c.tasks["a"].cancelled()
        assert c.clock.sleeping == 1
        await c.clock.advance(1.0)
        assert list(c.going) == ["b"]


async def test_a_call_cancelled_in_the_moment_of_its_turn_uses_up_nothing() -> None:
    async with calls() as c:
        await c.start("first")
        await c.answer("first", requests_left(1, resets_in=59.0))
        await c.start("holder")
        await c.start("gone")
        await c.start("next")

        # the same turn of the loop frees the place (a refusal gives it back) and cancels whoever gets it
        c.going["holder"].refused(refusal(retry_after=0.0))
        c.tasks["gone"].cancel()
        await c.clock.advance(0)

        assert "next" in c.going


async def test_a_failing_announcement_gives_the_place_back() -> None:
    clock = ManualClock()
    limiter = RateLimiter(lane_of=lambda _: Lane("l"), clock=clock)

    async def on_wait(seconds: float, why: str) -> None:
        raise OSError("disk full")

    async with limiter.slot(request_of(), on_wait=on_wait) as slot:
        slot.answered(requests_left(0, resets_in=60.0))
    with pytest.raises(OSError, match="disk full"):
        async with limiter.slot(request_of(), on_wait=on_wait):
            pass

    assert limiter.waiting() == {"l": 0}
    assert limiter.going() == {"l": 0}


# ---------------------------------------------------------------- shared beginnings


async def test_the_second_call_with_the_same_long_beginning_waits_for_the_first_piece_of_the_first() -> None:
    async with calls(caches=True) as c:
        await c.start("a", request_of(system=LONG, text="one"))
        await c.start("b", request_of(system=LONG, text="two"))
        await c.start("c", request_of(system=LONG, text="three"))
        assert list(c.going) == ["a"]

        c.going["a"].has_begun()
        await c.clock.advance(0)

        assert list(c.going) == ["a", "b", "c"]
        assert c.told == [("b", 1.0, "shared_prefix"), ("c", 1.0, "shared_prefix")]


async def test_it_waits_a_second_at_most_and_then_never_while_the_beginning_is_kept() -> None:
    async with calls(caches=True) as c:
        await c.start("a", request_of(system=LONG))
        await c.start("b", request_of(system=LONG))
        await c.clock.advance(0.99)
        assert list(c.going) == ["a"]
        await c.clock.advance(0.01)
        assert list(c.going) == ["a", "b"]

        await c.answer("a")
        await c.clock.advance(299.0)
        await c.start("d", request_of(system=LONG))
        assert "d" in c.going

        await c.clock.advance(2.0)
        await c.start("e", request_of(system=LONG))
        await c.start("f", request_of(system=LONG))
        assert "e" in c.going
        assert "f" not in c.going


async def test_when_the_first_fails_the_second_leads() -> None:
    async with calls(caches=True) as c:
        await c.start("a", request_of(system=LONG))
        await c.start("b", request_of(system=LONG))
        await c.start("c", request_of(system=LONG))

        await c.end("a")

        assert list(c.going) == ["b"]


async def test_another_beginning_is_not_kept_back() -> None:
    async with calls(caches=True) as c:
        await c.start("a", request_of(system=LONG))
        await c.start("b", request_of(system=LONG))
        await c.start("other", request_of(system=LONG + "but different"))
        await c.start("short", request_of(system="short"))

        assert set(c.going) == {"a", "other", "short"}


async def test_nobody_waits_for_a_beginning_where_the_provider_is_not_known_to_cache() -> None:
    async with calls(caches=False) as c:
        await c.start("a", request_of(system=LONG))
        await c.start("b", request_of(system=LONG))

        assert list(c.going) == ["a", "b"]
