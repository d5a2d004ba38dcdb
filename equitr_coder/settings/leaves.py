"""One value of the configuration with its source, and how a layer's text becomes such values or faults."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ValidationError

from equitr_coder.domain.frozen import frozen
from equitr_coder.settings.faults import Fault, KeyPath, key_text, not_a_section, stop_on, unknown_key, wrong_value
from equitr_coder.settings.keys import PRICES, known_keys, section_at, takes_plain_name
from equitr_coder.settings.schema import TOGETHER, AfterEditSettings, FallbackSettings, PriceSettings, Settings
from equitr_coder.settings.yaml_text import Node


class Layer(IntEnum):
    """From the weakest to the strongest."""

    DEFAULT = 0
    USER = 1
    PROJECT = 2
    ENVIRONMENT = 3
    FLAG = 4


@frozen
class Source:
    layer: Layer
    place: str = ""
    """`FILE:LINE`, `environment NAME` or `flag --NAME`."""

    def anywhere(self, _line: int) -> "Source":
        """For texts whose lines mean nothing to the user."""
        return self

    def __str__(self) -> str:
        match self.layer:
            case Layer.DEFAULT:
                return "default"
            case Layer.USER | Layer.PROJECT:
                return f"{self.layer.name.lower()} {self.place}"
            case _:
                return self.place


@frozen
class Leaf:
    value: Any
    source: Source


Leaves = dict[KeyPath, Leaf]


@frozen
class Gathered:
    """What reading a layer brings together."""

    leaves: Leaves = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def check(self) -> Leaves:
        """The layer's values.

        Raises:
            UserError: something in it is wrong by itself; what is only wrong together with other layers is not.
        """
        stop_on(self.faults + _wrong_values(self.leaves))
        return self.leaves


def collect(node: Node, source: Callable[[int], Source], into: Gathered, path: KeyPath = ()) -> None:
    """Walk the schema and the text together, down to the keys that hold values."""
    section = section_at(path)
    if section is None and path != PRICES:
        if node.is_empty:
            what = f"{source(node.line).place}: {key_text(path)} has no value; it is taken as not set"
            into.warnings.append(what)
        else:
            into.leaves[path] = Leaf(node.plain(), source(node.line))
        return
    if node.is_empty:
        return
    if takes_plain_name(path) and (node.value is None or isinstance(node.value, str)):
        node = Node({"model": node}, node.line)
    if not isinstance(node.value, Mapping):
        into.faults.append(not_a_section(source(node.line).place, path, node.plain()))
        return
    for name, child in node.value.items():
        inner = (*path, name)
        if path == PRICES:
            into.leaves[inner] = Leaf(child.plain(), source(child.line))
        elif section is not None and name not in section.model_fields:
            place = source(child.line).place
            into.faults.append(unknown_key(place, inner, siblings=section.model_fields, known=known_keys()))
        else:
            collect(child, source, into, inner)


def _wrong_values(leaves: Leaves) -> list[Fault]:
    errors = _errors(leaves)
    return [_fault(error, leaves) for error in errors if error["type"] != TOGETHER or _leaf_of(error, leaves)]


def joined(leaves: Leaves) -> Settings:
    """The settings of all layers.

    Raises:
        UserError: values that are right alone are wrong together.
    """
    stop_on([_fault(error, leaves) for error in _errors(leaves)])
    return Settings.model_validate(_nested(leaves))


def _errors(leaves: Leaves) -> Sequence[Mapping[str, Any]]:
    try:
        Settings.model_validate(_nested(leaves))
    except ValidationError as error:
        return [dict(found) for found in error.errors(include_url=False)]
    return []


def _leaf_of(error: Mapping[str, Any], leaves: Leaves) -> KeyPath | None:
    """The key whose value an error is about; None when it is about a whole section."""
    where = tuple(str(part) for part in error["loc"])
    return next((where[:length] for length in range(len(where), 0, -1) if where[:length] in leaves), None)


def _fault(error: Mapping[str, Any], leaves: Leaves) -> Fault:
    where = tuple(str(part) for part in error["loc"])
    leaf = _leaf_of(error, leaves)
    if leaf is None:
        inside = [path for path in leaves if path[: len(where)] == where]
        leaf = max(inside, key=lambda path: leaves[path].source.layer)
    place = leaves[leaf].source.place
    if error["type"] == "extra_forbidden":
        return unknown_key(place, where, siblings=_listed(where).model_fields, known=())
    return wrong_value(place, _without_indexes(where, leaf), error)


def _listed(where: KeyPath) -> type[BaseModel]:
    """What stands in the list, or in the section of free names, that a key is in."""
    if "after_edit" in where:
        return AfterEditSettings
    return FallbackSettings if "fallbacks" in where else PriceSettings


def _without_indexes(where: KeyPath, leaf: KeyPath) -> KeyPath:
    return tuple(part for index, part in enumerate(where) if index < len(leaf) or not part.isdigit())


def _nested(leaves: Leaves) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, leaf in leaves.items():
        section = root
        for part in path[:-1]:
            section = section.setdefault(part, {})
        section[path[-1]] = leaf.value
    return root


def wrapped(path: KeyPath, node: Node) -> Node:
    for part in reversed(path):
        node = Node({part: node}, node.line)
    return node
