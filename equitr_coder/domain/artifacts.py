"""What tasks share at sync points: versioned content, and how far it has got. Pure values."""

from enum import StrEnum
from hashlib import sha256

from equitr_coder.domain.epic import ArtifactType
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.value import Value

MOST_BYTES = 256_000
"""Of one version's content in UTF-8; what is larger belongs into a file of the repository."""


class SyncState(StrEnum):
    PENDING = "pending"
    PRODUCED = "produced"
    CONSUMED = "consumed"
    """Every consumer has read the newest version."""


class ContractVerdict(StrEnum):
    """What became of comparing an artifact with the real files."""

    KEPT = "kept"
    BROKEN = "broken"
    UNCHECKED = "unchecked"
    """Words, or a language that nobody here can compare."""


class Artifact(Value):
    """One version of what a sync point promised. Versions count from 1; a new one never changes an old one."""

    sync_point: str
    type: ArtifactType
    version: int
    content: str
    digest: str
    """SHA-256 of the content in UTF-8."""
    producer: TaskId


def digest_of(content: str) -> str:
    return sha256(content.encode()).hexdigest()
