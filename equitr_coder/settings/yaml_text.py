"""YAML as text: read into nodes that know their line, and written on one line.

Knows nothing of configuration. No tags, no merge keys, no duplicate keys; size, depth and what aliases expand to are
bounded. Numbers with a point are `Decimal`, exactly as written; only `true` and `false` are booleans (YAML 1.2).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000

Scalar = str | int | bool | Decimal | None

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9](?:[0-9_]*[0-9])?")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_LONGEST_NUMBER = 60

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+@-]*(?:[ :][A-Za-z0-9_./+@-]+)*")
_NOT_PLAIN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class YamlError(UserError):
    """The text is not YAML that is read here."""

    def __init__(self, name: str, line: int, problem: str) -> None:
        super().__init__(f"{name}:{line}: not usable YAML: {problem}", hint=f"correct line {line} of {name}")
        self.problem = problem


@frozen
class Node:
    """A value and the line it stands on; in a mapping that is the line of its key."""

    value: "Scalar | Mapping[str, Node] | Sequence[Node]"
    line: int = 0
    is_empty: bool = False
    """Nothing was written where a value could stand."""
    size: int = 1
    """Nodes in it, those that aliases repeat included."""

    def plain(self) -> Any:
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list | tuple):
            return [node.plain() for node in self.value]
        return self.value


def node_of(value: Any) -> Node:
    """A node of a value that was not read from a text."""
    if isinstance(value, Mapping):
        return Node({str(key): node_of(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Node([node_of(item) for item in value])
    return Node(value)


def read(text: str, *, name: str) -> Node:
    """The one document in `text`; an empty one is an empty mapping. `name` is the file's or variable's, for errors.

    Raises:
        YamlError: names the line.
    """
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise YamlError(name, 1, f"it is longer than {MAX_CHARACTERS} characters")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reading(iter(yaml.parse(text, Loader=loader)), name).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise YamlError(name, line, error.problem or "it cannot be read") from error
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        raise YamlError(name, line, "a character that YAML does not allow") from error


def write(value: Any) -> str:
    """`value` as YAML on one line, readable by YAML 1.1 and 1.2 alike."""
    if isinstance(value, Enum):
        return write(value.value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return write(int(value) if value.is_integer() else Decimal(str(value)))
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{write(str(key))}: {write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(write(item) for item in value) + "]"
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN else _quoted(text)


class _Reading:
    """Builds nodes from the parser's events, so that depth and size are known before anything is built."""

    def __init__(self, events: Iterator[Any], name: str) -> None:
        self._events = events
        self._name = name
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node:
        import yaml

        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
                continue
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent) and root is None:
                root = self._node(next(self._events), depth=1)
            else:
                raise YamlError(self._name, line, "a second document begins here; one is allowed")
        return Node({}, line=1) if root is None or root.is_empty else root

    def _node(self, event: Any, *, depth: int) -> Node:
        import yaml

        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise YamlError(self._name, line, f"the alias *{event.anchor} has no anchor before it")
            return self._anchors[event.anchor]
        if event.tag is not None:
            raise YamlError(self._name, line, f"tags are not allowed here: {event.tag}")
        if depth > MAX_DEPTH:
            raise YamlError(self._name, line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(line, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(line, depth)
        else:
            is_plain = not event.style
            node = Node(_resolve(event.value) if is_plain else event.value, line, is_plain and not event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _mapping(self, line: int, depth: int) -> Node:
        import yaml

        entries: dict[str, Node] = {}
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise YamlError(self._name, key_line, "a key must be plain text")
            if event.value == "<<" and not event.style:
                raise YamlError(self._name, key_line, "merge keys (<<) are not allowed here")
            if event.value in entries:
                first = entries[event.value].line
                raise YamlError(self._name, key_line, f"the key {event.value} stands here and on line {first}")
            node = self._node(next(self._events), depth=depth + 1)
            size = self._grown(size, node, key_line)
            entries[event.value] = Node(node.value, key_line, node.is_empty, node.size)
        return Node(entries, line, size=size)

    def _sequence(self, line: int, depth: int) -> Node:
        import yaml

        items: list[Node] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node = self._node(event, depth=depth + 1)
            size = self._grown(size, node, event.start_mark.line + 1)
            items.append(node)
        return Node(items, line, size=size)

    def _grown(self, size: int, node: Node, line: int) -> int:
        if size + node.size > MAX_NODES:
            raise YamlError(self._name, line, f"more than {MAX_NODES} values, counting what aliases repeat")
        return size + node.size


def _resolve(text: str) -> Scalar:
    """What a plain scalar means."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if len(text) <= _LONGEST_NUMBER:
        if _WHOLE.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
    return text


def _number(value: Decimal) -> str:
    """Digits as they are; only a very long row of them as a power of ten (with the point that YAML 1.1 wants)."""
    digits = format(value, "f")
    if len(digits) <= _LONGEST_NUMBER:
        return digits
    mantissa, _, exponent = f"{value.normalize():E}".partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def _printable(char: str) -> str:
    code = ord(char)
    if " " <= char <= "~" or (code >= 0xA1 and char.isprintable()):
        return char
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
