"""Looks at a store without changing it: can it be read and written, which version is it, is it whole, is there room."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from equitr_coder.adapters.sqlite import schema
from equitr_coder.domain.queries import Finding

_BUSY_SECONDS = 2.0
_NO_ROOM = 1_000_000
_LITTLE_ROOM = 200_000_000
_MEGABYTE = 1_000_000


async def check_store(home: Path) -> tuple[Finding, ...]:
    """The state of the store in one EQUITR_HOME and of the disk it is on."""
    return await asyncio.to_thread(lambda: tuple(_check(home)))


def _check(home: Path) -> Iterator[Finding]:
    path = home / "equitr.db"
    if path.exists():
        yield _store(path)
    else:
        yield Finding(name="store", state="ok", detail=f"{path} will be made by the first run")
    yield _room(home)


def _store(path: Path) -> Finding:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)) as connection:
            return _opened(path, connection)
    except sqlite3.Error as error:
        return _refused(path, str(error))


def _opened(path: Path, connection: sqlite3.Connection) -> Finding:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.VERSION:
        detail = f"{path} is of version {version}, which a newer EQUITR Coder wrote; this one knows {schema.VERSION}"
        fix = "update EQUITR Coder, or set EQUITR_HOME to another folder"
        return Finding(name="store", state="bad", detail=detail, fix=fix)
    fault = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if fault != "ok":
        return _damaged(path, fault)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    runs = connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0] if version else 0
    size = path.stat().st_size / _MEGABYTE
    detail = f"{path}: version {version}, whole, {runs} {'run' if runs == 1 else 'runs'}, {size:.1f} MB"
    return Finding(name="store", state="ok", detail=detail)


def _refused(path: Path, error: str) -> Finding:
    if "locked" in error:
        detail = f"{path} is being written by another process"
        return Finding(name="store", state="warn", detail=detail, fix="ask again when it has ended")
    if "malformed" in error or "not a database" in error:
        return _damaged(path, error)
    fix = "make it writable, or set EQUITR_HOME to a folder that is"
    return Finding(name="store", state="bad", detail=f"{path} cannot be used: {error}", fix=fix)


def _damaged(path: Path, error: str) -> Finding:
    fix = f"mv {path} {path}.damaged starts a new one; branches and worktrees are not touched by that"
    return Finding(name="store", state="bad", detail=f"{path} is damaged: {' '.join(error.split())}", fix=fix)


def _room(home: Path) -> Finding:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / _MEGABYTE:,.0f} MB free for {home}"
    if free < _NO_ROOM:
        return Finding(name="disk", state="bad", detail=f"the disk of {home} is full", fix="free some space")
    if free < _LITTLE_ROOM:
        return Finding(name="disk", state="warn", detail=detail, fix="worktrees and logs need more; free some space")
    return Finding(name="disk", state="ok", detail=detail)
