"""Numbers a run's events, stores them, and only then fans them out. Stored events are never lost to a reader; streamed
text may be.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from equitr_coder.domain.events import Event, RunFinished, RunPaused
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, RunId, SessionId, TaskId
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.ports import Clock, EventStore, ShownDelta

_READER_BACKLOG = 10_000
_DELTA_BACKLOG = 256


class Hub:
    """Implements `ports.EventGate` for one run of this process; any number of readers follow it."""

    def __init__(self, *, run: RunId, store: EventStore, clock: Clock, view: RunView | None = None) -> None:
        self._run = run
        self._store = store
        self._clock = clock
        self._view = view if view is not None else RunView(run=run)
        self._order = asyncio.Lock()
        self._readers: set[_Reader] = set()

    @property
    def view(self) -> RunView:
        return self._view

    async def record(self, *events: Event) -> None:
        """As in the port; a cancelled caller is told so only after its events are in the log and in the fold."""
        if events:
            await self.record_made(lambda _: events)

    async def record_made(self, make: Callable[[RunView], Sequence[Event]]) -> bool:
        cancelled: asyncio.CancelledError | None = None
        step = asyncio.get_running_loop().create_task(self._record(make))
        while not step.done():
            try:
                await asyncio.wait([step])
            except asyncio.CancelledError as again:
                cancelled = again
        is_recorded = step.result()
        if cancelled is not None:
            raise cancelled
        return is_recorded

    async def _record(self, make: Callable[[RunView], Sequence[Event]]) -> bool:
        async with self._order:
            events = make(self._view)
            if not events:
                return False
            now = self._clock.now()
            stamped: list[Event] = [
                event.model_copy(update={"seq": self._view.seq + offset, "at": now, "run": self._run})
                for offset, event in enumerate(events, start=1)
            ]
            try:
                await self._store.append(stamped)
            except asyncio.CancelledError:
                self._apply(stamped)  # they are stored: a loop that ends cancels this very task as well
                raise
            self._apply(stamped)
            return True

    def _apply(self, stamped: Sequence[Event]) -> None:
        for event in stamped:
            apply(self._view, event)
            for reader in self._readers:
                reader.put(event)

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        delta = ShownDelta(self._run, session, agent, task, text)
        for reader in self._readers:
            reader.put_delta(delta, after=self._view.seq)

    async def follow(self, *, after: int, deltas: bool) -> AsyncIterator[Event | ShownDelta]:
        """Stored events after `after`, then live ones; ends with the event that ends or pauses the run.

        A reader that falls far behind is cut off from the live feed and reads the gap back from the log.
        """
        reader = _Reader(deltas=deltas)
        self._readers.add(reader)
        try:
            position = after
            while True:
                # Registered before reading, so nothing falls between the log and the feed.
                for event in await self._store.read(self._run, after=position):
                    position = event.seq
                    yield event
                if self._has_ended(position):
                    return
                reader.is_behind = False
                while not reader.is_behind:
                    item = await reader.get()
                    if item is None:
                        break
                    if isinstance(item, _Placed):
                        # One that is older than what the log gave belongs to a message that was read there.
                        if item.after == position:
                            yield item.delta
                    elif item.seq > position:
                        position = item.seq
                        yield item
                        if isinstance(item, RunFinished | RunPaused) and self._has_ended(position):
                            return
        finally:
            self._readers.discard(reader)

    def _has_ended(self, position: int) -> bool:
        ended = self._view.state.is_final or self._view.state.value == "paused"
        return ended and position >= self._view.seq


@frozen
class _Placed:
    """Streamed text, and the number of the event it came after."""

    delta: ShownDelta
    after: int


class _Reader:
    def __init__(self, *, deltas: bool) -> None:
        self.is_behind = False
        self._deltas = deltas
        self._items: deque[Event | _Placed] = deque()
        self._waiting_deltas = 0
        self._ready = asyncio.Event()

    def put(self, event: Event) -> None:
        if len(self._items) >= _READER_BACKLOG:
            self._items.clear()
            self._waiting_deltas = 0
            self.is_behind = True
        if not self.is_behind:
            self._items.append(event)
        self._ready.set()

    def put_delta(self, delta: ShownDelta, *, after: int) -> None:
        if self._deltas and not self.is_behind and self._waiting_deltas < _DELTA_BACKLOG:
            self._items.append(_Placed(delta, after))
            self._waiting_deltas += 1
            self._ready.set()

    async def get(self) -> Event | _Placed | None:
        """The next item; None when the reader fell behind and must read the log."""
        while not self._items:
            if self.is_behind:
                return None
            self._ready.clear()
            await self._ready.wait()
        item = self._items.popleft()
        if isinstance(item, _Placed):
            self._waiting_deltas -= 1
        return item
