"""A JSON Schema against the schema in the files: the named file, the same `$id`, or the same title. Where none
is, a Python class of that title is compared as far as its annotations tell.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from equitr_coder.orchestration.contracts.annotations import spelled, split
from equitr_coder.orchestration.contracts.findings import Finding, finding, unchecked
from equitr_coder.orchestration.contracts.python_code import Class
from equitr_coder.orchestration.contracts.python_tree import Members, PythonTree
from equitr_coder.orchestration.contracts.recognition import JsonSchema, is_schema, load
from equitr_coder.orchestration.contracts.schemas import Side, compare_schemas, resolved
from equitr_coder.orchestration.contracts.sources import Sources

_MOST_FILES = 200
_DATA = (".json", ".yaml", ".yml")
_PLAIN = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "None": "null",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "Sequence": "array",
    "dict": "object",
    "Mapping": "object",
    "datetime": "string",
    "date": "string",
    "UUID": "string",
    "Decimal": "number",
}


def compare_schema(contract: JsonSchema, sources: Sources) -> Finding:
    promised = contract.schema
    found = _real(contract, sources)
    if found is not None:
        path, schema = found
        differences = compare_schemas(Side(promised, promised), Side(schema, schema))
        return finding((f"{path}: {text}" for text in differences), compared=f"the JSON Schema {path}")
    if contract.file and contract.file.endswith(_DATA):
        return finding([f"{contract.file} is not among the files"], compared="")
    return _models(promised, sources) or unchecked("no file holds this schema")


def _real(contract: JsonSchema, sources: Sources) -> tuple[str, Mapping[str, Any]] | None:
    if contract.file and (named := sources.named(contract.file)):
        text = sources.text(named[0])
        schema = load(text) if text is not None else None
        return (named[0], schema) if isinstance(schema, Mapping) else None
    identity, title = contract.schema.get("$id"), contract.schema.get("title")
    candidates = [path for path in sources.changed if path.endswith(_DATA)]
    others = sorted(path for path in sources.paths if path.endswith(_DATA) and path not in candidates)
    by_title: tuple[str, Mapping[str, Any]] | None = None
    alone: list[tuple[str, Mapping[str, Any]]] = []
    for path in (*candidates, *others[:_MOST_FILES]):
        text = sources.text(path)
        schema = load(text) if text is not None else None
        if not isinstance(schema, Mapping) or not is_schema(schema):
            continue
        if identity and schema.get("$id") == identity:
            return path, schema
        if title and schema.get("title") == title:
            by_title = by_title or (path, schema)
        inside = (schema.get("$defs") or schema.get("definitions") or {}).get(title) if title else None
        if isinstance(inside, Mapping):
            by_title = by_title or (path, {**inside, "$defs": schema.get("$defs") or schema.get("definitions")})
        if path in candidates:
            alone.append((path, schema))
    if by_title is not None:
        return by_title
    is_nameless = not (title or identity or contract.file)
    return alone[0] if len(alone) == 1 and is_nameless else None


# ---------------------------------------------------------------- Python models


def _models(promised: Mapping[str, Any], sources: Sources) -> Finding | None:
    title = promised.get("title")
    if not isinstance(title, str):
        return None
    tree = PythonTree(sources)
    for path in (one for one in sources.changed if one.endswith(".py")):
        module = tree.module(path)
        if module is None or title not in module.classes:
            continue
        found = module.classes[title]
        members = tree.members(path, found)
        if members.shape == "enum":
            continue
        differences = list(_model_differences(f"{path}: {title}", promised, found, members))
        if differences:
            return finding(differences, compared="")
        if members.is_open or members.shape == "plain":
            return unchecked(f"{path}: {title} does not show all its fields")
        return finding([], compared=f"the fields of {path}: {title}")
    return None


def _model_differences(label: str, promised: Mapping[str, Any], found: Class, members: Members) -> Iterator[str]:
    schema = resolved(Side(promised, promised))
    if not isinstance(schema, Mapping):
        return
    needed = set(schema.get("required") or ())
    known: Mapping[str, Any] = schema.get("properties") or {}
    for name, one in known.items():
        field = members.fields.get(name)
        if field is None:
            if not members.is_open and name not in members.methods:
                yield f"{label} has no field {name}"
            continue
        wanted = resolved(Side(one, promised))
        kinds = _kinds(wanted)
        real = _kinds_of(field.annotation)
        if kinds is not None and real is not None and not _fits(kinds, real):
            yield f"{label}.{name} is {' or '.join(sorted(real))}, the contract says {' or '.join(sorted(kinds))}"
    if members.shape in ("dataclass", "pydantic", "typed_dict", "named_tuple"):
        for field in members.fields.values():
            is_required = field.in_constructor and field.default is None and not found.all_optional
            if is_required and field.name not in needed and not field.name.startswith(("_", "model_")):
                named = "lets it be left out" if field.name in known else "does not name it"
                yield f"{label} needs {field.name}, the contract {named}"


def _kinds(schema: Any) -> set[str] | None:
    """None when it is more than plain types."""
    if not isinstance(schema, Mapping) or {"anyOf", "oneOf", "enum", "const"} & set(schema):
        return None
    kind = schema.get("type")
    found = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else None
    return found | {"null"} if found is not None and schema.get("nullable") is True else found


def _kinds_of(annotation: ast.expr | None) -> set[str] | None:
    if annotation is None:
        return None
    names = [one.partition("[")[0] for one in split(spelled(annotation), " | ")]
    return {_PLAIN[name] for name in names} if all(name in _PLAIN for name in names) else None


def _fits(promised: set[str], real: set[str]) -> bool:
    """A default of None often widens a field; a number that is written as text is another thing."""
    plain = real - {"null"} if "null" not in promised else real
    return plain <= promised and promised - {"null"} <= plain
