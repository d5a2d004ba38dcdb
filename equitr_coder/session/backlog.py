"""What is on its way to the log. The event loop adds, the store takes in a thread of its own, and nothing can change
places: whatever the store gives back is in front again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from equitr_coder.domain.events import Event
from equitr_coder.ports import Written


class Backlog:
    """Implements `ports.Unstored`. What is added together is taken together."""

    def __init__(self, stored: Callable[[Sequence[Written]], None], *batches: Sequence[Event]) -> None:
        """`stored` is called in the event loop, in order, of everything that has become durable."""
        self._stored = stored
        self._batches: deque[Sequence[Written]] = deque()  # whose ends may be used by two threads
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_expected = False
        """Somebody will take what is in it now, and has not come yet."""
        for events in batches:
            self.add([Written.of(event) for event in events])

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, events: Sequence[Written]) -> None:
        self._loop = asyncio.get_running_loop()
        self._batches.append(events)

    def take(self) -> Sequence[Sequence[Written]]:
        self.is_expected = False  # before anything is taken: what is added from here on has to be asked for again
        taken: list[Sequence[Written]] = []
        while self._batches:
            taken.append(self._batches.popleft())
        return taken

    def put_back(self, batches: Sequence[Sequence[Written]]) -> None:
        self._batches.extendleft(reversed(batches))

    def have_stored(self, batches: Sequence[Sequence[Written]]) -> None:
        events = [event for batch in batches for event in batch]
        assert self._loop is not None, "what is stored was added"
        with suppress(RuntimeError):  # the loop has ended, and with it whoever would be told
            self._loop.call_soon_threadsafe(self._stored, events)
