"""Signals as events of the loop, for as long as a context is open; what handled them before handles them after it."""

import asyncio
import errno
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_GONE = (errno.EIO, errno.EPIPE)
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def catching(number: signal.Signals, called: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """The signal calls back. Yields what takes it again after somebody else has used it meanwhile."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(number)

    def take() -> None:
        loop.add_signal_handler(number, called)

    take()
    try:
        yield take
    finally:
        loop.remove_signal_handler(number)
        signal.signal(number, before)


async def unless_ended(work: Coroutine[Any, Any, int]) -> int | None:
    """What `work` returns; None when the process was told to end, or its terminal is gone, and `work` was cut short."""
    code: int | None = None
    try:
        with ExitStack() as stack:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(work)
                for number in _ENDING:
                    stack.enter_context(catching(number, working.cancel))
                await asyncio.wait([working])
            code = None if working.cancelled() else working.result()
    except* OSError as errors:
        if any(isinstance(error, OSError) and error.errno not in _GONE for error in errors.exceptions):
            raise
    return code
