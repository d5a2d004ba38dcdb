"""Ctrl-C and SIGTERM while a run is watched: the first asks for a clean stop, the second leaves at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    def __init__(self, announce: Callable[[], None]) -> None:
        self._announce = announce
        self._asked = asyncio.Event()

    @property
    def were_asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        await self._asked.wait()

    def ask(self) -> None:
        """As if the person had pressed Ctrl-C once."""
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()
        self._announce()


@contextmanager
def interrupts(announce: Callable[[], None]) -> Iterator[Interrupts]:
    """Catch both signals inside the context; what handled them before handles them after it."""
    asked = Interrupts(announce)
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, asked.ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
