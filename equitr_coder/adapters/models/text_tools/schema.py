"""Whether arguments fit a tool's JSON Schema. Checks what tools use; what it does not know, it lets pass."""

import json
from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Unknown properties do not fit: an object with other names is meant for something else."""
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return any(fits(value, choice) for choice in choices)
    kinds = schema.get("type", ())
    if kinds and not any(_is(value, kind) for kind in ((kinds,) if isinstance(kinds, str) else kinds)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        properties: Mapping[str, Any] = schema.get("properties", {})
        return all(name in value for name in schema.get("required", ())) and all(
            name in properties and fits(part, properties[name]) for name, part in value.items()
        )
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return all(fits(part, schema["items"]) for part in value)
    return True


def typed(texts: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Values written as markup, which has only text: a text stays as it is, all else is read as JSON."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: _typed(text, properties.get(name, {})) for name, text in texts.items()}


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type", "string") == "string":
        return text
    try:
        return json.loads(text.strip().lower() if schema["type"] == "boolean" else text)
    except (ValueError, RecursionError):
        return text


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))
