"""Numbers a run's events, stores them, and only then fans them out. Stored events are never lost to a reader; streamed
text may be.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from equitr_coder.domain.events import Event, MessageAdded, RunFinished, RunPaused
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, RunId, SessionId, TaskId
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.ports import Clock, EventStore, Redactor, ShownDelta

_READER_BACKLOG = 10_000
_DELTA_BACKLOG = 256


class Hub:
    """Implements `ports.EventGate` for one run of this process; any number of readers follow it."""

    def __init__(
        self,
        *,
        run: RunId,
        store: EventStore,
        clock: Clock,
        view: RunView | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        """`redactor` takes held keys out of every event before it is stored, folded and shown: what a model is sent
        comes from the fold, so none reaches a model either.
        """
        self._run = run
        self._redactor = redactor
        self._unshown: dict[SessionId, str] = {}
        """The end of what streamed, with which a key may begin."""
        self._store = store
        self._clock = clock
        self._view = view if view is not None else RunView(run=run)
        self._readers: set[_Reader] = set()
        self._waiting: list[_Recorded] = []
        self._in_store: list[_Recorded] = []
        self._writer: asyncio.Task[None] | None = None

    @property
    def view(self) -> RunView:
        return self._view

    async def record(self, *events: Event) -> None:
        """As in the port; a cancelled caller is told so only after its events are in the log and in the fold."""
        if events:
            await self._recorded(_Recorded(lambda _: events))

    async def record_made(self, make: Callable[[RunView], Sequence[Event]]) -> bool:
        return await self._recorded(_Recorded(make, looks=True))

    async def _recorded(self, mine: "_Recorded") -> bool:
        cancelled: asyncio.CancelledError | None = None
        self._waiting.append(mine)
        if self._writer is None:
            self._write()
        while not mine.is_stored.done():
            try:
                await asyncio.wait([mine.is_stored])
            except asyncio.CancelledError as again:
                cancelled = again
        is_recorded = mine.is_stored.result()
        if cancelled is not None:
            raise cancelled
        return is_recorded

    def _write(self) -> None:
        self._writer = asyncio.get_running_loop().create_task(self._store_waiting())
        self._writer.add_done_callback(self._written)

    async def _store_waiting(self) -> None:
        """In the order of their coming; what came while the disk was busy goes there together."""
        while self._waiting:
            self._take()
            stamped = self._stamped()
            if not stamped:
                continue
            try:
                await self._store.append(*stamped)
            except asyncio.CancelledError:
                self._apply(stamped)  # they are stored: a loop that ends cancels this very task as well
                raise
            self._apply(stamped)

    def _take(self) -> None:
        """Who looks at the view before it says what is recorded has to see all that came before it, and goes alone."""
        alone = next((at for at, one in enumerate(self._waiting) if one.looks), len(self._waiting))
        count = alone or 1
        self._in_store, self._waiting = self._waiting[:count], self._waiting[count:]

    def _written(self, writer: asyncio.Task[None]) -> None:
        """Nobody waits for ever for a writer that is gone."""
        self._writer = None
        lost, self._in_store = self._in_store, []
        if writer.cancelled():
            lost, self._waiting = [*lost, *self._waiting], []
        error = None if writer.cancelled() else writer.exception()
        for one in lost:
            if error is None:
                one.is_stored.cancel()
            else:
                one.is_stored.set_exception(error)
        if self._waiting:
            self._write()

    def _stamped(self) -> list[list[Event]]:
        """The events of those who have some; the others have their answer."""
        now, seq = self._clock.now(), self._view.seq
        taken, self._in_store = self._in_store, []
        stamped: list[list[Event]] = []
        for one in taken:
            try:
                events = one.make(self._view)
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
                one.is_stored.set_exception(error)
                continue
            if not events:
                one.is_stored.set_result(False)
                continue
            self._in_store.append(one)
            stamped.append([])
            for event in events:
                seq += 1
                clean = self._redactor.value(event) if self._redactor is not None else event
                stamped[-1].append(clean.model_copy(update={"seq": seq, "at": now, "run": self._run}))
        return stamped

    def _apply(self, stamped: Sequence[Sequence[Event]]) -> None:
        done, self._in_store = self._in_store, []
        for events, one in zip(stamped, done, strict=True):
            self._fold(events)
            one.is_stored.set_result(True)

    def _fold(self, stamped: Sequence[Event]) -> None:
        for event in stamped:
            apply(self._view, event)
            if isinstance(event, MessageAdded):
                self._unshown.pop(event.session, None)
            for reader in self._readers:
                reader.put(event)

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        if self._redactor is not None:
            text = self._redactor.text(self._unshown.pop(session, "") + text)
            held_back = self._redactor.unfinished(text)
            if held_back:
                text, self._unshown[session] = text[:-held_back], text[-held_back:]
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


class _Recorded:
    """What one call records, and whether it is in the log and in the fold: False when there was nothing to record."""

    def __init__(self, make: Callable[[RunView], Sequence[Event]], *, looks: bool = False) -> None:
        """`looks`: what `make` makes depends on the view."""
        self.make = make
        self.looks = looks
        self.is_stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()


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
