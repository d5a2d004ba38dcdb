"""Tables of the store and how an older store becomes a newer one. Versions only ever grow."""

import sqlite3

from equitr_coder.domain.errors import UserError

VERSION = 1

_MIGRATIONS = (
    """
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        workspace TEXT NOT NULL,
        epic_number INTEGER,
        created TEXT NOT NULL
    );
    CREATE UNIQUE INDEX epic_numbers ON runs (workspace, epic_number) WHERE epic_number IS NOT NULL;
    CREATE TABLE events (
        run TEXT NOT NULL,
        seq INTEGER NOT NULL,
        type TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID;
    CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
    CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
    CREATE TABLE journals (
        key TEXT PRIMARY KEY,
        body TEXT NOT NULL
    );
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the store to `VERSION`.

    Raises:
        UserError: a newer program wrote this store.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise UserError(
            f"the store was written by a newer EQUITR Coder (store version {found}, this program knows {VERSION})",
            hint="update EQUITR Coder, or point EQUITR_HOME at another folder",
        )
    for number in range(found, VERSION):
        statements = f"BEGIN IMMEDIATE; {_MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;"
        try:
            connection.executescript(statements)
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            # another process may have migrated first
            if int(connection.execute("PRAGMA user_version").fetchone()[0]) <= number:
                raise
