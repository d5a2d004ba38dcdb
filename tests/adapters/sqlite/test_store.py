import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import Event, RunPaused, RunStarted, ToolReturned
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId
from equitr_coder.domain.runs import RunKind, RunOptions
from tests.waiting import waiting

RUN = RunId("run-1")


def started(seq: int = 1, run: RunId = RUN) -> Event:
    return RunStarted(
        seq=seq, run=run, kind=RunKind.CHAT, request="hello", workspace="/w", options=RunOptions(budget=None)
    )


def returned(seq: int, run: RunId, kept: tuple[str, ...]) -> Event:
    return ToolReturned(
        seq=seq, run=run, session=SessionId("s"), agent=AgentName("a"), call=CallId("c"), name="x", text="", kept=kept
    )


def paused(seq: int, run: RunId = RUN) -> Event:
    return RunPaused(seq=seq, run=run, reason=StopReason.INTERRUPTED)


async def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "home")

    await store.append(waiting([started(), paused(2)]))

    assert list(await store.read(RUN)) == [started(), paused(2)]
    assert list(await store.read(RUN, after=1)) == [paused(2)]
    await store.close()


async def test_a_second_process_sees_what_append_returned_from(tmp_path: Path) -> None:
    writer, reader = SqliteStore(tmp_path), SqliteStore(tmp_path)

    await writer.append(waiting([started()]))

    assert list(await reader.read(RUN)) == [started()]
    await writer.close()
    await reader.close()


async def test_an_append_that_fails_stores_none_of_its_events(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.append(waiting([started()]))

    with pytest.raises(sqlite3.IntegrityError):
        await store.append(waiting([paused(2), started()]))

    assert list(await store.read(RUN)) == [started()]
    await store.close()


async def test_the_log_refuses_update_and_delete(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.append(waiting([started()]))
    await store.close()

    connection = sqlite3.connect(tmp_path / "equitr.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("UPDATE events SET body = '{}'")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("DELETE FROM events")
    connection.close()


async def test_reading_an_absent_store_creates_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "home")

    assert list(await store.read(RUN)) == []
    assert list(await store.runs()) == []
    assert not (tmp_path / "home").exists()
    await store.close()


async def test_epic_numbers_count_per_workspace(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)

    numbers = [
        await store.create_run(RunId("a"), "/one", with_epic=True),
        await store.create_run(RunId("b"), "/one", with_epic=False),
        await store.create_run(RunId("c"), "/one", with_epic=True),
        await store.create_run(RunId("d"), "/two", with_epic=True),
    ]

    assert numbers == [1, None, 2, 1]
    assert [row.run for row in await store.runs("/one")] == ["c", "b", "a"]
    await store.close()


async def test_two_processes_never_take_the_same_epic_number(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path) for _ in range(4)]

    numbers = await asyncio.gather(
        *(
            store.create_run(RunId(f"r{i}.{n}"), "/w", with_epic=True)
            for n in range(10)
            for i, store in enumerate(stores)
        )
    )

    assert sorted(n for n in numbers if n is not None) == list(range(1, 41))
    for store in stores:
        await store.close()


async def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "equitr.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    store = SqliteStore(tmp_path)

    with pytest.raises(UserError, match="newer"):
        await store.read(RUN)
    await store.close()


async def test_a_damaged_store_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "equitr.db").write_bytes(b"no database at all" * 100)
    store = SqliteStore(tmp_path)

    with pytest.raises(UserError, match="damaged"):
        await store.read(RUN)
    await store.close()


async def test_a_run_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first, second = SqliteStore(tmp_path), SqliteStore(tmp_path)

    async with first.lock_run(RUN):
        assert second.is_owned(RUN)
        with pytest.raises(UserError, match="pid"):
            async with second.lock_run(RUN):
                pass
    assert not second.is_owned(RUN)
    async with second.lock_run(RUN):
        assert first.is_owned(RUN)
    await first.close()
    await second.close()


async def test_blobs_come_back_by_hash_and_by_its_beginning(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)

    digest = await store.put_blob(b"long output")

    assert await store.get_blob(digest) == b"long output"
    assert await store.get_blob(digest[:12]) == b"long output"
    assert await store.get_blob("0" * 64) is None
    assert await store.get_blob("../../etc/passwd") is None
    await store.close()


async def test_a_changed_blob_is_not_returned(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    digest = await store.put_blob(b"true")
    next(tmp_path.glob(f"blobs/*/{digest}")).write_bytes(b"false")

    assert await store.get_blob(digest) is None
    await store.close()


async def test_an_open_journal_is_found_until_it_is_cleared(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.write_journal("landing:run-1", {"old": "a", "files": ["x"]})
    await store.write_journal("merge:run-1", {})

    assert await store.open_journals("landing:") == {"landing:run-1": {"old": "a", "files": ["x"]}}
    await store.clear_journal("landing:run-1")
    assert await store.open_journals("landing:") == {}
    await store.close()


async def test_a_summary_holds_until_the_log_grows_or_goes(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    for run in (RUN, RunId("run-2")):
        await store.create_run(run, "/w", with_epic=False)
        await store.append(waiting([started(run=run)]))
    await store.keep_summaries("a", {RUN: (1, "one"), RunId("run-2"): (1, "two")})

    kept, other_kind = await store.summaries("a"), await store.summaries("b")
    await store.append(waiting([paused(2)]))
    grown = await store.summaries("a")
    await store.bury([RunId("run-2")], "test")
    buried = await store.summaries("a")
    await store.close()

    assert (kept, other_kind) == ({RUN: "one", "run-2": "two"}, {})
    assert (grown, buried) == ({"run-2": "two"}, {})


async def test_outputs_go_with_the_last_log_that_names_them(tmp_path: Path) -> None:
    store, other = SqliteStore(tmp_path), RunId("run-2")
    shared, own = await store.put_blob(b"shared"), await store.put_blob(b"own")
    fresh = await store.put_blob(b"fresh")
    for run, kept in ((RUN, (shared, own, fresh)), (other, (shared,))):
        await store.create_run(run, "/w", with_epic=False)
        await store.append(waiting([started(run=run), returned(2, run, kept)]))
    for digest in (shared, own):
        os.utime(tmp_path / "blobs" / digest[:2] / digest, (0, 0))

    freed = await store.bury([RUN], "test")

    assert freed == len(b"own")
    assert await store.get_blob(own) is None
    assert await store.get_blob(shared) == b"shared"
    assert await store.get_blob(fresh) == b"fresh", "somebody may be about to name it"
    assert list(await store.read(RUN)) == []
    with pytest.raises(sqlite3.IntegrityError, match="deleted"):
        await store.append(waiting([paused(3)]))
    await store.close()


async def test_journals_of_a_run_go_with_its_log(tmp_path: Path) -> None:
    store, other = SqliteStore(tmp_path), RunId("run-2")
    for run in (RUN, other):
        await store.create_run(run, "/w", with_epic=True)
        await store.append(waiting([started(run=run)]))
        for kind in ("merge", "branch"):
            await store.write_journal(f"{kind}:{run}", {"summary": "words of an agent"})

    await store.bury([RUN], "test")

    assert set(await store.open_journals("")) == {f"merge:{other}", f"branch:{other}"}
    await store.close()
