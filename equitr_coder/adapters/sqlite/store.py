"""The event store on SQLite (WAL, synchronous=FULL): what `append` returned from is on disk.

One thread of its own holds the only connection; everything else awaits it. Nothing here knows what events mean.
"""

import asyncio
import json
import shutil
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from equitr_coder.adapters.sqlite import chain, retention, schema
from equitr_coder.adapters.sqlite.blobs import Blobs
from equitr_coder.adapters.sqlite.locks import RunLocks
from equitr_coder.adapters.sqlite.verification import verify
from equitr_coder.domain.audit import AuditFault, VerifiedChain
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import EVENTS, Event
from equitr_coder.domain.ids import RunId
from equitr_coder.ports import RunRow, Unstored, Written

_T = TypeVar("_T")
_BUSY_SECONDS = 10.0
_PAGE = 500
"""Records that are read at once where a whole log would be too much."""
_LOG_GROWTH = 64_000  # bytes: the files beside the store begin with 32 KiB
_TRANSCRIPT_TYPES = ("message_added", "tool_called", "tool_returned", "context_elided", "context_compacted")


class SqliteStore:
    """Implements `ports.EventStore` in one EQUITR_HOME. Opens on first use; an absent store reads as an empty one."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "equitr.db"
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None
        self._blobs = Blobs(home / "blobs")
        self._locks = RunLocks(home / "locks")

    async def create_run(self, run: RunId, workspace: str, *, with_epic: bool, above: int = 0) -> int | None:
        created = datetime.now(UTC).isoformat()

        def create(connection: sqlite3.Connection) -> int | None:
            with _transaction(connection):
                number: int | None = None
                if with_epic:
                    found = connection.execute(
                        "SELECT MAX(COALESCE(MAX(epic_number), 0), ?) + 1 FROM runs WHERE workspace = ?",
                        (above, workspace),
                    )
                    number = int(found.fetchone()[0])
                chain.add_run(connection, run, workspace, number, created)
                return number

        return await self._do(create)

    def append(self, unstored: Unstored) -> asyncio.Future[None]:
        def write(connection: sqlite3.Connection) -> None:
            batches = unstored.take()
            if not batches:
                return
            try:
                with _transaction(connection):
                    chain.append(connection, (_record(event) for batch in batches for event in batch))
            except BaseException:
                unstored.put_back(batches)
                raise
            unstored.have_stored(batches)

        return asyncio.wrap_future(self._submit(write))

    async def read(self, run: RunId, *, after: int = 0, transcripts: bool = True) -> Sequence[Event]:
        query = "SELECT body FROM events WHERE run = ? AND seq > ?"
        arguments: tuple[object, ...] = (run, after)
        if not transcripts:
            query += " AND type NOT IN (?, ?, ?, ?, ?)"
            arguments += _TRANSCRIPT_TYPES
        rows: list[Any] = await self._do(lambda c: c.execute(query + " ORDER BY seq", arguments).fetchall(), absent=[])
        return _events(run, (body for (body,) in rows))

    async def pages(self, run: RunId) -> AsyncIterator[Sequence[Event]]:
        query = "SELECT seq, body FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"

        def page(connection: sqlite3.Connection, after: int) -> list[Any]:
            return connection.execute(query, (run, after, _PAGE)).fetchall()

        rows: list[Any]
        after = 0
        while rows := await self._do(partial(page, after=after), absent=[]):
            yield _events(run, (body for _, body in rows))
            after = rows[-1][0]

    async def runs(self, workspace: str | None = None) -> Sequence[RunRow]:
        query = "SELECT run, workspace, epic_number, created FROM runs"
        arguments: tuple[object, ...] = ()
        if workspace is not None:
            query, arguments = query + " WHERE workspace = ?", (workspace,)
        query += " ORDER BY created DESC, seq DESC"
        rows: list[Any] = await self._do(lambda c: c.execute(query, arguments).fetchall(), absent=[])
        return [RunRow(RunId(run), place, number, datetime.fromisoformat(at)) for run, place, number, at in rows]

    async def summaries(self, kind: str) -> Mapping[RunId, str]:
        query = (
            "SELECT kept.run, body FROM kept JOIN heads ON heads.run = kept.run AND heads.count = kept.count "
            "WHERE kind = ?"
        )

        def select(connection: sqlite3.Connection) -> list[Any]:
            try:
                return connection.execute(query, (kind,)).fetchall()
            except sqlite3.Error:  # a cache that is not there, or damaged, is empty
                return []

        rows: list[Any] = await self._do(select, absent=[])
        return {RunId(run): body for run, body in rows}

    async def keep_summaries(self, kind: str, summaries: Mapping[RunId, tuple[int, str]]) -> None:
        rows = [(run, kind, records, body) for run, (records, body) in summaries.items()]

        def write(connection: sqlite3.Connection) -> None:
            with suppress(sqlite3.Error), _transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)

        if rows:
            await self._do(write)

    async def put_blob(self, data: bytes) -> str:
        if not data:  # what most checks print, and quicker than to start a thread
            return self._blobs.put(data)
        return await asyncio.to_thread(self._blobs.put, data)

    async def get_blob(self, digest: str) -> bytes | None:
        return await asyncio.to_thread(self._blobs.get, digest)

    async def write_journal(self, key: str, body: Mapping[str, Any]) -> None:
        text = json.dumps(body)

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", (key, text))

        await self._do(write)

    async def clear_journal(self, key: str) -> None:
        def clear(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute("DELETE FROM journals WHERE key = ?", (key,))

        await self._do(clear)

    async def open_journals(self, prefix: str) -> Mapping[str, Mapping[str, Any]]:
        rows: list[Any] = await self._do(
            lambda c: c.execute(
                "SELECT key, body FROM journals WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall(),
            absent=[],
        )
        return {key: json.loads(body) for key, body in rows}

    async def verify(
        self, run: RunId | None = None, *, pin: str | None = None
    ) -> tuple[Sequence[VerifiedChain], Sequence[AuditFault]]:
        def is_there(_: sqlite3.Connection) -> bool:
            return True

        if not await self._do(is_there, absent=False):  # and an older store becomes one with chains
            return [], []
        try:
            return await asyncio.to_thread(verify, self._path, self._blobs, run=run, pin=pin)
        except sqlite3.Error as error:
            raise self._explain(error) from error

    async def bury(self, runs: Sequence[RunId], why: str) -> int:
        def delete(connection: sqlite3.Connection) -> set[str]:
            with _transaction(connection):
                return retention.bury(connection, runs, why)

        unnamed = await self._do(delete)
        await self._do(retention.give_back)
        return await asyncio.to_thread(self._blobs.forget, unnamed)

    def lock_run(self, run: RunId) -> AbstractAsyncContextManager[None]:
        return self._locks.hold(run)

    def is_owned(self, run: RunId) -> bool:
        return self._locks.is_held(run)

    async def close(self) -> None:
        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[sqlite3.Connection], _T], *, absent: _T | None = None) -> _T:
        """Run `work` on the store's thread. With `absent`, a store that does not exist yet answers it.

        A cancelled caller still waits until the transaction has ended: it must know on which side of it it died.
        """
        running = self._submit(work, absent=absent)
        loop, cancelled = asyncio.get_running_loop(), None
        while True:
            ended = loop.create_future()
            running.add_done_callback(partial(_tell, loop, ended))
            try:
                await ended
                break
            except asyncio.CancelledError as again:
                cancelled = again
        result = running.result()
        if cancelled is not None:
            raise cancelled
        return result

    def _submit(self, work: Callable[[sqlite3.Connection], _T], *, absent: _T | None = None) -> Future[_T]:
        def run() -> _T:
            if self._connection is None:
                if absent is not None and not self._path.exists():
                    return absent
                self._connection = self._open()
            try:
                return work(self._connection)
            except sqlite3.Error as error:
                raise self._explain(error) from error

        return self._thread.submit(run)

    def _open(self) -> sqlite3.Connection:
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(
                f"cannot create {self._home}: {error.strerror}",
                hint="make it writable, or set EQUITR_HOME to a folder that is",
            ) from error
        try:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.text_factory = chain.as_text
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            schema.migrate(connection, self._path)
            schema.open_cache(connection)
        except sqlite3.Error as error:
            raise self._explain(error) from error
        return connection

    def _explain(self, error: sqlite3.Error) -> Exception:
        text = str(error)
        # the shared memory file of WAL cannot grow on a full disk, and SQLite calls that an I/O error
        if "full" in text or ("I/O" in text and shutil.disk_usage(self._home).free < _LOG_GROWTH):
            return UserError(f"the disk of {self._home} is full", hint="free some space; everything before is kept")
        if "readonly" in text or "unable to open" in text:
            return UserError(
                f"cannot write {self._path}: {text}", hint="make it writable, or set EQUITR_HOME to a folder that is"
            )
        if "malformed" in text or "not a database" in text:
            return UserError(
                f"{self._path} is damaged: {text}",
                hint="move it away to start a new store; branches and worktrees are not touched by that",
            )
        if "I/O" in text:
            return UserError(f"cannot read or write {self._path}: {text}", hint="check the disk it is on, then go on")
        if "locked" in text:
            return UserError(f"{self._path} is busy", hint="another EQUITR Coder is writing; try again")
        return error


def _record(written: Written) -> chain.Record:
    event = written.event
    return chain.Record(event.run, event.seq, event.type, written.body)


def _events(run: RunId, bodies: Iterable[str | bytes]) -> list[Event]:
    try:
        return [EVENTS.validate_json(chain.unpacked(body)) for body in bodies]
    except (ValueError, zlib.error) as error:  # pydantic's ValidationError is a ValueError
        raise UserError(
            f"the log of {run} cannot be read: an event of it is damaged, or a newer version wrote it",
            hint="upgrade equitrcoder; the other runs are not concerned",
        ) from error


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None], _: Future[Any]) -> None:
    """Called in the store's thread. One turn of the loop less than `run_in_executor` takes."""

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.call_soon_threadsafe(tell)


class _transaction:  # noqa: N801 - reads as a statement at its uses
    """`BEGIN IMMEDIATE` to `COMMIT`, rolled back by any error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
