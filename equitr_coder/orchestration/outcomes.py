"""What passes between a worker and the merge queue."""

from equitr_coder.domain.epic import Task
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId


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
