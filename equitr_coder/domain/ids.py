"""Identifiers. All are text; the types keep them apart."""

import secrets
from typing import NewType

RunId = NewType("RunId", str)
EpicId = NewType("EpicId", str)
TaskId = NewType("TaskId", str)
SessionId = NewType("SessionId", str)
"""One agent's transcript inside a run: `planner`, `T2.1` (task.attempt), `ask.3`, `review.T2.1`, `summary.T2.1.40`."""
AgentName = NewType("AgentName", str)
CallId = NewType("CallId", str)
RequestId = NewType("RequestId", str)
"""A question or an approval that waits for an answer."""
TreeId = NewType("TreeId", str)
CommitId = NewType("CommitId", str)

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A short random name such as `run-7k2m9x4q`; 30**8 possibilities."""
    return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def epic_id(number: int) -> EpicId:
    """`epic-001` style; numbers count per workspace."""
    return EpicId(f"epic-{number:03d}")


def summary_session(session: SessionId, upto: int) -> SessionId:
    """Where the messages of a session before number `upto` are summarised."""
    return SessionId(f"summary.{session}.{upto}")


def summarised(session: SessionId, of: SessionId) -> int | None:
    """The number in the name of a session that summarises `of`; None when it is no such session."""
    number = session.removeprefix(f"summary.{of}.")
    return int(number) if number != session and number.isdecimal() else None


def is_summary(session: SessionId) -> bool:
    return session.startswith("summary.")
