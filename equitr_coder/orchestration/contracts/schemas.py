"""JSON Schemas compared: what was promised against what is there.

A sync point does not say who writes such documents and who reads them, so by default both must go on as promised
(`both`): a writer that follows the contract is understood, and a reader meets nothing that the contract did not name.
In an OpenAPI document the direction is known: a request is only written by consumers (`written`), a response only read
(`read`).

- required by the contract: still required (readers); newly required: refused (writers)
- types and enumerations: nothing less (writers), nothing more (readers)
- limits (`minimum`, `maxLength`, `pattern` ...): not tighter (writers); looser is compatible
- a further optional property is compatible, unless readers were told that there are none
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeGuard

from equitr_coder.domain.frozen import frozen

Direction = Literal["both", "written", "read"]

_DEEP = 40
"""References followed one after another."""
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "multipleOf", "uniqueItems")
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_ANY = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})


Seen = set[tuple[str | int, str | int, Direction]]
"""Pairs of places that have been compared."""


@frozen
class Side:
    """A schema and the document that its references point into."""

    schema: Any
    root: Any

    def at(self, schema: Any) -> "Side":
        return Side(schema, self.root)


def compare_schemas(promised: Side, real: Side, *, where: str = "", direction: Direction = "both") -> Iterator[str]:
    """Differences in words. What cannot be resolved (a remote reference) is passed over."""
    yield from _compare(promised, real, where, direction, set())


def _compare(promised: Side, real: Side, where: str, direction: Direction, seen: Seen) -> Iterator[str]:
    pair = (_mark(promised), _mark(real), direction)
    if pair in seen:
        return  # compared before, or being compared further up: a schema may hold itself
    seen.add(pair)
    want, have = resolved(promised), resolved(real)
    if want is None or have is None:
        return
    place = where or "the document"
    if want is True or want == {}:
        return
    if have is True or have == {}:
        if direction != "written":
            yield f"{place} may be anything, the contract says {_kinds_text(_types(want))}"
        return
    if have is False:
        yield f"{place} is not allowed, the contract has it"
        return
    if want is False:
        return
    options, there = _options(want), _options(have)
    if options or there:
        wanted = [promised.at(one) for one in options or [want]]
        found = [real.at(one) for one in there or [have]]
        yield from _alternatives(wanted, found, place, direction, seen)
        return
    yield from _kinds(want, have, place, direction)
    yield from _values(want, have, place, direction)
    yield from _limits(want, have, place, direction)
    yield from _properties(promised.at(want), real.at(have), where, direction, seen)
    yield from _items(promised.at(want), real.at(have), where, direction, seen)


def resolved(side: Side) -> Any:
    """With `$ref` followed and `allOf` joined; None when a reference leads nowhere."""
    schema, seen = side.schema, 0
    while isinstance(schema, Mapping) and "$ref" in schema:
        seen += 1
        target = _pointed(side.root, str(schema["$ref"]))
        if target is None or seen > _DEEP:
            return None
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "description", "title")}
        schema = {**target, **rest} if isinstance(target, Mapping) else target
    if isinstance(schema, Mapping) and isinstance(schema.get("allOf"), list):
        schema = _joined(side, schema)
    return schema if isinstance(schema, Mapping | bool) else None


def _joined(side: Side, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    made: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        one = resolved(side.at(part))
        if one is None:
            return None
        if isinstance(one, bool):
            continue
        properties = {**one.get("properties", {}), **made.get("properties", {})}
        required = [*made.get("required", []), *one.get("required", [])]
        made = {**one, **made}
        if properties:
            made["properties"] = properties
        if required:
            made["required"] = list(dict.fromkeys(required))
    return made


def _pointed(root: Any, pointer: str) -> Any:
    if pointer == "#":
        return root
    if not pointer.startswith("#"):
        return None
    if not pointer.startswith("#/"):
        return _anchored(root, pointer[1:])
    current = root
    for part in pointer[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
        if isinstance(current, Mapping) and key in current:
            current = current[key]
        elif (
            isinstance(current, Sequence) and not isinstance(current, str) and key.isdigit() and int(key) < len(current)
        ):
            current = current[int(key)]
        else:
            return None
    return current


def _anchored(root: Any, name: str) -> Any:
    definitions = root.get("$defs", root.get("definitions", {})) if isinstance(root, Mapping) else {}
    return next((one for one in definitions.values() if isinstance(one, Mapping) and one.get("$anchor") == name), None)


def _options(schema: Mapping[str, Any]) -> list[Any]:
    for word in ("oneOf", "anyOf"):
        if isinstance(schema.get(word), list):
            return list(schema[word])
    return []


def _alternatives(
    wanted: Sequence[Side], found: Sequence[Side], place: str, direction: Direction, seen: Seen
) -> Iterator[str]:
    """Every promised alternative is taken by one that is there, and the other way round."""
    if direction != "read":
        for one in wanted:
            if not any(_fits(one, other, "written", seen) for other in found):
                yield f"{place} no longer takes {_said(one)}"
    if direction != "written":
        for other in found:
            if not any(_fits(one, other, "read", seen) for one in wanted):
                yield f"{place} may be {_said(other)}, which the contract does not name"


def _fits(promised: Side, real: Side, direction: Direction, seen: Seen) -> bool:
    """A trial: what it has seen counts for itself alone."""
    return not list(_compare(promised, real, "", direction, set(seen)))


def _mark(side: Side) -> str | int:
    """The same for the same place of a document, however it was reached."""
    reference = side.schema.get("$ref") if isinstance(side.schema, Mapping) and len(side.schema) == 1 else None
    return reference if isinstance(reference, str) else id(side.schema)


def _said(side: Side) -> str:
    schema = resolved(side)
    if not isinstance(schema, Mapping):
        return "something else"
    reference = side.schema.get("$ref") if isinstance(side.schema, Mapping) else None
    name = schema.get("title") or (str(reference).rpartition("/")[2] if reference else "")
    return str(name or _kinds_text(_types(schema)))


def _types(schema: Any) -> frozenset[str]:
    """Every type a value may have; all of them when the schema does not say."""
    if not isinstance(schema, Mapping):
        return _ANY
    kind = schema.get("type")
    found = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else set()
    if not found:
        values = _enumeration(schema)
        if values is not None:
            found = {_kind_of(value) for value in values}
        elif {"properties", "required", "additionalProperties"} & set(schema):
            found = {"object"}
        elif {"items", "prefixItems"} & set(schema):
            found = {"array"}
        else:
            return _ANY
    if schema.get("nullable") is True:
        found.add("null")
    return frozenset(found)


def _kind_of(value: Any) -> str:
    return "null" if value is None else _KINDS.get(type(value), "object")


def _kinds_text(kinds: frozenset[str]) -> str:
    return "anything" if kinds >= _ANY else " or ".join(sorted(kinds, key=lambda kind: (kind == "null", kind)))


def _kinds(want: Mapping[str, Any], have: Mapping[str, Any], place: str, direction: Direction) -> Iterator[str]:
    promised, real = _types(want), _types(have)
    if promised >= _ANY:
        return
    refused = {kind for kind in promised if not _covers(real, kind)} if direction != "read" else set()
    new = {kind for kind in real if not _covers(promised, kind)} if direction != "written" else set()
    if refused or new:
        yield f"{place} is {_kinds_text(real)}, the contract says {_kinds_text(promised)}"


def _covers(kinds: frozenset[str], kind: str) -> bool:
    return kind in kinds or (kind == "integer" and "number" in kinds)


def _enumeration(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if isinstance(schema.get("enum"), list) else None


def _values(want: Mapping[str, Any], have: Mapping[str, Any], place: str, direction: Direction) -> Iterator[str]:
    promised, real = _enumeration(want), _enumeration(have)
    if promised is None and real is None:
        return
    if real is None:
        if direction != "written":
            yield f"{place} may be any {_kinds_text(_types(have))}, the contract names {_listed(promised or [])}"
        return
    if promised is None:
        if direction != "read":
            yield f"{place} takes only {_listed(real)}, the contract takes any {_kinds_text(_types(want))}"
        return
    gone = [value for value in promised if value not in real]
    new = [value for value in real if value not in promised]
    if gone and direction != "read":
        yield f"{place} no longer takes {_listed(gone)}"
    if new and direction != "written":
        yield f"{place} may be {_listed(new)}, which the contract does not name"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(repr(value) for value in values)


def _limits(want: Mapping[str, Any], have: Mapping[str, Any], place: str, direction: Direction) -> Iterator[str]:
    if direction != "read":
        for word in (*_LOWER, *_UPPER):
            real, promised = have.get(word), want.get(word)
            if not _is_number(real) or (word in _LOWER[2:] and not real):
                continue
            if not _is_number(promised):
                yield f"{place} has {word} {real}, the contract has none"
            elif real > promised if word in _LOWER else real < promised:
                yield f"{place} has {word} {real}, the contract has {promised}"
        for word in _EXACT:
            if have.get(word) and have.get(word) != want.get(word):
                yield f"{place} has {word} {have[word]!r}, the contract has {want.get(word)!r}"
    if direction != "written":
        promised, real = want.get("format"), have.get("format")
        if promised and promised != real:
            yield f"{place} has format {real!r}, the contract has {promised!r}"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _properties(promised: Side, real: Side, where: str, direction: Direction, seen: Seen) -> Iterator[str]:
    want, have = promised.schema, real.schema
    known, there = want.get("properties") or {}, have.get("properties") or {}
    needed, asked = set(want.get("required") or ()), set(have.get("required") or ())
    for name, schema in known.items():
        place = _inside(where, name)
        if name not in there:
            rest = have.get("additionalProperties", True)
            if isinstance(rest, Mapping) and rest:
                yield from _compare(promised.at(schema), real.at(rest), place, direction, seen)
            elif there or rest is False or name in needed:
                yield f"{place} is missing"
            continue
        if name in needed and name not in asked and direction != "written":
            yield f"{place} may be left out, the contract always has it"
        if name not in needed and name in asked and direction != "read":
            yield f"{place} is required, the contract lets it be left out"
        yield from _compare(promised.at(schema), real.at(there[name]), place, direction, seen)
    yield from _further(promised, real, where, direction, seen)


def _further(promised: Side, real: Side, where: str, direction: Direction, seen: Seen) -> Iterator[str]:
    """Properties that the contract does not name."""
    want, have = promised.schema, real.schema
    known = set(want.get("properties") or ())
    if direction != "read":
        for name in sorted(set(have.get("required") or ()) - known):
            yield f"{_inside(where, name)} is required, the contract does not name it"
    rest, other = want.get("additionalProperties"), have.get("additionalProperties")
    if rest is False and direction != "written":
        for name in sorted(set(have.get("properties") or ()) - known):
            yield f"{_inside(where, name)} is new, the contract allows no more properties"
    if isinstance(rest, Mapping) and rest:
        if isinstance(other, Mapping):
            yield from _compare(promised.at(rest), real.at(other), _inside(where, "*"), direction, seen)
        elif other is False and direction != "read":
            yield f"{where or 'the document'} takes no further properties, the contract takes any"


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _items(promised: Side, real: Side, where: str, direction: Direction, seen: Seen) -> Iterator[str]:
    want, have = promised.schema.get("items"), real.schema.get("items")
    if want is None:
        return
    place = f"{where}[]"
    if isinstance(want, list) or isinstance(have, list):
        return
    if have is None:
        if "array" in _types(real.schema) and direction != "written" and not real.schema.get("prefixItems"):
            yield f"{place} may be anything, the contract says {_kinds_text(_types(resolved(promised.at(want))))}"
        return
    yield from _compare(promised.at(want), real.at(have), place, direction, seen)
