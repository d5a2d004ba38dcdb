"""Permission: what a tool touches, what the policy says, and what a person answered."""

from enum import StrEnum
from typing import Literal

from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TaskId
from equitr_coder.domain.value import Value


class Touches(Value):
    """What one call reads, writes or runs. Paths are relative to the workspace root, `/`-separated.

    A tool that cannot know says so with `unknown=True`; that is different from touching nothing.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    command: str | None = None
    unknown: bool = False


class Verdict(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Decision(Value):
    """What the policy says of one call, and by which rule."""

    verdict: Verdict
    reason: str


class Scope(StrEnum):
    """How far a yes reaches."""

    ONCE = "once"
    TASK = "task"
    RUN = "run"


class Approval(Value):
    """A question about permission that waits for a person."""

    id: RequestId
    session: SessionId
    agent: AgentName
    task: TaskId | None = None
    tool: str
    what: str
    """The exact command or change, unshortened."""
    why: str
    confined: bool = True
    """Whether it would run inside the sandbox."""
    inside: bool = True
    """Whether it stays inside sandbox and footprint, where `--yes` may answer."""
    paths: tuple[str, ...] = ()
    """Files that it would write; a yes makes them part of what its task claims."""


class ApprovalAnswer(Value):
    allowed: bool
    scope: Scope = Scope.ONCE
    by: Literal["user", "yes_flag", "policy"] = "user"
    note: str = ""
    """Words for the model when refused."""
