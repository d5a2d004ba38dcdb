"""Edits that found no place, one after the other: read off the transcript alone. Pure.

All tools stay offered, since they stand first in what is sent and a change there would lose the provider's cache; the
other format is offered in the result of the second failed edit instead (decision 0015).
"""

from collections.abc import Collection

from equitr_coder.domain.edits import EDIT_TOOLS, UNCHANGED
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import ToolMessage
from equitr_coder.domain.run_view import SessionView

_WRITES = (*EDIT_TOOLS, "write_file")
_HOW = {
    "edit_file": "make the change with edit_file instead, one small piece at a time",
    "apply_patch": "make the change with apply_patch instead, each hunk with a few lines of context",
}


@frozen
class FailedEdit:
    tool: str
    told: str
    """What the model was told."""


def failed_in_a_row(session: SessionView) -> tuple[FailedEdit, ...]:
    """Failed edits since the last one that changed a file, oldest first."""
    failed: list[FailedEdit] = []
    for message in reversed(session.messages):
        if not isinstance(message, ToolMessage) or message.name not in _WRITES:
            continue
        if not message.is_error:
            break
        if is_failed_edit(message.name, message.text):
            failed.append(FailedEdit(message.name, message.text))
    return tuple(reversed(failed))


def is_failed_edit(tool: str, told: str) -> bool:
    """Whether an error of `tool` is about the place or the form of an edit, and not about leave, locks or disks."""
    return tool in EDIT_TOOLS and UNCHANGED in told


def other_format(session: SessionView, tool: str, told: str, offered: Collection[str]) -> str:
    """What to add to the error of an edit that was not the first to fail in its format; empty when there is nothing."""
    before = failed_in_a_row(session)
    if not is_failed_edit(tool, told) or not before or before[-1].tool != tool:
        return ""
    (other,) = (name for name in EDIT_TOOLS if name != tool)
    if other not in offered:
        return ""
    return f"\nMore than one edit in a row with {tool} has failed. Read the file again; then {_HOW[other]}."
