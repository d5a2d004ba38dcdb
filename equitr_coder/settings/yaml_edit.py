"""One value of a YAML text changed, added or taken out, and everything else left as it is, comments included.

Knows nothing of configuration. What cannot be done without touching more than that one value is refused, never guessed:
the result is read again and must differ from before in that value alone.
"""

from collections.abc import Sequence
from typing import Any

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.settings.yaml_text import YamlError, read, write

_STEP = 2
KeyPath = Sequence[str]


@frozen
class _Edit:
    """The characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str

    def of(self, text: str) -> str:
        return text[: self.start] + self.text + text[self.end :]


def with_value(text: str, path: KeyPath, value: str | None, *, name: str) -> str:
    """`text` with `value` (YAML on one line) at `path`; None takes the key out. `name` is the file's, for errors.

    Raises:
        UserError: the text or the value is not usable YAML, or the change would touch more than this value.
    """
    before = read(text, name=name).plain()
    wanted = read(f"value: {value}", name="the value").plain()["value"] if value is not None else None
    if value is not None and "\n" in value:
        raise YamlError("the value", 1, "it must stand on one line")
    edit = _edit(text, path, value)
    changed = edit.of(text) if edit is not None else text
    try:
        after = read(changed, name=name).plain()
    except YamlError as error:
        raise _refusal(path, name) from error
    if _pruned(after) != _pruned(_set(before, path, wanted, is_removed=value is None)):
        raise _refusal(path, name)
    return changed


def _refusal(path: KeyPath, name: str) -> UserError:
    return UserError(
        f"{'.'.join(path)} cannot be changed in {name} without touching more of it", hint=f"edit {name} by hand"
    )


def _set(tree: Any, path: KeyPath, value: Any, *, is_removed: bool) -> Any:
    first, *rest = path
    mapping = dict(tree) if isinstance(tree, dict) else {}
    if rest:
        mapping[first] = _set(mapping.get(first), rest, value, is_removed=is_removed)
    elif is_removed:
        mapping.pop(first, None)
    else:
        mapping[first] = value
    return mapping


def _pruned(tree: Any) -> Any:
    """Without empty sections, which say nothing."""
    if not isinstance(tree, dict):
        return tree
    kept = {key: _pruned(value) for key, value in tree.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}


def _edit(text: str, path: KeyPath, value: str | None) -> _Edit | None:
    import yaml

    node, at = yaml.compose(text, Loader=yaml.SafeLoader), 0
    if node is None or _is_nothing(node):
        return _appended(text, path, value)
    parent = None
    while at < len(path) and isinstance(node, yaml.MappingNode):
        found = next(((key, item) for key, item in node.value if key.value == path[at]), None)
        if found is None:
            return _added(text, node, path[at:], value) if value is not None else None
        parent, (key, node), at = node, found, at + 1
    if at < len(path):
        if value is None:
            return None
        if not _is_nothing(node):
            return _Edit(0, 0, "")  # a value stands where a section is needed: the comparison refuses it
        return _below(text, key, path[at:], value)
    assert parent is not None
    return _replaced(text, node, value) if value is not None else _removed(text, parent, key, node)


def _is_nothing(node: Any) -> bool:
    return node.id == "scalar" and not node.value and node.style is None


def _appended(text: str, path: KeyPath, value: str | None) -> _Edit | None:
    """To a file without any value: at its end."""
    if value is None:
        return None
    gap = "" if not text or text.endswith("\n") else _break(text)
    return _Edit(len(text), len(text), gap + _block(path, value, 0, _break(text)))


def _below(text: str, key: Any, path: KeyPath, value: str) -> _Edit:
    """Into a section that has nothing in it yet."""
    end = _line_end(text, key.end_mark.index)
    block = _block(path, value, key.start_mark.column + _STEP, _break(text))
    return _at_line_end(text, end, block)


def _added(text: str, mapping: Any, path: KeyPath, value: str) -> _Edit:
    if mapping.flow_style:
        entry = f"{_key(path[0])}: {_nested(path[1:], value)}"
        if not mapping.value:
            return _Edit(mapping.start_mark.index + 1, mapping.start_mark.index + 1, entry)
        last = _end(mapping.value[-1][1], mapping.value[-1][0])
        return _Edit(last, last, f", {entry}")
    last_key, last = mapping.value[-1]
    end = _line_end(text, _end(last, last_key))
    return _at_line_end(text, end, _block(path, value, mapping.start_mark.column, _break(text)))


def _at_line_end(text: str, end: int, block: str) -> _Edit:
    is_last = end >= len(text)
    return _Edit(end, end, (_break(text) if is_last and not text.endswith("\n") else "") + block)


def _replaced(text: str, node: Any, value: str) -> _Edit:
    start, end = node.start_mark.index, _end(node, None)
    if node.id != "scalar" and not node.flow_style:
        # A block section or list begins on a line of its own: the value stands behind the key's colon instead.
        colon = text.rfind(":", 0, start)
        return _Edit(colon + 1, end, f" {value}")
    gap = "" if start and text[start - 1] in " \t\n" else " "
    after = _break(text) if text[start:end].endswith("\n") else ""  # a block scalar takes its last line's end along
    return _Edit(start, end, gap + value + after)


def _removed(text: str, parent: Any, key: Any, node: Any) -> _Edit:
    start, end = key.start_mark.index, max(_end(node, None), key.end_mark.index)
    if not parent.flow_style:
        first = text.rfind("\n", 0, start) + 1
        return _Edit(first if not text[first:start].strip() else start, _line_end(text, end), "")
    entries = [one for one, _ in parent.value]
    number = entries.index(key)
    if number + 1 < len(entries):
        return _Edit(start, entries[number + 1].start_mark.index, "")
    if number:
        before_key, before = parent.value[number - 1]
        return _Edit(_end(before, before_key), end, "")
    return _Edit(start, end, "")


def _end(node: Any, key: Any) -> int:
    """Behind the last character of the value: a block's own mark lies behind the comments that follow it."""
    if node.id != "scalar" and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1], last[0]) if isinstance(last, tuple) else _end(last, None)
    end: int = node.end_mark.index
    return max(end, key.end_mark.index) if key is not None else end


def _line_end(text: str, index: int) -> int:
    """The beginning of the line after the one that `index` is on; of a block scalar's end it is that already."""
    if index and text[index - 1 : index] == "\n":
        return index
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _block(path: KeyPath, value: str, column: int, line_break: str) -> str:
    lines = []
    for depth, part in enumerate(path):
        last = f" {value}" if depth == len(path) - 1 else ""
        lines.append(f"{' ' * (column + depth * _STEP)}{_key(part)}:{last}{line_break}")
    return "".join(lines)


def _nested(path: KeyPath, value: str) -> str:
    for part in reversed(path):
        value = f"{{{_key(part)}: {value}}}"
    return value


def _key(part: str) -> str:
    return write(part)


def _break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
