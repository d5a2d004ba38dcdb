"""Work that does not fit together: two tasks that change the same place, or agents that disagree."""

from enum import StrEnum
from typing import Literal

from equitr_coder.domain.ids import CommitId, RequestId, TaskId
from equitr_coder.domain.panel import Voice
from equitr_coder.domain.value import Value

ConflictMode = Literal["auto_merge", "merge_review", "manual"]
"""`collaboration.conflict_resolution.mode`: what becomes of a clash that neither git nor structure can merge."""


class ConflictState(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"
    """A merge was proposed and waits for a yes."""
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    """It waits for a person."""


class ConflictStage(StrEnum):
    """Where it was seen."""

    FORECAST = "forecast"
    """Two tasks in flight would clash; nothing has been handed in yet."""
    MERGE = "merge"
    """The same place changed on both sides."""
    CHECK = "check"
    """Merged cleanly, and the check is red on the merged tree though it is green on the task's own (semantic)."""
    REVIEW = "review"
    """Its reviewers disagree; the only stage of the kind `finding`."""


class Conflict(Value):
    id: RequestId
    """`C1`, `C2`, ... within a run."""
    kind: Literal["file", "finding"] = "file"
    stage: ConflictStage = ConflictStage.MERGE
    tasks: tuple[TaskId, ...]
    """The task whose work does not fit stands first, then those it clashes with."""
    paths: tuple[str, ...] = ()
    detail: str = ""
    ours: CommitId | None = None
    """Tip of the integration branch when it was found."""
    theirs: CommitId | None = None
    """The commit that was handed in; of a `finding` the merge of it that was judged, on top of `ours`."""
    attempt: int = 0
    voices: tuple[Voice, ...] = ()
    """Of a `finding`: what each reviewer said, in their order."""
