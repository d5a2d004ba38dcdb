"""Arguments of tools: their JSON Schema as a model reads it, and errors a model can act on.

Lenient where the meaning is certain (null for "left out", a number for a text, a list sent as JSON text), strict
otherwise: an unknown name is an error, because ignoring it would lose what was meant.
"""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.models import ToolSpec

_QUOTED_LENGTH = 80
_LEFT_OUT = frozenset(
    {"title", "default", "additionalProperties", "minLength", "maxLength", "minItems", "exclusiveMinimum", "pattern"}
)


class Arguments(BaseModel):
    """The arguments of one tool, or an object inside them."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _null_means_left_out(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fields = cls.model_fields
        return {
            name: given
            for name, given in value.items()
            if given is not None or (name in fields and fields[name].is_required())
        }


def as_list(value: Any) -> Any:
    """A list sent as JSON text, or one item in place of a list of one."""
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return [value]
    return [value] if text else []


Texts = Annotated[tuple[str, ...], BeforeValidator(as_list)]

A = TypeVar("A", bound=Arguments)


class LazySpec:
    """The `spec` of a tool class, made when it is first asked for: most starts of the program offer no tool."""

    def __init__(self, name: str, model: type[Arguments]) -> None:
        self._name, self._model = name, model

    def __get__(self, tool: object, owner: type) -> ToolSpec:
        return self._made

    @cached_property
    def _made(self) -> ToolSpec:
        return tool_spec(self._name, self._model)


def tool_spec(name: str, model: type[Arguments]) -> ToolSpec:
    """The tool as the model sees it; its description is the file `NAME.md` beside this one."""
    description = Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8").strip()
    return ToolSpec(name=name, description=description, parameters=json_schema(model))


def json_schema(model: type[Arguments]) -> dict[str, Any]:
    """The JSON Schema without what costs tokens and says little: titles, defaults, references, "or null", lengths.

    Some providers also refuse the rarer keywords. Parsing checks all of it again.
    """
    schema = model.model_json_schema()
    definitions: Mapping[str, Any] = schema.pop("$defs", {})
    schema.pop("description", None)
    compact: dict[str, Any] = _compact(schema, definitions)
    return {"type": "object", "properties": compact.get("properties", {}), "required": compact.get("required", [])}


def _compact(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_compact(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = dict(definitions[node["$ref"].rpartition("/")[2]])
        target.pop("description", None)
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            node = {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}
            return _compact(node, definitions)
    compact: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            compact[key] = {name: _compact(field, definitions) for name, field in value.items()}
        elif key not in _LEFT_OUT:
            compact[key] = _compact(value, definitions)
    return compact


def parse_arguments(tool: str, model: type[A], arguments: Mapping[str, Any]) -> A:
    """The validated arguments.

    Raises:
        ToolFailure: lists every wrong field with its path, the value given and what is expected.
    """
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        lines = [_problem(model, item) for item in error.errors(include_url=False)]
        count = "an argument is" if len(lines) == 1 else f"{len(lines)} arguments are"
        listed = "\n".join(f"- {line}" for line in lines)
        message = f"{tool} did nothing: {count} wrong.\n{listed}\nCall {tool} again with all arguments."
        raise ToolFailure(message) from error


def _problem(model: type[Arguments], item: Any) -> str:
    location: Sequence[str | int] = item["loc"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    match item["type"]:
        case "missing":
            return f"{path}: missing, and required"
        case "extra_forbidden":
            names = _field_names(model, location[:-1])
            close = get_close_matches(str(location[-1]), names, n=1)
            meant = f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"
            return f"{path}: no such argument; {meant}"
        case _:
            expected = item["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
            return f"{path}: {_quoted(item['input'])}: {expected}"


def _quoted(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _QUOTED_LENGTH else f"{text[:_QUOTED_LENGTH]}…"


def _field_names(model: type[Arguments], location: Sequence[str | int]) -> list[str]:
    annotation: Any = model
    for part in location:
        annotation = get_args(annotation)[0] if isinstance(part, int) else annotation.model_fields[part].annotation
    return list(annotation.model_fields)
