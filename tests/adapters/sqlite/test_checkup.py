import sqlite3
from contextlib import closing
from pathlib import Path

from equitr_coder.adapters.sqlite.checkup import check_store
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.queries import Finding


async def made_store(home: Path) -> Path:
    store = SqliteStore(home)
    await store.create_run(RunId("run-1"), "/w", with_epic=False)
    await store.close()
    return home / "equitr.db"


async def found(home: Path) -> Finding:
    store, disk = await check_store(home)
    assert disk.name == "disk"
    return store


async def test_a_store_that_is_not_there_yet_is_no_trouble_and_is_not_made(tmp_path: Path) -> None:
    home = tmp_path / "not" / "yet"

    assert (await found(home)).state == "ok"
    assert not home.exists()


async def test_a_whole_store_says_its_version_and_its_runs(tmp_path: Path) -> None:
    await made_store(tmp_path)

    store = await found(tmp_path)

    assert store.state == "ok"
    assert "version 2, whole, 1 run," in store.detail


async def test_a_damaged_store_is_told_with_the_command_that_moves_it_away(tmp_path: Path) -> None:
    path = await made_store(tmp_path)
    for name in ("equitr.db-wal", "equitr.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    inside = await found(tmp_path)
    path.write_bytes(b"this is no database\n" * 300)
    outside = await found(tmp_path)

    for store in (inside, outside):
        assert store.state == "bad"
        assert "is damaged" in store.detail
        assert store.fix.startswith(f"mv {path} ")


async def test_the_store_of_a_newer_program_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    path = await made_store(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    store = await found(tmp_path)

    assert store.state == "bad"
    assert "version 99" in store.detail
    assert "update" in store.fix


async def test_a_store_that_somebody_writes_is_busy_not_broken(tmp_path: Path) -> None:
    path = await made_store(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = await found(tmp_path)

    assert store.state == "warn"
    assert "another process" in store.detail
