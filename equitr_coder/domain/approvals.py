"""Permission: what a tool touches, what the policy says, and what a person answered."""

from datetime import datetime
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


class PermissionMode(StrEnum):
    """How much runs unasked (`permission.mode`). Deny rules and guards hold in each; none reaches past the sandbox."""

    PLAN = "plan"
    """Nothing is written and no command runs that does more than read."""
    ASK = "ask"
    """Files in the workspace and its footprint; commands that only read."""
    AUTO = "auto"
    """Also commands in the sandbox, but for those that are worth a question wherever they run."""
    YOLO = "yolo"
    """Also these, in the sandbox."""


class Decision(Value):
    """What the policy says of one call, and by which rule."""

    verdict: Verdict
    reason: str
    rule: str = ""
    """What decided: a rule of the user's (`permission.deny: git push*`), a setting, or the name of a guard."""
    when_alone: str = ""
    """Words for the model when it is refused: what to do instead."""
    is_about_proof: bool = False
    """It asks about files that prove the task: no yes to anything else covers it."""


class Scope(StrEnum):
    """How far a yes reaches."""

    ONCE = "once"
    TASK = "task"
    RUN = "run"


VERDICT = "review"
"""`Approval.tool` where a person decides between reviewers."""


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
    partly: str = ""
    """What the sandbox that is there does not hold, in words: it would run inside that, not `confined`."""
    inside: bool = True
    """Whether it stays inside sandbox and footprint, where `--yes` may answer."""
    paths: tuple[str, ...] = ()
    """Files that it would write; a yes makes them part of what its task claims."""
    is_about_proof: bool = False
    """Whether it is about files that prove a task: its check, its tests, and what steers them."""
    expires: datetime | None = None
    """Until when it waits for an answer (aware UTC), whatever dies and starts again meanwhile; None: for ever, or until
    a person is there to be asked.
    """

    @property
    def is_verdict(self) -> bool:
        """Whether it is no permission, but a word on work that reviewers disagree about."""
        return self.tool == VERDICT


class ApprovalAnswer(Value):
    allowed: bool
    scope: Scope = Scope.ONCE
    by: Literal["user", "yes_flag", "policy"] = "user"
    note: str = ""
    """When refused: words for the model, or, where no person answered, why not."""
