"""What passes between a worker and the merge queue."""

from collections.abc import Sequence
from typing import Protocol

from equitr_coder.domain.epic import Task
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import Event
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId, TaskId, TreeId
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.ports import MergeForecast

WOULD_STEER = "would steer the check"
"""What a file is to a check that is not there and must not be made."""


@frozen
class HandIn:
    """A task's finished work, committed on its kept ref."""

    task: Task
    attempt: int
    agent: AgentName
    commit: CommitId
    base: CommitId
    """The commit of the integration branch that the attempt started from."""
    summary: str


@frozen
class SentBack:
    """Not merged; the words are for the next attempt."""

    reason: StopReason
    detail: str
    paths: tuple[str, ...] = ()


class Proof(Protocol):
    """What a merge candidate must show besides green checks: kept contracts, untouched tests, a kept footprint."""

    async def examine(
        self, hand_in: HandIn, old: CommitId, new: CommitId, results: Sequence[CheckResult]
    ) -> SentBack | Sequence[CheckResult] | None:
        """Why `new` (the candidate on top of `old`, with its passed `results`) may not land; None when it may, or the
        results of what was run for it beside the checks, for the receipt. Asked again when the branch has moved and the
        candidate is another.
        """
        ...


class Chronicle(Protocol):
    """What belongs to a landing beside itself."""

    async def record(self, task: TaskId, old: CommitId, new: CommitId, events: Sequence[Event]) -> None:
        """Record the events of a landing, with whatever it brings about, as one transaction. May come again after a
        crash, with the same arguments, when nothing of it was recorded.
        """
        ...


class Resolver(Protocol):
    """What becomes of a hand-in that does not merge."""

    def standing(self, hand_in: HandIn) -> CommitId:
        """What is to be merged: what was handed in, or the resolution or proposal that has taken its place."""
        ...

    async def resolve(self, hand_in: HandIn, old: CommitId, forecast: MergeForecast) -> TreeId | SentBack:
        """The merged tree, or why the task goes back to its worker.

        Raises:
            RunStopped: a person must resolve it first; the run pauses with everything kept.
        """
        ...

    async def reconcile(
        self, hand_in: HandIn, old: CommitId, new: CommitId, refusal: SentBack, results: Sequence[CheckResult]
    ) -> SentBack | None:
        """`new` merges cleanly and is red, while the task's own commit is green. None when something else stands for
        the hand-in now and is to be merged in its place.

        Raises:
            RunStopped: as in `resolve`.
        """
        ...

    async def accept(
        self, hand_in: HandIn, old: CommitId, new: CommitId, results: Sequence[CheckResult]
    ) -> SentBack | None:
        """Whether a merge that was only proposed may land as `new`, whose checks are green; None is a yes."""
        ...

    def ended(self, task: TaskId, commit: CommitId) -> Sequence[Event]:
        """What is to be recorded of conflicts when the task lands as `commit`."""
        ...
