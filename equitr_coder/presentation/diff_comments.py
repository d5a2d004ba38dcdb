"""Comments on lines of a diff, and how they are said to whoever wrote it. Pure."""

from collections.abc import Sequence
from typing import Self

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.unified_diff import DiffLine


@frozen
class Anchor:
    """A line of a file: after the change, or before it where it was removed."""

    path: str
    line: int
    is_removed: bool = False

    @classmethod
    def of(cls, path: str, line: DiffLine) -> Self:
        number = line.new if line.new is not None else line.old
        assert number is not None, "a line of a diff stands on one side at least"
        return cls(path, number, line.new is None)


@frozen
class Comment:
    anchor: Anchor
    quoted: str
    """The line as it was shown."""
    text: str


def comments_message(comments: Sequence[Comment]) -> str:
    """One message with all of them, in the order of the files; each quotes its line."""
    lines = ["Comments on your changes. Deal with each of them:"]
    for comment in comments:
        where = f"{comment.anchor.path}:{comment.anchor.line}"
        side = " (removed line)" if comment.anchor.is_removed else ""
        lines += ["", f"{where}{side}", f"> {comment.quoted.strip()}", comment.text.strip()]
    return "\n".join(lines)
