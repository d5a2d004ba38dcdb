"""Follows the chains of a store and looks for what does not fit. Reads only; a run at work is seen as of one moment."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from equitr_coder.adapters.sqlite import chain
from equitr_coder.adapters.sqlite.blobs import Blobs
from equitr_coder.domain.audit import AuditFault, VerifiedChain, named_blobs
from equitr_coder.domain.events import EVENTS
from equitr_coder.domain.ids import RunId

_BUSY_SECONDS = 10.0
_NAMING = ('"kept":["', '"output_hash":"', '"digest":"')
"""What the text of an event holds that may name something in the blob store."""


def verify(
    path: Path, blobs: Blobs, *, run: str | None, pin: str | None
) -> tuple[list[VerifiedChain], list[AuditFault]]:
    """Every run, or one; and what is wrong with the lists of runs and of deleted runs themselves. With `pin` (hex) its
    place in the chain of the run is looked for.
    """
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        connection.text_factory = chain.as_text
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        looked = _Look(connection, blobs, bytes.fromhex(pin) if pin is not None else None)
        index = [*looked.registers()]
        if run is not None:
            return [looked.run(run)], index
        names = connection.execute("SELECT run FROM runs UNION SELECT DISTINCT run FROM events ORDER BY 1").fetchall()
        return [looked.run(name) for (name,) in names], index


class _Look:
    def __init__(self, connection: sqlite3.Connection, blobs: Blobs, pin: bytes | None) -> None:
        self._connection = connection
        self._blobs = blobs
        self._pin = pin
        self._sound: dict[str, str] = {}
        """Digest -> what is wrong with it; empty when nothing is."""

    def registers(self) -> Iterator[AuditFault]:
        """Of the two lists that are chains of their own."""
        runs = "SELECT seq, run, workspace, epic_number, created, hash FROM runs ORDER BY seq"
        yield from self._register(chain.RUNS, "the list of runs", runs, chain.run_record)
        deleted = "SELECT seq, run, count, last, deleted, why, hash FROM tombstones ORDER BY seq"
        yield from self._register(chain.TOMBSTONES, "the list of deleted runs", deleted, chain.tombstone_record)

    def _register(self, name: str, words: str, query: str, record: Callable[..., chain.Record]) -> Iterator[AuditFault]:
        previous, count = chain.GENESIS, 0
        for *row, stored in self._connection.execute(query):
            count += 1
            if row[0] != count:
                yield AuditFault(run=name, seq=count, kind="dropped", what=f"{words}: row {count} is missing")
                count = row[0]
            elif chain.link(previous, record(*row)) != stored:
                what = f"{words}: row {count} ({row[1]}) is not what was stored, or not where it was"
                yield AuditFault(run=name, seq=count, kind="changed", what=what)
            previous = stored
        head = chain.head_of(self._connection, name)
        if head.length > count:
            what = f"{words}: the last {head.length - count} of {head.length} rows are missing"
            yield AuditFault(run=name, seq=count + 1, kind="truncated", what=what)
        elif head != chain.Head(count, previous):
            yield AuditFault(run=name, kind="index", what=f"{words} does not end where its head says")

    def run(self, run: str) -> VerifiedChain:
        tombstone = self._connection.execute(
            "SELECT count, last, deleted FROM tombstones WHERE run = ?", (run,)
        ).fetchone()
        faults: list[AuditFault] = []
        previous, count, expected, pinned = chain.GENESIS, 0, 1, None
        named: dict[str, int] = {}
        query = "SELECT run, seq, type, body, hash FROM events WHERE run = ? ORDER BY seq"
        for name, seq, kind, stored, mine in self._connection.execute(query, (run,)):
            count += 1
            if seq != expected:
                faults.append(_gap(run, expected, seq))
            body = _body(stored)
            if body is None:
                faults.append(AuditFault(run=run, seq=seq, kind="changed", what=f"record {seq} cannot be read"))
            elif seq == expected and chain.link(previous, chain.Record(name, seq, kind, body)) != mine:
                what = f"record {seq} ({kind}) is not what was stored, or not where it was"
                faults.append(AuditFault(run=run, seq=seq, kind="changed", what=what))
            for digest in _named(body) if body is not None else ():
                named.setdefault(digest, seq)
            if self._pin is not None and mine == self._pin:
                pinned = seq
            previous, expected = mine, seq + 1
        if tombstone is None:
            faults += self._end(run, count, expected, previous)
            faults += self._lost(run, named)
        else:
            faults += self._buried(run, count, tombstone)
            count, previous = tombstone[0], tombstone[1]
            pinned = count if self._pin == previous else pinned
        if self._pin is not None and pinned is None:
            what = "no record has the given head: what it stood for was changed or dropped"
            faults.append(AuditFault(run=run, kind="pin", what=what))
        return VerifiedChain(
            run=RunId(run),
            records=count,
            head=previous.hex(),
            blobs=len(named),
            deleted=datetime.fromisoformat(tombstone[2]) if tombstone is not None else None,
            pinned=pinned,
            faults=tuple(faults),
        )

    def _end(self, run: str, count: int, expected: int, last: bytes) -> Iterator[AuditFault]:
        if self._connection.execute("SELECT 1 FROM heads WHERE run = ?", (run,)).fetchone() is None:
            yield AuditFault(run=run, kind="index", what="the head of this run is missing")
            return
        if count and self._connection.execute("SELECT 1 FROM runs WHERE run = ?", (run,)).fetchone() is None:
            yield AuditFault(run=run, kind="index", what="the run has records and is not in the list of runs")
        head = chain.head_of(self._connection, run)
        if expected <= head.length:
            what = f"the last {head.length - expected + 1} of {head.length} records are missing"
            yield AuditFault(run=run, seq=expected, kind="truncated", what=what)
        elif expected > head.length + 1:
            what = f"there are records after number {head.length}, which was the last"
            yield AuditFault(run=run, seq=head.length + 1, kind="added", what=what)
        elif last != head.last:
            yield AuditFault(run=run, seq=head.length, kind="index", what="the last record is not the one of the head")

    def _buried(self, run: str, count: int, tombstone: tuple[int, bytes, str]) -> Iterator[AuditFault]:
        if count:
            yield AuditFault(run=run, kind="added", what=f"the run was deleted and has {count} records")
        if chain.head_of(self._connection, run) != chain.Head(tombstone[0], tombstone[1]):
            yield AuditFault(run=run, kind="index", what="the tombstone does not hold the last link of the run")

    def _lost(self, run: str, named: dict[str, int]) -> Iterator[AuditFault]:
        for digest, seq in named.items():
            if digest not in self._sound:
                self._sound[digest] = self._blobs.fault(digest)
            state = self._sound[digest]
            if state == "missing":
                what = f"output {digest[:12]} of record {seq} is missing"
                yield AuditFault(run=run, seq=seq, kind="blob_missing", what=what)
            elif state:
                what = f"output {digest[:12]} of record {seq} was changed"
                yield AuditFault(run=run, seq=seq, kind="blob_changed", what=what)


def _gap(run: str, expected: int, found: int) -> AuditFault:
    last = found - 1
    words = f"record {expected} is" if last == expected else f"records {expected} to {last} are"
    return AuditFault(run=run, seq=expected, kind="dropped", what=f"{words} missing")


def _body(stored: str | bytes) -> str | None:
    try:
        return chain.unpacked(stored)
    except (ValueError, TypeError, AttributeError, zlib.error):
        return None


def named_in(stored: str | bytes) -> tuple[str, ...]:
    """What a stored record names in the blob store; nothing when it cannot be read."""
    body = _body(stored)
    return _named(body) if body is not None else ()


def _named(body: str) -> tuple[str, ...]:
    """Of a record that this program can read; one of a newer version names nothing it could look for."""
    if not any(word in body for word in _NAMING):
        return ()
    try:
        return named_blobs(EVENTS.validate_json(body))
    except ValueError:
        return ()
