"""Why a tool call is not run, in words that let the model send it right. Pure.

What can be mended without doubt is mended where answers are read (`adapters.models.text_tools`), so that the history
holds it mended; what comes here unreadable is for the model to repair.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.models import AssistantMessage, StopCause, ToolCall, ToolSpec
from equitr_coder.domain.run_view import LedgerRow, SessionView

_NEAR = 24
"""Characters quoted on either side of the place where reading failed."""
_ESCAPE = "Write a backslash inside a text as two."
_UNCLOSED = "Close every text, list and object."
_QUOTE = 'Write a quote inside a text as \\" and a line break as \\n.'


def cut_off(call: ToolCall, session: SessionView, ledger: Iterable[LedgerRow]) -> str | None:
    """What to tell the model when its answer broke off in this call; None when it did not.

    Only the last call of an answer can be cut. It is never run, readable or not: some servers close the brackets of
    what the limit cut, and half a file would be written. `ledger` in the order of the calls.
    """
    if session.last_stop not in (StopCause.LENGTH, StopCause.FILTERED):
        return None
    last = next((m for m in reversed(session.messages) if isinstance(m, AssistantMessage)), None)
    if last is None or not last.calls or last.calls[-1].id != call.id:
        return None
    if session.last_stop is StopCause.FILTERED:
        return (
            f"The provider's content filter cut your answer off before this call of {call.name} was complete. Nothing "
            "was run. Say it in other words."
        )
    return (
        f"Your answer was cut off at {_limit(session, ledger)} before this call of {call.name} was complete. Nothing "
        "was run.\nSend smaller pieces, each in an answer of its own: write the first part of a long text, then add "
        "the other parts with further calls."
    )


def read_arguments(call: ToolCall, tool: ToolSpec) -> dict[str, Any]:
    """The arguments as the object they have to be; no text at all is an empty one.

    Raises:
        ToolFailure: says what is wrong, where, and what to send instead.
    """
    if not call.arguments.strip():
        return {}
    try:
        arguments = json.loads(call.arguments, object_pairs_hook=_each_once, parse_constant=_no_constant)
        json.dumps(arguments, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _refused(call, tool, f"are not valid JSON: {_where(error)}", _advice(error)) from error
    except UnicodeEncodeError as error:
        raise _refused(call, tool, "hold half of a surrogate pair, which is no text") from error
    except RecursionError as error:
        raise _refused(call, tool, "are not valid JSON: they are nested too deeply") from error
    except ValueError as error:
        raise _refused(call, tool, f"are not valid JSON: {error}") from error
    if not isinstance(arguments, dict):
        what = f"must be one JSON object, not {_kind(arguments)}"
        several = "Make one call for each object." if isinstance(arguments, list) and len(arguments) > 1 else ""
        raise _refused(call, tool, what, several)
    return arguments


def _refused(call: ToolCall, tool: ToolSpec, what: str, advice: str = "") -> ToolFailure:
    form = f"Call {call.name} again with one JSON object like {_form(tool)}."
    return ToolFailure(" ".join(filter(None, (f"The arguments of {call.name} {what}. Nothing was run.", advice, form))))


def _limit(session: SessionView, ledger: Iterable[LedgerRow]) -> str:
    rows = [row for row in ledger if row.session == session.id and not row.is_open and row.failed is None]
    return f"max_tokens={rows[-1].max_tokens}" if rows and rows[-1].max_tokens else "max_tokens"


def _where(error: json.JSONDecodeError) -> str:
    text, at = error.doc, error.pos
    if at >= len(text.rstrip()):
        return f"{error.msg} at the end"
    before, after = text[max(0, at - _NEAR) : at], text[at : at + _NEAR]
    place = f"line {error.lineno} column {error.colno}, at the mark >>> in `{before}>>>{after}`"
    return f"{error.msg.removesuffix(' at')} at {place}"


def _advice(error: json.JSONDecodeError) -> str:
    """What it is, as a rule."""
    if error.msg.startswith("Invalid \\"):
        return _ESCAPE
    if error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip()):
        return _UNCLOSED
    if error.msg.startswith("Expecting property name"):
        return "Write names and texts in double quotes."
    if error.msg.startswith("Extra data"):
        is_object = error.doc[error.pos :].lstrip()[:1] == "{"
        return "Make one call for each object." if is_object else "Leave out what follows the object."
    return _QUOTE if error.msg.startswith(("Invalid control", "Expecting ',' delimiter", "Expecting ':'")) else ""


def _form(tool: ToolSpec) -> str:
    """The required arguments with their types, as an object to fill in."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    names = [name for name in tool.parameters.get("required", ()) if name in properties] or list(properties)[:1]
    pairs = (f'"{name}": {_placeholder(properties[name])}' for name in names)
    return "{" + ", ".join(pairs) + "}"


def _placeholder(schema: Mapping[str, Any]) -> str:
    places = {"string": '"..."', "array": "[...]", "object": "{...}", "integer": "1", "number": "1", "boolean": "true"}
    kind = schema.get("type")
    return places.get(kind, "...") if isinstance(kind, str) else "..."


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one name: whichever were taken, the other was meant as well."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made and made[key] != value:
            raise ValueError(f"{json.dumps(key, ensure_ascii=False)} is given twice with different values")
        made[key] = value
    return made


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{re.sub(r'[^A-Za-z-]', '', word)} is no JSON value")
