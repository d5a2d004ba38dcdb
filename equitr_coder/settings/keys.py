"""The keys of the configuration as the schema has them: which exist, which are sections, which hold text."""

from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from equitr_coder.settings.faults import KeyPath
from equitr_coder.settings.schema import ModelSettings, Settings

PRICES: KeyPath = ("llm", "prices")


def section_at(path: KeyPath) -> type[BaseModel] | None:
    """The model of the section at `path`; None when there is a value, or nothing."""
    model: type[BaseModel] = Settings
    for part in path:
        field = model.model_fields.get(part)
        kind = field.annotation if field is not None else None
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return None
        model = kind
    return model


def takes_plain_name(path: KeyPath) -> bool:
    """Whether a plain text there stands for a section with that `model`."""
    return section_at(path) is ModelSettings


def holds_text(path: KeyPath) -> bool:
    """Whether the value at `path` is text (or one of several words), so that it needs no YAML quoting."""
    if takes_plain_name(path):
        return True
    section = section_at(path[:-1]) if path else None
    field = section.model_fields.get(path[-1]) if section is not None else None
    return field is not None and all(_is_text(kind) for kind in _alternatives(field.annotation))


@cache
def known_keys() -> tuple[KeyPath, ...]:
    """Every key that holds a value, in the order of the schema."""
    return tuple(_walk(Settings, ()))


def _walk(model: type[BaseModel], path: KeyPath) -> Iterator[KeyPath]:
    for name in model.model_fields:
        section = section_at((*path, name))
        if section is None:
            yield (*path, name)
        else:
            yield from _walk(section, (*path, name))


def _alternatives(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for choice in get_args(kind):
            yield from _alternatives(choice)
    elif kind is not NoneType:
        yield kind


def _is_text(kind: Any) -> bool:
    return get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, str))
