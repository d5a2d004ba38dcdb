"""A call as it stands in an answer's text, and the JSON shapes it may have. Pure."""

from collections.abc import Mapping
from typing import Any

from equitr_coder.adapters.models.text_tools.loose_json import UnclearError, read_object
from equitr_coder.domain.frozen import frozen

ARGUMENTS = ("arguments", "parameters", "args", "params", "input")
_NAMES = ("name", "tool", "tool_name", "function", "recipient_name", "action")
_BESIDE = frozenset({"id", "type", "index", "call_id", "tool_call_id"})


@frozen
class Written:
    """One call as it stands in the text."""

    name: str
    arguments: Mapping[str, Any] | str
    """Text when it could not be read."""
    is_markup: bool = False
    """Values are text, whatever their type."""


def calls_of(value: Any, *, strictly: bool = False) -> list[Written]:
    """Calls written as JSON objects. `strictly`: only when the object can be nothing but a call."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list) and len(value) == 1:
        value = value["tool_calls"]
    values = value if isinstance(value, list) else [value]
    if not values:
        raise UnclearError
    return [_written(item, strictly=strictly) for item in values]


def _written(value: Any, *, strictly: bool) -> Written:
    if not isinstance(value, dict):
        raise UnclearError
    if isinstance(value.get("function"), dict):
        if set(value) - {"function"} - _BESIDE:
            raise UnclearError
        value = value["function"]
    names = [key for key in _NAMES if isinstance(value.get(key), str)]
    given = [key for key in ARGUMENTS if key in value]
    if len(names) != 1 or len(given) > 1 or (strictly and not given) or set(value) - {*names, *given} - _BESIDE:
        raise UnclearError
    arguments = value[given[0]] if given else {}
    if isinstance(arguments, str):
        arguments = object_of(arguments)
    if not isinstance(arguments, dict):
        raise UnclearError
    return Written(value[names[0]], arguments)


def object_of(text: str) -> dict[str, Any]:
    value = read_object(text)
    if value is None:
        raise UnclearError
    return value
