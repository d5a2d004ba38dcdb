from datetime import UTC

from equitr_coder.adapters.local.clock import SystemClock
from equitr_coder.ports import Clock


async def test_the_clock_is_aware_and_goes_on() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()

    await clock.sleep(0.01)

    assert clock.now().tzinfo is UTC
    assert clock.monotonic() - before >= 0.01
