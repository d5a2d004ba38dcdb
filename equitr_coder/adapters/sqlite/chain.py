"""The hash chain of stored records: what makes a changed, dropped or reordered one show. `docs/audit.md` defines it.

    link(0) = 32 zero bytes
    link(n) = SHA-256(link(n-1) + "RUN\\nSEQ\\nTYPE\\n" + BODY), all text as UTF-8

Long bodies are compressed on disk; what is hashed is always the text.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

GENESIS = bytes(32)
RUNS = "*runs"
"""The chain of the table of runs; that of deleted runs is `TOMBSTONES`."""
TOMBSTONES = "*tombstones"
_LONG = 512
"""Characters from which a body is compressed. Shorter ones gain little."""
_LEVEL = 1
_PUT_HEAD = (
    "INSERT INTO heads VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET count = excluded.count, hash = excluded.hash"
)


class Record(NamedTuple):
    run: str
    seq: int
    type: str
    body: str


class Head(NamedTuple):
    """How many records a chain has, and the link of the last."""

    length: int = 0
    last: bytes = GENESIS


def link(previous: bytes, record: Record) -> bytes:
    run, seq, kind, body = record
    return sha256(previous + f"{run}\n{seq}\n{kind}\n{body}".encode("utf-8", "surrogatepass")).digest()


def as_text(stored: bytes) -> str:
    """Text as SQLite has it. What is no UTF-8 was not written by us; whoever reads it finds that out."""
    return stored.decode("utf-8", "surrogateescape")


def packed(body: str) -> str | bytes:
    return body if len(body) < _LONG else zlib.compress(body.encode("utf-8", "surrogatepass"), _LEVEL)


def unpacked(stored: str | bytes) -> str:
    """
    Raises:
        ValueError, zlib.error: it is not what was stored.
    """
    return stored if isinstance(stored, str) else zlib.decompress(stored).decode("utf-8", "surrogatepass")


def run_record(seq: int, run: str, workspace: str, epic_number: int | None, created: str) -> Record:
    """A row of the table of runs, as a record of its chain."""
    return Record(RUNS, seq, "run", json.dumps([run, workspace, epic_number, created], separators=(",", ":")))


def tombstone_record(seq: int, run: str, count: int, last: bytes, deleted: str, why: str) -> Record:
    """A row of the table of deleted runs, likewise."""
    body = json.dumps([run, count, last.hex(), deleted, why], separators=(",", ":"))
    return Record(TOMBSTONES, seq, "tombstone", body)


def head_of(connection: sqlite3.Connection, chain: str) -> Head:
    row = connection.execute("SELECT count, hash FROM heads WHERE run = ?", (chain,)).fetchone()
    return Head(*row) if row is not None else Head()


def put_head(connection: sqlite3.Connection, chain: str, head: Head) -> None:
    connection.execute(_PUT_HEAD, (chain, *head))


def append(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Store events behind those of their runs. The caller holds the transaction."""
    heads: dict[str, Head] = {}
    rows: list[tuple[str, int, str, str | bytes, bytes]] = []
    for record in records:
        count, previous = heads.get(record.run) or head_of(connection, record.run)
        mine = link(previous, record)
        heads[record.run] = Head(count + 1, mine)
        rows.append((record.run, record.seq, record.type, packed(record.body), mine))
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
    connection.executemany(_PUT_HEAD, [(run, *head) for run, head in heads.items()])


def add_run(connection: sqlite3.Connection, run: str, workspace: str, epic_number: int | None, created: str) -> None:
    """Register a run and begin its chain; likewise."""
    count, previous = head_of(connection, RUNS)
    mine = link(previous, run_record(count + 1, run, workspace, epic_number, created))
    connection.execute(
        "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", (run, workspace, epic_number, created, count + 1, mine)
    )
    put_head(connection, RUNS, Head(count + 1, mine))
    connection.execute("INSERT OR IGNORE INTO heads VALUES (?, 0, ?)", (run, GENESIS))


def bury(connection: sqlite3.Connection, run: str, deleted: str, why: str) -> Head:
    """Delete the events of a run and leave a tombstone; likewise. Returns what the chain came to."""
    head = head_of(connection, run)
    count, previous = head_of(connection, TOMBSTONES)
    mine = link(previous, tombstone_record(count + 1, run, head.length, head.last, deleted, why))
    row = (count + 1, run, head.length, head.last, deleted, why, mine)
    connection.execute("INSERT INTO tombstones VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    put_head(connection, TOMBSTONES, Head(count + 1, mine))
    connection.execute("DELETE FROM events WHERE run = ?", (run,))
    return head
