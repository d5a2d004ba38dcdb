"""Ctrl-C and SIGTERM while a run is watched: the first asks for a clean stop, the second leaves at once, the third does
not even wait for what the second still tidies.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 130


class Interrupts:
    def __init__(self, announce: Callable[[], None], watching: "asyncio.Task[Any] | None") -> None:
        """`watching` is the task that leaves when it is asked twice."""
        self._announce = announce
        self._watching = watching
        self._asked = asyncio.Event()
        self.are_urgent = False
        """Asked for twice: the process is leaving."""

    @property
    def were_asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        await self._asked.wait()

    def ask(self) -> None:
        """As if the person had pressed Ctrl-C once."""
        if self.are_urgent:
            _end_now()  # it waited in the loop's queue behind the second
        if self._asked.is_set():
            if self._watching is None:
                return  # it waited in the loop's queue, and what it should have ended has ended
            self._hurry()
            # Not raised out of the loop: that would cancel every task, the start of a process among them, which asyncio
            # then waits for without end.
            self._watching.cancel()
            return
        self._asked.set()
        self._announce()

    def leave(self) -> None:
        """Nothing is watched any more."""
        self._watching = None

    def _hurry(self) -> None:
        """Everything is in the log already; from here on a signal ends the process without another word."""
        self.are_urgent = True
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_now)


@contextmanager
def interrupts(announce: Callable[[], None]) -> Iterator[Interrupts]:
    """Catch both signals inside the context; what handled them before handles them after it.

    Raises:
        KeyboardInterrupt: they came twice.
    """
    asked = Interrupts(announce, asyncio.current_task())
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, asked.ask)
    try:
        yield asked
    except asyncio.CancelledError:
        if asked.are_urgent:
            raise KeyboardInterrupt from None
        raise
    finally:
        asked.leave()
        for number, handler in () if asked.are_urgent else before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _end_now(_signal: int = 0, _frame: object = None) -> NoReturn:
    os._exit(_INTERRUPTED)
