import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.testing import ManualClock


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("a", 5, 5))
        group.create_task(sleeper("b", 7))
        await clock.advance(6)
        assert woken == [("a", 5)]
        await clock.advance(10)

    assert woken == [("a", 5), ("b", 7), ("a", 10)]
    assert clock.monotonic() == 16
    assert clock.slept == [5, 7, 5]


async def test_now_moves_with_the_clock_and_is_aware() -> None:
    clock = ManualClock()
    before = clock.now()

    await clock.advance(90)

    assert clock.now() - before == timedelta(seconds=90)
    assert clock.now().utcoffset() == timedelta(0)


async def test_a_cancelled_sleeper_leaves_nothing_behind() -> None:
    clock = ManualClock()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(5))
        await clock.advance(1)
        assert clock.sleeping == 1
        task.cancel()

    assert clock.sleeping == 0


@given(st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=4), min_size=1, max_size=5))
def test_an_automatic_clock_moves_as_far_as_the_longest_sleeper(naps: list[list[float]]) -> None:
    clock = ManualClock(auto=True)
    times: list[float] = []

    async def sleeper(own: list[float]) -> None:
        for nap in own:
            await clock.sleep(nap)
            times.append(clock.monotonic())

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for own in naps:
                group.create_task(sleeper(own))

    asyncio.run(run())

    assert times == sorted(times)
    assert clock.monotonic() == max(sum(own) for own in naps)
