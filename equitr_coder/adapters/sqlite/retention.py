"""Deletes logs of runs: their records go, and with them outputs that no other record names; a tombstone stays."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from equitr_coder.adapters.sqlite import chain
from equitr_coder.adapters.sqlite.verification import named_in

_NAMING_TYPES = (
    "run_started",
    "run_resumed",
    "message_added",
    "tool_returned",
    "context_elided",
    "receipt_stored",
)


def bury(connection: sqlite3.Connection, runs: Sequence[str], why: str) -> set[str]:
    """The caller holds the transaction. Returns the digests of outputs that nothing names any more."""
    doomed: set[str] = set()
    for run in runs:
        doomed.update(_named(connection.execute(_query("run = ?"), (run, *_NAMING_TYPES))))
    deleted = datetime.now(UTC).isoformat()
    for run in runs:
        chain.bury(connection, run, deleted, why)
        connection.execute("DELETE FROM summaries WHERE run = ?", (run,))
        connection.execute("DELETE FROM journals WHERE key IN (?, ?)", (f"merge:{run}", f"branch:{run}"))
        with suppress(sqlite3.OperationalError):  # nothing was ever kept here
            connection.execute("DELETE FROM kept WHERE run = ?", (run,))
    if doomed:
        doomed.difference_update(_named(connection.execute(_query("TRUE"), _NAMING_TYPES)))
    return doomed


def give_back(connection: sqlite3.Connection) -> None:
    """Make the file smaller where nobody else has it open; else the room is used by what comes next."""
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError:
        return


def _query(where: str) -> str:
    types = ", ".join("?" * len(_NAMING_TYPES))
    return f"SELECT body FROM events WHERE {where} AND type IN ({types})"  # noqa: S608 - two constants


def _named(rows: Iterable[tuple[str | bytes]]) -> Iterator[str]:
    for (stored,) in rows:
        yield from named_in(stored)
