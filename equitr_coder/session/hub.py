"""Numbers a run's events, folds them, stores them in that order, and fans out what is stored. Stored events are never
lost to a reader; streamed text may be.

The view runs ahead of the log by what is on its way to the disk; decision 0028 says what may be done meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from equitr_coder.domain.events import Event, MessageAdded
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, RunId, SessionId, TaskId
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.domain.runs import RunState
from equitr_coder.ports import Clock, EventStore, Redactor, ShownDelta, Written
from equitr_coder.session.backlog import Backlog

_READER_BACKLOG = 10_000
_DELTA_BACKLOG = 256
_LULL = 0.005
"""Seconds after which what nobody waits for goes to the disk by itself. As a rule somebody waits for the next event
sooner, and both go together.
"""


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
        self._stored = self._view.seq
        """Number of the last event that is in the log."""
        self._backlog = Backlog(self._have_stored)
        """What the store did not take is still in it."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Who waits until the event of this number is in the log."""
        self._writer: asyncio.Future[None] | None = None
        """The last that was asked for; the store takes them in turn."""
        self._soon: asyncio.TimerHandle | None = None
        """For what nobody waits for."""
        self._readers: set[_Reader] = set()

    @property
    def view(self) -> RunView:
        return self._view

    @property
    def is_all_stored(self) -> bool:
        """Whether the log has come as far as the view."""
        return self._stored == self._view.seq

    def note(self, *events: Event) -> None:
        if events:
            self._enter(events)
            if self._soon is None:
                self._soon = asyncio.get_running_loop().call_later(_LULL, self._write)

    async def record(self, *events: Event) -> None:
        """As in the port; a cancelled caller is told so only after its events are in the log."""
        if events:
            self._enter(events)
            await self.flush()

    async def record_made(self, make: Callable[[RunView], Sequence[Event]]) -> bool:
        events = make(self._view)
        await self.record(*events)
        return bool(events)

    def _enter(self, events: Sequence[Event]) -> None:
        now, seq = self._clock.now(), self._view.seq
        written: list[Written] = []
        for event in events:
            seq += 1
            clean = self._redactor.value(event) if self._redactor is not None else event
            stamped = clean.model_copy(update={"seq": seq, "at": now, "run": self._run})
            written.append(Written.of(stamped))  # what cannot be is told to who enters it, and stops nobody else
        self._backlog.add(written)
        for stamped, _ in written:
            apply(self._view, stamped)
            if isinstance(stamped, MessageAdded):
                self._unshown.pop(stamped.session, None)

    async def flush(self) -> None:
        seq = self._view.seq
        cancelled: asyncio.CancelledError | None = None
        while self._stored < seq:
            if self._backlog:
                self._write()
            stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((seq, stored))
            try:
                await stored
            except asyncio.CancelledError as again:
                cancelled = again
                if not stored.cancelled():
                    stored.result()  # both came at once
        if cancelled is not None:
            raise cancelled

    def _write(self) -> None:
        """What comes while the disk is busy goes there together, straight after what it is busy with."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._backlog.is_expected:
            return
        self._backlog.is_expected = True  # first: the store may come before it has answered
        try:
            self._writer = self._store.append(self._backlog)
        except BaseException:
            self._backlog.is_expected = False
            raise
        self._writer.add_done_callback(self._written)

    def _have_stored(self, events: Sequence[Written]) -> None:
        for event, _ in events:
            self._stored = event.seq
            for reader in self._readers:
                reader.put(event)
        waiting, self._waiting = self._waiting, []
        for seq, stored in waiting:
            if seq > self._stored:
                self._waiting.append((seq, stored))
            elif not stored.done():
                stored.set_result(None)

    def _written(self, writer: asyncio.Future[None]) -> None:
        """Nobody waits for ever for a writer that is gone."""
        is_last = writer is self._writer
        if is_last:
            self._writer = None
            self._backlog.is_expected = False  # it may have failed before it took anything
        error = None if writer.cancelled() else writer.exception()
        if error is None:
            if self._backlog and self._soon is None:
                self._write()
        elif is_last:  # else the next one tries what this one could not store
            waiting, self._waiting = self._waiting, []
            for _, stored in waiting:
                if not stored.done():
                    stored.set_exception(error)

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        if self._redactor is not None:
            text = self._redactor.text(self._unshown.pop(session, "") + text)
            held_back = self._redactor.unfinished(text)
            if held_back:
                text, self._unshown[session] = text[:-held_back], text[-held_back:]
        delta = ShownDelta(self._run, session, agent, task, text)
        for reader in self._readers:
            reader.put_delta(delta, after=self._stored)

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
                        continue
                    if item.seq > position:
                        position = item.seq
                        yield item
                    if self._has_ended(position):
                        return
        finally:
            self._readers.discard(reader)

    def _has_ended(self, position: int) -> bool:
        """Whether the run has, and all of it is in the log and was read."""
        ended = self._view.state.is_final or self._view.state is RunState.PAUSED
        return ended and self._view.seq <= min(position, self._stored)


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
