import hashlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.sqlite import chain, schema
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.audit import AuditFault
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import Event, RunPaused, RunStarted, ToolReturned
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId
from equitr_coder.domain.runs import RunKind, RunOptions
from tests.waiting import waiting

RUN, OTHER = RunId("run-1"), RunId("run-2")
AT = datetime(2026, 11, 30, tzinfo=UTC)
PAGE = (Path(__file__).parents[3] / "docs" / "audit.md").read_text()


def started(run: RunId = RUN) -> Event:
    options = RunOptions(budget=None)
    return RunStarted(seq=1, at=AT, run=run, kind=RunKind.CHAT, request="hello", workspace="/w", options=options)


def returned(seq: int, text: str, *, kept: tuple[str, ...] = (), run: RunId = RUN) -> Event:
    return ToolReturned(
        seq=seq, at=AT, run=run, session=SessionId("s"), agent=AgentName("a"), call=CallId(f"c{seq}"),
        name="run_command", text=text, kept=kept,
    )  # fmt: skip


def paused(seq: int, run: RunId = RUN) -> Event:
    return RunPaused(seq=seq, at=AT, run=run, reason=StopReason.INTERRUPTED)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Two runs of five records each, one of them with a long body and an output of its own."""
    store = SqliteStore(tmp_path)
    for run in (RUN, OTHER):
        digest = await store.put_blob(f"output of {run}".encode())
        await store.create_run(run, "/w", with_epic=True)
        await store.append(waiting([started(run)]))
        await store.append(waiting([returned(2, "x" * 3000, run=run)], [returned(3, "short", kept=(digest,), run=run)]))
        await store.append(waiting([returned(4, "last but one", run=run), paused(5, run)]))
    await store.close()
    return tmp_path


@contextmanager
def without_guards(home: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who can write the file need not ask its triggers."""
    with closing(sqlite3.connect(home / "equitr.db", isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        yield connection


async def faults(home: Path, run: RunId | None = RUN, pin: str | None = None) -> list[tuple[str, int | None]]:
    return [(fault.kind, fault.seq) for fault in await told(home, run, pin)]


async def told(home: Path, run: RunId | None = RUN, pin: str | None = None) -> list[AuditFault]:
    store = SqliteStore(home)
    chains, index = await store.verify(run, pin=pin)
    await store.close()
    return [*index, *(fault for one in chains for fault in one.faults)]


async def test_what_was_stored_is_whole(home: Path) -> None:
    store = SqliteStore(home)
    chains, index = await store.verify()
    await store.close()

    assert index == []
    assert [(one.run, one.records, one.blobs, one.faults) for one in chains] == [(RUN, 5, 1, ()), (OTHER, 5, 1, ())]
    assert chains[0].head != chains[1].head


CHANGES = {
    "a body": (
        "UPDATE events SET body = replace(body, 'last', 'lost') WHERE run = 'run-1' AND seq = 4",
        ("changed", 4),
    ),
    "a type": ("UPDATE events SET type = 'run_finished' WHERE run = 'run-1' AND seq = 5", ("changed", 5)),
    "a long body": ("UPDATE events SET body = x'00' WHERE run = 'run-1' AND seq = 2", ("changed", 2)),
    "a long body to text": (
        "UPDATE events SET body = replace(body, 'a', 'b') WHERE run = 'run-1' AND seq = 2",
        ("changed", 2),
    ),
    "a link": ("UPDATE events SET hash = zeroblob(32) WHERE run = 'run-1' AND seq = 3", ("changed", 3)),
    "the first record dropped": ("DELETE FROM events WHERE run = 'run-1' AND seq = 1", ("dropped", 1)),
    "one dropped": ("DELETE FROM events WHERE run = 'run-1' AND seq = 3", ("dropped", 3)),
    "the end dropped": ("DELETE FROM events WHERE run = 'run-1' AND seq >= 4", ("truncated", 4)),
    "all dropped": ("DELETE FROM events WHERE run = 'run-1'", ("truncated", 1)),
    "one of another run": ("UPDATE events SET run = 'run-1', seq = 6 WHERE run = 'run-2' AND seq = 5", ("changed", 6)),
    "one more": ("INSERT INTO events VALUES ('run-1', 6, 't', '{}', x'00')", ("added", 6)),
    "the head": ("UPDATE heads SET hash = zeroblob(32) WHERE run = 'run-1'", ("index", 5)),
    "no head": ("DELETE FROM heads WHERE run = 'run-1'", ("index", None)),
    "the row of the run": ("UPDATE runs SET workspace = '/other' WHERE run = 'run-1'", ("changed", 1)),
    "the run itself": ("DELETE FROM runs WHERE run = 'run-1'", ("dropped", 1)),
    "the newest run": ("DELETE FROM runs WHERE run = 'run-2'", ("truncated", 2)),
}


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES)
async def test_every_change_of_the_store_is_found(home: Path, change: str, found: tuple[str, int | None]) -> None:
    with without_guards(home) as connection:
        connection.execute(change)

    assert found in await faults(home)


async def test_two_records_that_changed_places_are_found(home: Path) -> None:
    with without_guards(home) as connection:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            connection.execute("UPDATE events SET seq = ? WHERE run = 'run-1' AND seq = ?", (new, old))

    assert await faults(home) == [("changed", 3), ("changed", 4), ("changed", 5)]


async def test_the_other_run_stays_whole(home: Path) -> None:
    with without_guards(home) as connection:
        connection.execute("DELETE FROM events WHERE run = 'run-1' AND seq = 3")

    assert await faults(home, OTHER) == []


async def test_a_changed_and_a_missing_output_are_told_apart(home: Path) -> None:
    first, second = (
        next(home.glob(f"blobs/*/{hashlib.sha256(f'output of {run}'.encode()).hexdigest()}")) for run in (RUN, OTHER)
    )
    first.write_bytes(b"something else")
    second.unlink()

    assert await faults(home) == [("blob_changed", 3)]
    assert await faults(home, OTHER) == [("blob_missing", 3)]


async def test_a_pinned_head_finds_a_chain_that_was_computed_anew(home: Path) -> None:
    store = SqliteStore(home)
    [noted], _ = await store.verify(RUN)
    await store.append(waiting([paused(6)]))
    await store.close()
    later = await faults(home, pin=noted.head)
    with without_guards(home) as connection:
        connection.execute("UPDATE events SET body = replace(body, 'last', 'lost') WHERE run = 'run-1' AND seq = 4")
        rows = connection.execute("SELECT run, seq, type, body FROM events WHERE run = 'run-1' ORDER BY seq").fetchall()
        connection.execute("DELETE FROM events WHERE run = 'run-1'")
        connection.execute("DELETE FROM heads WHERE run = 'run-1'")
        chain.append(connection, [chain.Record(run, seq, kind, chain.unpacked(body)) for run, seq, kind, body in rows])

    assert later == []
    assert await faults(home) == [], "nothing inside the file tells: docs/audit.md says so"
    assert await faults(home, pin=noted.head) == [("pin", None)]


async def test_the_application_cannot_change_what_it_wrote(home: Path) -> None:
    refused = [
        "UPDATE events SET body = '{}'", "DELETE FROM events", "UPDATE heads SET count = 1", "DELETE FROM heads",
        "UPDATE runs SET workspace = ''", "DELETE FROM runs",
        "INSERT INTO tombstones VALUES (1, 'run-1', 4, x'00', '', '', x'00')",
    ]  # fmt: skip
    with closing(sqlite3.connect(home / "equitr.db", isolation_level=None)) as connection:
        for statement in refused:
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)

    assert await faults(home, None) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_byte_of_a_chain_can_change_unseen(data: st.DataObject) -> None:
    records = [chain.Record("r", number, "t", f'{{"n":{number}}}' * number) for number in range(1, 6)]
    links: list[bytes] = []
    for record in records:
        links.append(chain.link(links[-1] if links else chain.GENESIS, record))
    at = data.draw(st.integers(0, 4))
    body = records[at].body
    place = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda sign: sign != body[place]))

    changed = records[at]._replace(body=body[:place] + other + body[place + 1 :])

    assert chain.link(links[at - 1] if at else chain.GENESIS, changed) != links[at]


@given(st.text(max_size=2000))
def test_a_body_comes_back_as_it_was(body: str) -> None:
    assert chain.unpacked(chain.packed(body)) == body


def test_a_link_is_what_the_page_says() -> None:
    record = chain.Record("run-1", 1, "run_started", '{"v":1}')

    assert chain.link(chain.GENESIS, record) == hashlib.sha256(bytes(32) + b'run-1\n1\nrun_started\n{"v":1}').digest()


# ---------------------------------------------------------------- an older store


def old_store(path: Path) -> None:
    """As version 1 made it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in schema._FIRST:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        for run, number in ((OTHER, 7), (RUN, 8)):
            connection.execute("INSERT INTO runs VALUES (?, '/w', ?, ?)", (run, number, AT.isoformat()))
            for event in (started(run), returned(2, "y" * 3000, run=run), paused(3, run)):
                row = (run, event.seq, event.type, event.model_dump_json(exclude_none=True))
                connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)


async def test_an_older_store_is_kept_and_becomes_one_with_chains(tmp_path: Path) -> None:
    old_store(tmp_path / "equitr.db")
    store = SqliteStore(tmp_path)

    log = list(await store.read(RUN))
    await store.append(waiting([paused(4)]))
    number = await store.create_run(RunId("run-3"), "/w", with_epic=True)
    runs = [row.run for row in await store.runs("/w")]
    chains, index = await store.verify()
    await store.close()

    assert log == [started(), returned(2, "y" * 3000), paused(3)]
    assert number == 9
    assert runs == ["run-3", RUN, OTHER]
    assert index == []
    assert {one.run: one.records for one in chains} == {RUN: 4, OTHER: 3, "run-3": 0}
    assert not [fault for one in chains for fault in one.faults]
    with closing(sqlite3.connect(tmp_path / "equitr.db.version-1")) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (1,)
        assert kept.execute("SELECT COUNT(*) FROM events").fetchone() == (6,)


async def test_a_migration_that_fails_leaves_the_old_store(tmp_path: Path) -> None:
    old_store(tmp_path / "equitr.db")
    (tmp_path / ".equitr.db.version-1").mkdir()  # where the copy would be made
    store = SqliteStore(tmp_path)

    with pytest.raises(UserError, match="cannot keep a copy"):
        await store.read(RUN)
    await store.close()

    with closing(sqlite3.connect(tmp_path / "equitr.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT COUNT(*) FROM events").fetchone() == (6,)


# ---------------------------------------------------------------- the page


def verify_by_the_page(path: Path, run: str) -> subprocess.CompletedProcess[str]:
    [script] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(script.splitlines()) <= 20
    return subprocess.run([sys.executable, "-c", script, str(path), run], capture_output=True, text=True, check=False)


async def test_an_outsider_verifies_a_run_with_the_lines_of_the_page(home: Path) -> None:
    store = SqliteStore(home)
    [mine], _ = await store.verify(RUN)
    await store.close()

    whole = verify_by_the_page(home / "equitr.db", RUN)
    with without_guards(home) as connection:
        connection.execute("UPDATE events SET body = replace(body, 'last', 'lost') WHERE run = 'run-1' AND seq = 4")
    changed = verify_by_the_page(home / "equitr.db", RUN)

    assert (whole.returncode, whole.stdout.split()) == (0, ["5", "records,", "head", mine.head]), whole.stderr
    assert changed.returncode == 1
    assert "record 4" in changed.stderr
