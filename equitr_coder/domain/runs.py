"""A run: what was asked, under which limits, and its states."""

from decimal import Decimal
from enum import StrEnum

from equitr_coder.domain.conflicts import ConflictMode
from equitr_coder.domain.panel import PanelRules
from equitr_coder.domain.value import Value


class RunKind(StrEnum):
    CHAT = "chat"
    """One agent in the user's checkout."""
    EPIC = "epic"
    """Planned or direct work in worktrees, ending in a landing."""
    LOOP = "loop"
    """One task, repeated until its check passes."""


class RunState(StrEnum):
    INITIALIZING = "initializing"
    RUNNING = "running"
    AGGREGATING = "aggregating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"

    @property
    def is_final(self) -> bool:
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


class PlanMode(StrEnum):
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class RunOptions(Value):
    """What the person chose for this run; fixed at its start and kept in its first event."""

    multi_agent: bool = False
    plan: PlanMode = PlanMode.AUTO
    check: str | None = None
    budget: Decimal | None = None
    """US dollars; None means unlimited, which only an explicit setting can say."""
    max_workers: int = 3
    max_iterations: int = 30
    """Model calls of one attempt."""
    rounds: int = 3
    """Attempts at a task before it fails; the rounds of `loop`."""
    worker_timeout: float = 600.0
    """Seconds of one attempt; limiter pauses do not count."""
    review: str = "critical"
    panel: PanelRules = PanelRules()
    """By how many a result is judged, and who decides where they disagree."""
    conflicts: ConflictMode = "merge_review"
    """What becomes of a clash that neither git nor structure can merge."""
    yes: bool = False
    """Approve the plan and whatever the policy asks inside sandbox, footprint and budget."""
    can_ask: bool = True
    """Whether a person is there to answer."""
    answer_within: float | None = None
    """Seconds that a question about permission waits for an answer; None: for ever, as in logs of earlier versions."""
    approve_plan: bool = False
    """The person approved the plan with the command itself (`epic run`)."""
    plan_only: bool = False
    """Stop at awaiting approval (`epic create`)."""
