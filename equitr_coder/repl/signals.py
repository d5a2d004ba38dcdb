"""Ctrl-C as a signal, for the moments when no prompt turns it into a key."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts(called: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """SIGINT calls back instead of ending the program. Yields what takes the signal again after others have used it."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)

    def take() -> None:
        loop.add_signal_handler(signal.SIGINT, called)

    take()
    try:
        yield take
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
