"""What is known of source files by their content: a cache that may be lost, torn or locked at any time.

One SQLite file a workspace, shared by its worktrees and by every process. What is damaged is found out by checksums
and thrown away; where nothing can be written the caller is told, and lends what it knows.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from equitr_coder.domain.frozen import frozen

_BUSY_SECONDS = 3.0
_SPARE = 4
"""So many times what is in use may lie here before the rest goes."""
_ALWAYS_KEPT = 2_000
_COLUMNS = (
    "(key TEXT PRIMARY KEY, names TEXT NOT NULL, names_crc INTEGER NOT NULL, uses TEXT NOT NULL, "
    "uses_crc INTEGER NOT NULL, places BLOB NOT NULL)"
)
_Row = tuple[str, str, int, str, int, bytes]
_ALL = "FROM (SELECT * FROM outlines UNION ALL SELECT * FROM unsaved)"


@frozen
class Outline:
    """Of one content: names, line numbers and source lines of its definitions, in order, and what it uses."""

    names: tuple[str, ...]
    lines: tuple[int, ...]
    texts: tuple[str, ...]
    uses: tuple[str, ...]


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
        return set(keys) - {key for (key,) in self._rows(f"SELECT key {_ALL}")}

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

    def names(self) -> Iterator[tuple[str, str]]:
        """Key, and the names of the definitions between blanks.

        Raises:
            DamagedCacheError
        """
        return self._column("names")

    def all_uses(self) -> Iterator[tuple[str, str]]:
        """Key, and the identifiers used, each between two blanks; likewise."""
        return self._column("uses")

    def uses(self, key: str) -> Sequence[str]:
        """Of one that is known; likewise."""
        for uses, crc in self._rows(f"SELECT uses, uses_crc {_ALL} WHERE key = ?", key):
            return _checked(uses, crc).split()
        return ()

    def definitions(self, key: str) -> Sequence[tuple[int, str, str]]:
        """Line, name and source line of each; likewise."""
        for names, crc, places in self._rows(f"SELECT names, names_crc, places {_ALL} WHERE key = ?", key):
            try:
                lines, texts = json.loads(zlib.decompress(places))
                return list(zip(lines, _checked(names, crc).split(), texts, strict=True))
            except (ValueError, TypeError, zlib.error) as error:
                raise DamagedCacheError from error
        return ()

    def prune(self, live: Set[str]) -> None:
        """Forget what no file has any more, once that is most of what lies here."""
        keys = [key for (key,) in self._rows(f"SELECT key {_ALL}")]
        if len(keys) <= _SPARE * len(live) + _ALWAYS_KEPT:
            return
        try:
            with self._connection:
                dead = [(key,) for key in keys if key not in live]
                self._connection.executemany("DELETE FROM outlines WHERE key = ?", dead)
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

    def _column(self, column: str) -> Iterator[tuple[str, str]]:
        for key, text, crc in self._rows(f"SELECT key, {column}, {column}_crc {_ALL}"):
            yield key, _checked(text, crc)

    def _write(self, outlines: Iterable[tuple[str, Outline]], table: str) -> None:
        rows = [_row(key, outline) for key, outline in outlines]
        with self._connection:
            self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

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
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found not in (0, self._version):
                raise sqlite3.DatabaseError(f"of version {found}")
            if found == 0:
                with connection:
                    connection.execute(f"CREATE TABLE IF NOT EXISTS outlines {_COLUMNS}")
                    connection.execute(f"PRAGMA user_version = {self._version}")
            _with_unsaved(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE outlines {_COLUMNS}")
    _with_unsaved(connection)
    return connection


def _with_unsaved(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"CREATE TEMP TABLE unsaved {_COLUMNS}")


def _row(key: str, outline: Outline) -> _Row:
    names = " ".join(outline.names)
    uses = f" {' '.join(outline.uses)} "
    places = zlib.compress(json.dumps([outline.lines, outline.texts]).encode(), 1)
    return key, names, _crc(names), uses, _crc(uses), places


def _checked(text: object, crc: object) -> str:
    if not isinstance(text, str) or _crc(text) != crc:
        raise DamagedCacheError
    return text


def _crc(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))
