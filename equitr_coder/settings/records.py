"""Small data files (a profile, a preset, a worktree's set-up) read into one model, with faults that name the line."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from equitr_coder.domain.errors import UserError
from equitr_coder.settings.faults import Fault, not_a_section, refusal, unknown_key, wrong_value
from equitr_coder.settings.yaml_text import Node, read

M = TypeVar("M", bound=BaseModel)


def parse_record(model: type[M], text: str, *, name: str) -> M:
    """`text` as a `model`; keys without a value count as not given.

    Raises:
        UserError: names the line, the key and what was expected.
    """
    root = read(text, name=name)
    if not isinstance(root.value, Mapping):
        raise refusal([not_a_section(f"{name}:{root.line}", (), root.plain())])
    given = {key: node.plain() for key, node in root.value.items() if not node.is_empty}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = [_fault(dict(found), root, model, name) for found in error.errors(include_url=False)]
        raise refusal(faults) from error


def refused_key(text: str, key: str, problem: str, *, name: str, hint: str) -> UserError:
    """An error about one key of a record, for what only its reader can judge."""
    root = read(text, name=name)
    return refusal([Fault(f"{name}:{_line(root, (key,))}", (key,), problem, hint)])


def line_of(text: str, key: Sequence[str], *, name: str) -> int:
    """The line a key of a record stands at."""
    return _line(read(text, name=name), key)


def _fault(error: dict[str, object], root: Node, model: type[BaseModel], name: str) -> Fault:
    where = error["loc"]
    assert isinstance(where, tuple)
    place = f"{name}:{_line(root, where)}"
    key = tuple(str(part) for part in where if isinstance(part, str)) or ("the file",)
    if error["type"] == "extra_forbidden":
        return unknown_key(place, key, siblings=_section(model, key[:-1]).model_fields, known=())
    return wrong_value(place, key, error)


def _section(model: type[BaseModel], key: Sequence[str]) -> type[BaseModel]:
    """The model of a section inside a record."""
    for part in key:
        inner = model.model_fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model


def _line(node: Node, where: Sequence[object]) -> int:
    line = node.line
    for part in where:
        if isinstance(node.value, Mapping) and part in node.value:
            node = node.value[str(part)]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            break
        line = node.line
    return line
