import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import Event, QuestionAnswered, RunFinished, RunPaused, RunStarted
from equitr_coder.domain.ids import AgentName, RequestId, RunId, SessionId
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.ports import EventStore, ShownDelta, Unstored, Written
from equitr_coder.session.hub import Hub
from tests.waiting import Taking

RUN = RunId("run-1")


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def hub_at(path: Path) -> Hub:
    return Hub(run=RUN, store=SqliteStore(path), clock=FixedClock())


def started() -> RunStarted:
    return RunStarted(kind=RunKind.CHAT, request="hi", workspace="/w", options=RunOptions())


def answered(number: int) -> QuestionAnswered:
    return QuestionAnswered(question=RequestId("q"), answer=str(number))


async def test_concurrent_records_are_numbered_without_gaps_and_stored_in_that_order(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started())

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(hub.record(answered(number), answered(number)))

    stored = await SqliteStore(tmp_path).read(RUN)
    assert [event.seq for event in stored] == list(range(1, 102))
    pairs = [event.answer for event in stored if isinstance(event, QuestionAnswered)]
    assert all(pairs[i] == pairs[i + 1] for i in range(0, 100, 2))


async def test_a_reader_gets_every_stored_event_once_old_and_new(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started(), answered(1))
    seen: list[int] = []

    async def read() -> None:
        async for item in hub.follow(after=0, deltas=False):
            assert not isinstance(item, ShownDelta)
            seen.append(item.seq)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for number in range(20):
            await hub.record(answered(number))
        await hub.record(RunPaused(reason=StopReason.INTERRUPTED))

    assert seen == list(range(1, 24))
    assert hub.view.state is RunState.PAUSED


async def test_a_cancelled_record_is_in_the_log_and_in_the_view_or_in_neither(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started())
    for number in range(30):
        task = asyncio.get_running_loop().create_task(hub.record(answered(number)))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    stored = await SqliteStore(tmp_path).read(RUN)
    assert stored[-1].seq == hub.view.seq == len(stored)


async def test_deltas_reach_only_who_asked_and_are_not_stored(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started())
    texts: list[str] = []
    plain: list[object] = []
    ready = asyncio.Event()

    async def read(wanted: bool, into: list[object]) -> None:
        async for item in hub.follow(after=0, deltas=wanted):
            ready.set()
            if isinstance(item, ShownDelta):
                texts.append(item.text)
            else:
                into.append(item)

    async with asyncio.TaskGroup() as group:
        group.create_task(read(True, []))
        group.create_task(read(False, plain))
        await ready.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        hub.show(SessionId("chat"), AgentName("assistant"), None, "wor")
        hub.show(SessionId("chat"), AgentName("assistant"), None, "ds")
        await hub.record(RunPaused(reason=StopReason.INTERRUPTED))

    assert texts == ["wor", "ds"]
    assert len(plain) == 2
    assert len(await SqliteStore(tmp_path).read(RUN)) == 2


async def test_records_that_are_cancelled_while_they_are_stored_keep_their_place_in_the_order(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started())

    async def record_and_be_cancelled(number: int) -> None:
        task = asyncio.get_running_loop().create_task(hub.record(answered(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        task.cancel()
        await asyncio.wait([task])

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(record_and_be_cancelled(number))
            group.create_task(hub.record(answered(100 + number)))

    stored = await SqliteStore(tmp_path).read(RUN)
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    assert hub.view.seq == len(stored)
    assert len(stored) >= 21


class Slow:
    """The real store, whose reads wait at a gate, and whose thread waits there with what it has taken."""

    def __init__(self, real: SqliteStore) -> None:
        self._real = real
        self._loop = asyncio.get_running_loop()
        self.gate = threading.Event()
        self.appended: list[int] = []
        self.refuses = 0
        """How many transactions there is no room for."""
        self.is_appending = asyncio.Event()
        self.is_read = asyncio.Event()

    def append(self, unstored: Unstored) -> asyncio.Future[None]:
        return self._real.append(Taking(unstored, self._take))

    def _take(self, unstored: Unstored) -> Sequence[Sequence[Written]]:
        batches = unstored.take()
        if batches:
            self.appended.append(len(batches))
        self._loop.call_soon_threadsafe(self.is_appending.set)
        self.gate.wait(timeout=20)
        if self.refuses:
            self.refuses -= 1
            unstored.put_back(batches)
            raise UserError("the disk is full", hint="free some space")
        return batches

    async def read(self, run: RunId, *, after: int = 0, transcripts: bool = True) -> Sequence[Event]:
        self.is_read.set()
        await asyncio.to_thread(self.gate.wait, 20)
        return await self._real.read(run, after=after, transcripts=transcripts)


async def test_text_that_streamed_before_a_message_is_never_shown_after_it(tmp_path: Path) -> None:
    store = Slow(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
    shown: list[int | str] = []
    has_caught_up = asyncio.Event()

    async def read() -> None:
        async for item in hub.follow(after=0, deltas=True):
            shown.append(item.text if isinstance(item, ShownDelta) else item.seq)
            if shown[-1] == 2:
                has_caught_up.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(hub.record(started(), answered(1)))
        group.create_task(read())
        await store.is_read.wait()
        hub.show(SessionId("chat"), AgentName("assistant"), None, "early")
        store.gate.set()
        await has_caught_up.wait()
        hub.show(SessionId("chat"), AgentName("assistant"), None, "late")
        await hub.record(RunPaused(reason=StopReason.INTERRUPTED))

    assert shown == [1, 2, "late", 3]


async def test_a_loop_that_ends_cancels_the_record_itself_and_the_next_one_still_fits(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started())
    here = asyncio.current_task()

    for number in range(5):
        told = asyncio.ensure_future(hub.record(answered(number)))  # noqa: TID251 - what a loop's end does to all tasks
        for _ in range(3):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {here}:
            task.cancel()
        await asyncio.wait([told])
        assert told.cancelled()
        await hub.record(answered(100 + number))

    stored = await SqliteStore(tmp_path).read(RUN)
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    assert hub.view.seq == len(stored)


async def test_what_comes_while_the_disk_is_busy_is_stored_together_and_in_order(tmp_path: Path) -> None:
    store = Slow(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())

    async with asyncio.TaskGroup() as group:
        group.create_task(hub.record(started()))
        await store.is_appending.wait()
        waiting = [group.create_task(hub.record(answered(number), answered(number))) for number in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        had_ended = [task for task in waiting if task.done()]
        store.gate.set()

    assert had_ended == []
    assert store.appended == [1, 20]
    stored = await SqliteStore(tmp_path).read(RUN)
    assert [event.seq for event in stored] == list(range(1, 42))
    assert [event.answer for event in stored if isinstance(event, QuestionAnswered)] == [
        str(number) for number in range(20) for _ in range(2)
    ]


async def test_what_a_transaction_could_not_store_is_stored_by_the_next_that_was_asked_for_already(
    tmp_path: Path,
) -> None:
    store = Slow(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
    store.refuses = 1

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(hub.record(started()))
        await store.is_appending.wait()
        group.create_task(hub.record(answered(1)))
        for _ in range(3):
            await asyncio.sleep(0)
        store.gate.set()

    assert store.appended == [1, 2]
    assert [event.seq for event in await SqliteStore(tmp_path).read(RUN)] == [1, 2]


class Full:
    """The real store, whose disk is full once."""

    def __init__(self, real: SqliteStore) -> None:
        self._real = real
        self.is_full = False

    def append(self, unstored: Unstored) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_task(self._append(unstored))

    async def _append(self, unstored: Unstored) -> None:
        await asyncio.sleep(0)
        if self.is_full:
            raise UserError("the disk is full", hint="free some space")
        await self._real.append(unstored)

    async def read(self, run: RunId, *, after: int = 0, transcripts: bool = True) -> Sequence[Event]:
        return await self._real.read(run, after=after, transcripts=transcripts)


async def test_a_full_disk_is_told_to_everybody_who_waits_and_what_it_did_not_take_comes_before_what_it_takes_next(
    tmp_path: Path,
) -> None:
    store = Full(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
    await hub.record(started())
    store.is_full = True

    hub.note(answered(100))
    told = await asyncio.gather(*(hub.record(answered(number)) for number in range(5)), return_exceptions=True)
    assert [type(error) for error in told] == [UserError] * 5
    with pytest.raises(UserError, match="full"):
        await hub.record(answered(5))
    store.is_full = False
    await hub.record(answered(7))

    stored = await SqliteStore(tmp_path).read(RUN)
    assert [event.seq for event in stored] == list(range(1, 10)) == list(range(1, hub.view.seq + 1))
    answers = [event.answer for event in stored if isinstance(event, QuestionAnswered)]
    assert answers == ["100", "0", "1", "2", "3", "4", "5", "7"]


async def test_what_is_noted_is_in_the_view_at_once_and_in_the_log_before_what_is_recorded_next(tmp_path: Path) -> None:
    store = Slow(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())

    hub.note(started())
    hub.note(answered(1), answered(2))
    seen = hub.view.seq, hub.view.kind
    store.gate.set()
    await hub.record(answered(3))

    assert seen == (3, RunKind.CHAT)
    assert store.appended == [3]
    stored = await SqliteStore(tmp_path).read(RUN)
    assert [event.answer for event in stored if isinstance(event, QuestionAnswered)] == ["1", "2", "3"]


async def test_nobody_is_shown_what_is_not_in_the_log(tmp_path: Path) -> None:
    store = Full(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
    await hub.record(started())
    follower = hub.follow(after=0, deltas=True)
    assert isinstance(await anext(follower), RunStarted)
    store.is_full = True

    hub.note(answered(1))
    hub.show(SessionId("chat"), AgentName("assistant"), None, "words")
    with pytest.raises(UserError):
        await hub.record(answered(2))
    shown = await anext(follower)
    assert isinstance(shown, ShownDelta)
    store.is_full = False
    await hub.record(RunPaused(reason=StopReason.INTERRUPTED))

    assert [item.seq async for item in follower if not isinstance(item, ShownDelta)] == [2, 3, 4]


async def test_who_is_cancelled_when_the_disk_is_full_does_not_wait_for_ever(tmp_path: Path) -> None:
    for steps in range(8):
        store = Full(SqliteStore(tmp_path / str(steps)))
        hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
        await hub.record(started())
        store.is_full = True
        task = asyncio.get_running_loop().create_task(hub.record(answered(1)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()

        await asyncio.wait_for(asyncio.wait([task]), timeout=20)

        assert task.cancelled() or isinstance(task.exception(), UserError)


async def test_a_reader_ends_although_something_comes_while_the_end_goes_to_the_disk(tmp_path: Path) -> None:
    store = Slow(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
    seen: list[int] = []

    async def read() -> None:
        async for item in hub.follow(after=0, deltas=False):
            assert not isinstance(item, ShownDelta)
            seen.append(item.seq)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(read())
        await store.is_read.wait()
        group.create_task(hub.record(started(), RunFinished(state=RunState.COMPLETED)))
        await store.is_appending.wait()
        group.create_task(hub.record(answered(1)))
        for _ in range(3):
            await asyncio.sleep(0)
        store.gate.set()

    assert seen == [1, 2, 3]


async def test_nobody_is_told_of_an_end_that_is_not_in_the_log(tmp_path: Path) -> None:
    store = Full(SqliteStore(tmp_path))
    hub = Hub(run=RUN, store=cast("EventStore", store), clock=FixedClock())
    await hub.record(started())
    store.is_full = True
    with pytest.raises(UserError):
        await hub.record(RunFinished(state=RunState.COMPLETED))
    told = asyncio.Event()

    async def read() -> None:
        async for _ in hub.follow(after=hub.view.seq, deltas=False):
            pass
        told.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(read())
        await SqliteStore(tmp_path).read(RUN)
        assert not told.is_set()
        store.is_full = False
        await hub.flush()

    assert [event.seq for event in await SqliteStore(tmp_path).read(RUN)] == [1, 2]


async def test_what_cannot_be_written_is_told_to_who_enters_it_and_stops_nobody_else(tmp_path: Path) -> None:
    hub = hub_at(tmp_path)
    await hub.record(started())

    with pytest.raises(ValueError, match="surrogates"):
        hub.note(QuestionAnswered.model_construct(question=RequestId("q"), answer="\ud83d"))
    await hub.record(answered(1))

    assert [event.seq for event in await SqliteStore(tmp_path).read(RUN)] == [1, 2]
    assert hub.view.seq == 2


async def test_no_held_key_is_stored_folded_or_shown(tmp_path: Path) -> None:
    key = "shop-k3y-Ab3dEf6hIj9kLm2n"
    held = HeldKeys()
    held.hold("SHOP_KEY", key)
    store = SqliteStore(tmp_path)
    hub = Hub(run=RUN, store=store, clock=FixedClock(), redactor=held)

    shown: list[str] = []
    follower = hub.follow(after=0, deltas=True)
    await hub.record(started().model_copy(update={"request": f'"{key}"'}))
    assert isinstance(await anext(follower), RunStarted)
    for piece in ("the shop-", key[5:12], key[12:], " is it, sh"):
        hub.show(SessionId("s"), AgentName("a"), None, piece)
    await hub.record(RunPaused(reason=StopReason.INTERRUPTED, detail=key))
    async for item in follower:
        if isinstance(item, ShownDelta):
            shown.append(item.text)

    assert "".join(shown) == "the [key SHOP_KEY] is it, "
    assert hub.view.request == '"[key SHOP_KEY]"'
    stored = await store.read(RUN)
    assert [getattr(event, "request", getattr(event, "detail", "")) for event in stored] == [
        '"[key SHOP_KEY]"',
        "[key SHOP_KEY]",
    ]


async def test_who_records_in_a_store_that_is_closed_is_told_so_each_time(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    hub = Hub(run=RUN, store=store, clock=FixedClock())
    await hub.record(started())
    await store.close()

    async with asyncio.timeout(20):
        for number in range(2):
            with pytest.raises(RuntimeError, match="shutdown"):
                await hub.record(answered(number))
