"""What is known of source files by their content: a cache that may be lost, torn or locked at any time.

One SQLite file a workspace, shared by its worktrees and by every process. What is damaged is found out by checksums
and thrown away; where nothing can be written the caller is told, and lends what it knows.

A digest of all rows lies beside them: whoever needs a little of every row reads one row instead of thousands. Rows that
came after it have higher numbers.
"""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from equitr_coder.domain.frozen import frozen

_BUSY_SECONDS = 3.0
_PAGE = 16_384
"""Bytes, where a digest is millions of them."""
_SPARE = 4
"""So many times what is in use may lie here before the rest goes."""
_ALWAYS_KEPT = 2_000
_COLUMNS = (
    "(number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, names TEXT NOT NULL, names_crc INTEGER NOT NULL, "
    "uses TEXT NOT NULL, uses_crc INTEGER NOT NULL, places BLOB NOT NULL)"
)
_DIGEST = (
    "(id INTEGER PRIMARY KEY CHECK (id = 1), upto INTEGER NOT NULL, crc INTEGER NOT NULL, keys BLOB NOT NULL, "
    "names BLOB NOT NULL, uses BLOB NOT NULL, definers BLOB NOT NULL)"
)
_Row = tuple[str, str, int, str, int, bytes]


@frozen
class Outline:
    """Of one content, as parsers pack it (`code_map.parse.packed`)."""

    names: str
    """Of its definitions, in the order of their lines, between blanks."""
    uses: str
    """The identifiers used, each between two blanks."""
    places: bytes
    """Packed by zlib: the numbers of the definitions' lines between blanks, below them the lines."""

    @classmethod
    def empty(cls) -> Self:
        return cls(names="", uses="  ", places=zlib.compress(b""))


class Digest(NamedTuple):
    """Of the rows up to one of them, in their order."""

    upto: int = 0
    """The number of the last one; 0 where there is no digest."""
    keys: bytes = b""
    """NULs between them."""
    names: bytes = b""
    """A line for each row; so are `uses`."""
    uses: bytes = b""
    definers: bytes = b""
    """A line for each name, sorted: the name, then the places of the rows that define it, from 0, between blanks."""

    def checksum(self) -> int:
        crc = self.upto & 0xFFFF_FFFF
        for part in (self.keys, self.names, self.uses, self.definers):
            crc = zlib.crc32(part, crc)
        return crc


class DamagedCacheError(Exception):
    """What was read is not what was written. `OutlineCache.remove` helps."""


class OutlineCache:
    """A context manager, good for one thread. `version` is that of whatever finds the outlines."""

    def __init__(self, path: Path, *, version: int) -> None:
        self._path = path
        self._version = version
        self._is_kept = True
        self._connection = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that nothing is known of.

        Raises:
            DamagedCacheError
        """
        return set(keys) - {key for (key,) in self._rows("SELECT key FROM outlines UNION ALL SELECT key FROM unsaved")}

    def put(self, outlines: Iterable[tuple[str, Outline]]) -> bool:
        """As one transaction; another process may have put the same. False when nothing can be kept now: another
        process writes, the disk is full, or the place cannot be written.
        """
        try:
            self._write(outlines, "outlines")
        except sqlite3.Error:
            return False
        return self._is_kept

    def lend(self, outlines: Iterable[tuple[str, Outline]]) -> None:
        """What could not be kept, known until this is closed."""
        self._write(outlines, "unsaved")

    def digest(self) -> Digest:
        """
        Raises:
            DamagedCacheError
        """
        try:
            self._connection.execute("BEGIN")  # all parts of one digest, though another process should change it
            try:
                digest, crc = self._digest()
            finally:
                self._connection.rollback()
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DamagedCacheError from error
        if digest.checksum() != crc:
            raise DamagedCacheError
        return digest

    def _digest(self) -> tuple[Digest, int]:
        row = self._connection.execute("SELECT upto, crc FROM digest").fetchone()
        if row is None:
            return Digest(), Digest().checksum()
        upto, crc = map(int, row)
        parts = []
        for column in Digest._fields[1:]:
            with self._connection.blobopen("digest", column, 1, readonly=True) as blob:  # copies once, a SELECT thrice
                parts.append(blob.read())
        return Digest(upto, *parts), crc

    def keep_digest(self, digest: Digest) -> None:
        """Best effort: whoever finds none makes one."""
        upto, *parts = digest
        with contextlib.suppress(sqlite3.Error), self._connection:
            row = (upto, digest.checksum(), *parts)
            self._connection.execute("INSERT OR REPLACE INTO digest VALUES (1, ?, ?, ?, ?, ?, ?)", row)

    def count_after(self, number: int) -> int:
        """How many rows came after this one; likewise."""
        for (count,) in self._rows(f"SELECT count(*) FROM outlines WHERE number > {number:d}"):  # noqa: S608
            return int(count)
        return 0

    def after(self, number: int) -> Iterator[tuple[int, str, str, str]]:
        """Number, key, names and uses of the rows that came after this one, in their order; likewise."""
        return self._facts(f"FROM outlines WHERE number > {number:d} ORDER BY number")

    def lent(self) -> Iterator[tuple[int, str, str, str]]:
        """Of the rows that are lent, likewise; their numbers are others."""
        return self._facts("FROM unsaved ORDER BY number")

    def definitions(self, key: str) -> Sequence[tuple[int, str, str]]:
        """Line, name and source line of each, of a content that is known; likewise."""
        columns = "names, names_crc, places"
        kept = self._rows(f"SELECT {columns} FROM outlines WHERE key = ?", key)  # noqa: S608
        lent = self._rows(f"SELECT {columns} FROM unsaved WHERE key = ?", key)  # noqa: S608
        for names, crc, places in chain(kept, lent):
            try:
                numbers, *texts = zlib.decompress(places).decode().split("\n")
                return list(zip(map(int, numbers.split()), _checked(names, crc).split(), texts, strict=True))
            except (ValueError, TypeError, zlib.error) as error:
                raise DamagedCacheError from error
        raise DamagedCacheError

    def prune(self, live: Set[str]) -> None:
        """Forget what no file has any more, once that is most of what lies here."""
        for (count,) in self._rows("SELECT count(*) FROM outlines"):
            if count <= _SPARE * len(live) + _ALWAYS_KEPT:
                return
        try:
            with self._connection:
                dead = [(key,) for (key,) in self._rows("SELECT key FROM outlines") if key not in live]
                self._connection.executemany("DELETE FROM outlines WHERE key = ?", dead)
                self._connection.execute("DELETE FROM digest")  # numbers are given anew
        except sqlite3.Error:
            return  # the next one who looks does it

    @staticmethod
    def remove(path: Path) -> None:
        """Throw the cache away; who has it open goes on with what is no longer there."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            try:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            except OSError:
                return

    def _rows(self, query: str, *arguments: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, arguments)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DamagedCacheError from error

    def _facts(self, source: str) -> Iterator[tuple[int, str, str, str]]:
        for number, key, *checked in self._rows(f"SELECT number, key, names, names_crc, uses, uses_crc {source}"):
            names, names_crc, uses, uses_crc = checked
            yield number, key, _checked(names, names_crc), _checked(uses, uses_crc)

    def _write(self, outlines: Iterable[tuple[str, Outline]], table: str) -> None:
        rows = [_row(key, outline) for key, outline in outlines]
        with self._connection:
            self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (NULL, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    def _open(self) -> sqlite3.Connection:
        for _ in range(2):
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                return self._connect()
            except sqlite3.OperationalError:
                break
            except sqlite3.Error:
                self.remove(self._path)
            except OSError:
                break
        self._is_kept = False
        return _in_memory()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found not in (0, self._version):
                raise sqlite3.DatabaseError(f"of version {found}")
            if found == 0:
                with connection:
                    _with_tables(connection)
                    connection.execute(f"PRAGMA user_version = {self._version}")
            _with_unsaved(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    _with_tables(connection)
    _with_unsaved(connection)
    return connection


def _with_tables(connection: sqlite3.Connection) -> None:
    connection.execute(f"CREATE TABLE IF NOT EXISTS outlines {_COLUMNS}")
    connection.execute(f"CREATE TABLE IF NOT EXISTS digest {_DIGEST}")


def _with_unsaved(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"CREATE TEMP TABLE unsaved {_COLUMNS}")


def _row(key: str, outline: Outline) -> _Row:
    return key, outline.names, _crc(outline.names), outline.uses, _crc(outline.uses), outline.places


def _checked(text: object, crc: object) -> str:
    if not isinstance(text, str) or _crc(text) != crc:
        raise DamagedCacheError
    return text


def _crc(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))
