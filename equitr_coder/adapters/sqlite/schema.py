"""Tables of the store and how an older store becomes a newer one. Versions only ever grow."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from equitr_coder.adapters.sqlite import chain
from equitr_coder.domain.errors import UserError

VERSION = 2

_FIRST = (
    """
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        workspace TEXT NOT NULL,
        epic_number INTEGER,
        created TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX epic_numbers ON runs (workspace, epic_number) WHERE epic_number IS NOT NULL",
    """
    CREATE TABLE events (
        run TEXT NOT NULL,
        seq INTEGER NOT NULL,
        type TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END
    """,
    """
    CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END
    """,
    """
    CREATE TABLE journals (
        key TEXT PRIMARY KEY,
        body TEXT NOT NULL
    )
    """,
)

# Rows of events are long: a table with row numbers packs them into half the pages.
_CHAINED = (
    "ALTER TABLE events RENAME TO events_of_version_1",
    "DROP TRIGGER events_are_never_updated",
    "DROP TRIGGER events_are_never_deleted",
    """
    CREATE TABLE events (
        run TEXT NOT NULL,
        seq INTEGER NOT NULL,
        type TEXT NOT NULL,
        body NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (run, seq)
    )
    """,
    "CREATE TABLE heads (run TEXT PRIMARY KEY, count INTEGER NOT NULL, hash BLOB NOT NULL)",
    """
    CREATE TABLE tombstones (
        seq INTEGER PRIMARY KEY,
        run TEXT NOT NULL UNIQUE,
        count INTEGER NOT NULL,
        last BLOB NOT NULL,
        deleted TEXT NOT NULL,
        why TEXT NOT NULL,
        hash BLOB NOT NULL
    )
    """,
    "CREATE TABLE summaries (run TEXT PRIMARY KEY, count INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)",
    "ALTER TABLE runs RENAME TO runs_of_version_1",
    "DROP INDEX epic_numbers",
    """
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        workspace TEXT NOT NULL,
        epic_number INTEGER,
        created TEXT NOT NULL,
        seq INTEGER NOT NULL UNIQUE,
        hash BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX epic_numbers ON runs (workspace, epic_number) WHERE epic_number IS NOT NULL",
)

# The application only ever appends. A run can be deleted where its tombstone tells what was there.
_GUARDS = (
    "DROP TABLE events_of_version_1",
    "DROP TABLE runs_of_version_1",
    """
    CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END
    """,
    """
    CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
        WHEN NOT EXISTS (SELECT 1 FROM tombstones WHERE run = OLD.run)
        BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END
    """,
    """
    CREATE TRIGGER deleted_runs_stay_deleted BEFORE INSERT ON events
        WHEN EXISTS (SELECT 1 FROM tombstones WHERE run = NEW.run)
        BEGIN SELECT RAISE(ABORT, 'the run was deleted'); END
    """,
    """
    CREATE TRIGGER heads_only_advance BEFORE UPDATE ON heads
        WHEN NEW.run <> OLD.run OR NEW.count <= OLD.count
        BEGIN SELECT RAISE(ABORT, 'a chain only grows'); END
    """,
    """
    CREATE TRIGGER heads_are_never_deleted BEFORE DELETE ON heads
        BEGIN SELECT RAISE(ABORT, 'a chain only grows'); END
    """,
    """
    CREATE TRIGGER tombstones_tell_the_truth BEFORE INSERT ON tombstones
        WHEN NOT EXISTS (SELECT 1 FROM heads WHERE run = NEW.run AND count = NEW.count AND hash = NEW.last)
        BEGIN SELECT RAISE(ABORT, 'a tombstone holds the last link of its run'); END
    """,
    """
    CREATE TRIGGER tombstones_are_never_updated BEFORE UPDATE ON tombstones
        BEGIN SELECT RAISE(ABORT, 'tombstones are append-only'); END
    """,
    """
    CREATE TRIGGER tombstones_are_never_deleted BEFORE DELETE ON tombstones
        BEGIN SELECT RAISE(ABORT, 'tombstones are append-only'); END
    """,
    """
    CREATE TRIGGER runs_are_never_updated BEFORE UPDATE ON runs
        BEGIN SELECT RAISE(ABORT, 'the list of runs is append-only'); END
    """,
    """
    CREATE TRIGGER runs_are_never_deleted BEFORE DELETE ON runs
        BEGIN SELECT RAISE(ABORT, 'the list of runs is append-only'); END
    """,
)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the store at `path` to `VERSION`; an older one is kept beside it first, as `equitr.db.version-N`.

    Raises:
        UserError: a newer program wrote this store, or the copy cannot be made.
    """
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection)  # another process may have migrated first
        if found > VERSION:
            raise UserError(
                f"the store was written by a newer EQUITR Coder (store version {found}, this program knows {VERSION})",
                hint="update EQUITR Coder, or point EQUITR_HOME at another folder",
            )
        if 0 < found < VERSION:
            _back_up(path, backup_path(path, found))
        for number in range(found, VERSION):
            _MIGRATIONS[number](connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def open_cache(connection: sqlite3.Connection) -> None:
    """The table of what is kept of logs until they grow. It is no part of a version: a program that does not know it
    does without, and where it cannot be made nothing is kept. (`summaries`, its forerunner, held one form a run.)
    """
    with suppress(sqlite3.Error):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS kept (run TEXT NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL, "
            "body TEXT NOT NULL, PRIMARY KEY (run, kind))"
        )


def backup_path(path: Path, version: int) -> Path:
    return path.with_name(f"{path.name}.version-{version}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _back_up(path: Path, copy: Path) -> None:
    """A whole copy or none: it bears its name when it is complete. An earlier one of the same version stays."""
    if copy.exists():
        return
    draft = copy.with_name(f".{copy.name}")
    try:
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        draft.chmod(0o600)
        draft.replace(copy)
    except OSError as error:
        raise UserError(
            f"cannot keep a copy of the store as {copy}: {error.strerror}",
            hint="make room there or make it writable; the store is left as it is",
        ) from error


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _FIRST:
        connection.execute(statement)


def _begin_chains(connection: sqlite3.Connection) -> None:
    """What an older program wrote is chained as it stands now."""
    for statement in _CHAINED:
        connection.execute(statement)
    for run, workspace, number, created in connection.execute("SELECT * FROM runs_of_version_1 ORDER BY rowid"):
        chain.add_run(connection, run, workspace, number, created)
    for (run,) in connection.execute("SELECT DISTINCT run FROM events_of_version_1").fetchall():
        rows = connection.execute("SELECT * FROM events_of_version_1 WHERE run = ? ORDER BY seq", (run,))
        chain.append(connection, (chain.Record(*row) for row in rows))
    for statement in _GUARDS:
        connection.execute(statement)


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_make_tables, _begin_chains)
