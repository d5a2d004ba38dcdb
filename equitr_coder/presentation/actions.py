"""One tool call in words for people: never the raw JSON that the model wrote."""

import json
from datetime import datetime

from equitr_coder.domain.events import ToolCalled, ToolReturned
from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.text import first_line, prose

_WIDTH = 120
_SAYS = {
    "run_command": "command",
    "read_file": "path",
    "write_file": "path",
    "edit_file": "path",
    "list_files": "path",
    "search": "pattern",
    "tick_todo": "number",
    "hand_in": "summary",
    "ask_supervisor": "question",
    "ask_user": "question",
    "publish_artifact": "sync_point",
    "read_artifact": "sync_point",
    "send_message": "to",
    "write_document": "name",
    "recall": "query",
}
"""Tool -> the argument that tells a person what the call is about."""


@frozen
class Action:
    """What a session does or has done."""

    tool: str
    words: str
    """What it is about while it runs, what came of it afterwards; one line, visible."""
    is_error: bool = False
    is_running: bool = False
    added: int = 0
    """Lines that its step added to files, and removed from them."""
    removed: int = 0
    at: datetime | None = None
    """When it began."""


def called(event: ToolCalled) -> Action:
    words = first_line(prose(subject(event.name, event.arguments)), _WIDTH)
    return Action(event.name, words, is_running=True, at=event.at)


def returned(event: ToolReturned, begun: Action | None, added: int = 0, removed: int = 0) -> Action:
    """The summary that the tool gave, else what the call was about."""
    told = event.text if event.is_error and not event.summary.strip() else event.summary
    words = first_line(prose(told), _WIDTH) or (begun.words if begun is not None else "")
    at = begun.at if begun is not None else event.at
    return Action(event.name, words, is_error=event.is_error, added=added, removed=removed, at=at)


def subject(tool: str, arguments: str) -> str:
    """What a call is about, from the arguments as the model wrote them. Empty when they are no JSON object, or when
    nobody knows which of them says it.
    """
    try:
        given = json.loads(arguments)
    except ValueError:
        return ""
    value = given.get(_SAYS.get(tool, "")) if isinstance(given, dict) else None
    return str(value) if isinstance(value, str | int) else ""
