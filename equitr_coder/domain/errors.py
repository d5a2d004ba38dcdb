"""The four families of intended errors. Anything else is a bug."""

import errno
from decimal import Decimal
from enum import StrEnum


class EquitrError(Exception):
    """Every error we raise on purpose."""


class UserError(EquitrError):
    """The person can fix it: the message says what is wrong, `hint` what to do. Ends with `exit_code`."""

    def __init__(self, message: str, *, hint: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


_DISK = {errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EROFS: "read-only"}


def disk_error(bug: BaseException) -> UserError | None:
    """What a disk that takes nothing means for the person; None when something else went wrong."""
    if isinstance(bug, BaseExceptionGroup):
        return next((found for inner in bug.exceptions if (found := disk_error(inner)) is not None), None)
    if not isinstance(bug, OSError) or bug.errno not in _DISK:
        return None
    where = f" of {bug.filename}" if bug.filename is not None else ""
    what, hint = _DISK[bug.errno], "free some space" if bug.errno != errno.EROFS else "make it writable"
    return UserError(f"the disk{where} is {what}", hint=f"{hint}; everything before is kept")


class ModelErrorKind(StrEnum):
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    CONTEXT_OVERFLOW = "context_overflow"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    SERVER = "server"
    BAD_RESPONSE = "bad_response"
    INTERRUPTED = "interrupted"


class ModelError(EquitrError):
    """The provider failed. `retry_after` is seconds, when the provider named a time.

    `hint` says what the person can do (the variable of the key, the next command). `sent` is False when the request
    certainly never reached the provider, so that its reservation may be released instead of charged.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ModelErrorKind,
        provider: str,
        hint: str = "",
        status: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        request_id: str | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.provider = provider
        self.hint = hint
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        self.request_id = request_id
        self.sent = sent


class ToolFailure(EquitrError):
    """A tool could not do it; the text is written for the model. Caught only in `engine.dispatch`."""


class StopReason(StrEnum):
    """Why a run, task or attempt ended early. A closed list: it is part of the output format."""

    BUDGET_EXCEEDED = "budget_exceeded"
    MAX_ITERATIONS = "max_iterations"
    WORKER_TIMEOUT = "worker_timeout"
    CHECK_FAILED = "check_failed"
    CHECK_TIMEOUT = "check_timeout"
    CHECK_UNPROVEN = "check_unproven"
    CHECK_EDITED = "check_edited"
    NO_TESTS = "no_tests"
    CONTRACT_BROKEN = "contract_broken"
    FOOTPRINT_LEFT = "footprint_left"
    REVIEW_REJECTED = "review_rejected"
    MERGE_CONFLICT = "merge_conflict"
    CONFLICT_OPEN = "conflict_open"
    HELD = "held"
    NO_HAND_IN = "no_hand_in"
    NO_CHANGE = "no_change"
    NO_PROGRESS = "no_progress"
    BAD_PLAN = "bad_plan"
    MODEL_ERROR = "model_error"
    CONTEXT_OVERFLOW = "context_overflow"
    APPROVAL_NEEDED = "approval_needed"
    PREREQUISITE_FAILED = "prerequisite_failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    BLOCKED = "blocked"
    INTERNAL_ERROR = "internal_error"


class RunStopped(EquitrError):
    """An intended end of a run or attempt; becomes an event, never a traceback."""

    def __init__(self, reason: StopReason, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.hint = hint


class BudgetRefused(RunStopped):
    """No account on the path can take the reservation. Nothing was held and nothing was sent."""

    def __init__(
        self, message: str, *, account: str, spent: Decimal | None = None, limit: Decimal | None = None, hint: str = ""
    ) -> None:
        super().__init__(StopReason.BUDGET_EXCEEDED, message, hint=hint)
        self.account = account
        self.spent = spent
        self.limit = limit
