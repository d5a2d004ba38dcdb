"""A check of JSON Schemas of tool parameters, as strict as the strictest provider. It validates schemas, not data."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TYPES = frozenset(("object", "array", "string", "integer", "number", "boolean", "null"))
_COMBINERS = ("anyOf", "oneOf", "allOf")


def schema_problems(schema: object, place: str, root: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Everything wrong with `schema`, each with its place. References are looked up in `root` (itself by default)."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield f"{place}: a schema must be an object"
        return
    root = schema if root is None else root
    yield from _keyword_problems(schema, place, root)
    for name in ("properties", "$defs", "definitions"):
        children = schema.get(name, {})
        if not isinstance(children, Mapping):
            yield f"{place}.{name}: must be an object"
            continue
        for key, child in children.items():
            yield from schema_problems(child, f"{place}.{name}.{key}", root)
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from schema_problems(schema[name], f"{place}.{name}", root)
    for name in _COMBINERS:
        if name not in schema:
            continue
        options = schema[name]
        if not _is_list(options) or not options:
            yield f"{place}.{name}: must be a list of at least one schema"
            continue
        for index, child in enumerate(options):
            yield from schema_problems(child, f"{place}.{name}[{index}]", root)


def _keyword_problems(schema: Mapping[str, Any], place: str, root: Mapping[str, Any]) -> Iterator[str]:
    kinds = schema.get("type", ())
    for kind in (kinds,) if isinstance(kinds, str) else kinds:
        if kind not in _TYPES:
            yield f"{place}.type: {kind!r} is not a type of JSON Schema"
    if kinds == "array" and "items" not in schema:
        yield f"{place}: an array must say its items"
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    if not _is_list(required):
        yield f"{place}.required: must be a list"
    elif isinstance(properties, Mapping):
        for name in required:
            if name not in properties:
                yield f"{place}.required: {name!r} is not among the properties"
    if "enum" in schema and (not _is_list(schema["enum"]) or not schema["enum"]):
        yield f"{place}.enum: must be a list of at least one value"
    reference = schema.get("$ref")
    if reference is not None and not _resolves(reference, root):
        yield f"{place}.$ref: {reference!r} leads nowhere"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _resolves(reference: object, root: Mapping[str, Any]) -> bool:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return False
    node: object = root
    for part in reference[2:].split("/"):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True
