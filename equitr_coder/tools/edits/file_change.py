"""What a patch does to one file, whatever format it was written in."""

from equitr_coder.domain.frozen import frozen
from equitr_coder.tools.edits.apply import Hunk


@frozen
class AddFile:
    path: str
    content: str
    or_fill: bool = False
    """A file that is there and empty is filled."""


@frozen
class DeleteFile:
    path: str
    hunks: tuple[Hunk, ...] = ()
    """What the patch says that the file holds; empty when it says nothing."""


@frozen
class UpdateFile:
    path: str
    move_to: str | None
    hunks: tuple[Hunk, ...]
    is_sequence: bool = False
    """Each hunk is placed on what the ones before it left."""
    ends_line: bool | None = None
    """Whether the patch says that the last line has an end; None when it says nothing."""


FileChange = AddFile | DeleteFile | UpdateFile
