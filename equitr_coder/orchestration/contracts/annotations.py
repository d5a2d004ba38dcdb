"""Type annotations compared as text can be: spellings of one type are equal, a few well-known wider types are known.

Types of the project are compared by name. Where one says nothing (`Any`, a type variable), nothing is held against it.
"""

import ast
from collections.abc import Mapping

from equitr_coder.orchestration.contracts.parsing import parsed_expression

_UNIONS = frozenset({"Union", "Optional"})
_SPELLINGS = {
    "List": "list",
    "Dict": "dict",
    "Set": "set",
    "FrozenSet": "frozenset",
    "Tuple": "tuple",
    "Type": "type",
    "Text": "str",
    "DefaultDict": "defaultdict",
    "NoneType": "None",
    "AbstractSet": "Set",
}
_ANYTHING = frozenset({"Any", "object", "Incomplete", "Unknown"})
_WIDER: Mapping[str, frozenset[str]] = {
    "bool": frozenset({"int", "float", "complex"}),
    "int": frozenset({"float", "complex"}),
    "float": frozenset({"complex"}),
    "list": frozenset({"Sequence", "MutableSequence", "Collection", "Iterable", "Container", "Reversible"}),
    "tuple": frozenset({"Sequence", "Collection", "Iterable", "Container", "Reversible"}),
    "str": frozenset({"Sequence", "Collection", "Iterable", "Hashable"}),
    "set": frozenset({"AbstractSet", "MutableSet", "Collection", "Iterable", "Container"}),
    "frozenset": frozenset({"AbstractSet", "Collection", "Iterable", "Container"}),
    "dict": frozenset({"Mapping", "MutableMapping", "Collection", "Iterable", "Container"}),
    "defaultdict": frozenset({"dict", "Mapping", "MutableMapping"}),
    "OrderedDict": frozenset({"dict", "Mapping", "MutableMapping"}),
    "Sequence": frozenset({"Collection", "Iterable", "Container", "Reversible"}),
    "MutableSequence": frozenset({"Sequence", "Collection", "Iterable"}),
    "Mapping": frozenset({"Collection", "Iterable", "Container"}),
    "MutableMapping": frozenset({"Mapping", "Collection", "Iterable"}),
    "Collection": frozenset({"Iterable", "Container"}),
    "Generator": frozenset({"Iterator", "Iterable"}),
    "Iterator": frozenset({"Iterable"}),
    "AsyncGenerator": frozenset({"AsyncIterator", "AsyncIterable"}),
    "AsyncIterator": frozenset({"AsyncIterable"}),
    "Coroutine": frozenset({"Awaitable"}),
    "datetime": frozenset({"date"}),
    "NoReturn": frozenset({"None"}),
    "Never": frozenset({"None"}),
    "LiteralString": frozenset({"str"}),
}
_TRANSPARENT = frozenset({"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly"})

Aliases = Mapping[str, ast.expr]
Parents = Mapping[str, frozenset[str]]
"""Class -> its bases by name, directly and through others, as far as the files tell."""


def spelled(annotation: ast.expr | None, aliases: Aliases | None = None) -> str:
    """The type in one spelling, for people and for comparing; empty when there is none."""
    if annotation is None:
        return ""
    return " | ".join(sorted(_members(annotation, aliases or {}, 0), key=lambda name: (name == "None", name)))


def accepts(wide: str, narrow: str, parents: Parents | None = None) -> bool:
    """Whether every value of `narrow` is one of `wide`, as far as the spellings tell; both come from `spelled`."""
    if not wide or not narrow or wide == narrow:
        return True
    wides, narrows = split(wide, " | "), split(narrow, " | ")
    return all(any(_takes(one, other, parents or {}) for one in wides) for other in narrows)


def _takes(wide: str, narrow: str, parents: Parents) -> bool:
    if wide == narrow or {wide, narrow} & _ANYTHING or _is_variable(wide) or _is_variable(narrow):
        return True
    wide_name, wide_inner = _parts(wide)
    narrow_name, narrow_inner = _parts(narrow)
    if wide_name == "Literal" or narrow_name == "Literal":
        return _literals(wide_name, wide_inner, narrow_name, narrow_inner)
    if wide_name != narrow_name:
        above = _WIDER.get(narrow_name, frozenset()) | parents.get(narrow_name, frozenset())
        if wide_name not in above:
            return False
    if not wide_inner or not narrow_inner or wide_name == "Callable":
        return True
    pairs = zip(wide_inner, narrow_inner, strict=False)
    return all(one == "..." or other == "..." or accepts(one, other, parents) for one, other in pairs)


def _literals(wide_name: str, wide: list[str], narrow_name: str, narrow: list[str]) -> bool:
    if wide_name == narrow_name:
        return set(narrow) <= set(wide)
    if wide_name == "Literal":
        return False
    kinds = {"str": ("'", '"'), "int": tuple("-0123456789"), "bool": ("True", "False"), "bytes": ("b'",)}
    return all(value.startswith(kinds.get(wide_name, ())) for value in narrow) and wide_name in kinds


def _is_variable(name: str) -> bool:
    """`T`, `T_co`, `KT`: a type variable by custom."""
    stem = name.removesuffix("_co").removesuffix("_contra")
    return len(stem) <= 2 and stem.isupper() and stem.isalpha()


def _parts(name: str) -> tuple[str, list[str]]:
    if not name.endswith("]") or "[" not in name:
        return name, []
    head, _, rest = name.partition("[")
    return head, split(rest[:-1], ", ")


def split(text: str, mark: str) -> list[str]:
    """At `mark` outside of brackets and quotes."""
    parts, depth, quote, start, index = [], 0, "", 0, 0
    while index < len(text):
        letter = text[index]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[(":
            depth += 1
        elif letter in "])":
            depth -= 1
        elif depth == 0 and text.startswith(mark, index):
            parts.append(text[start:index])
            index += len(mark)
            start = index
            continue
        index += 1
    return [*parts, text[start:]]


def _members(node: ast.expr, aliases: Aliases, depth: int) -> set[str]:
    """The alternatives of a union, each in one spelling."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        inner = parsed_expression(node.value)
        return _members(inner, aliases, depth) if inner is not None else {node.value}
    if isinstance(node, ast.Constant):
        return {"None" if node.value is None else "..." if node.value is Ellipsis else repr(node.value)}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _members(node.left, aliases, depth) | _members(node.right, aliases, depth)
    if isinstance(node, ast.Subscript):
        return _subscript(node, aliases, depth)
    if isinstance(node, ast.List):
        return {"[" + ", ".join(_one(item, aliases, depth) for item in node.elts) + "]"}
    name = _name(node)
    if name in aliases and depth < 8:
        return _members(aliases[name], aliases, depth + 1)
    return {_SPELLINGS.get(name, name)}


def _subscript(node: ast.Subscript, aliases: Aliases, depth: int) -> set[str]:
    head = _name(node.value)
    items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if head in _UNIONS:
        found = {member for item in items for member in _members(item, aliases, depth)}
        return found | ({"None"} if head == "Optional" else set())
    if head in _TRANSPARENT:
        return _members(items[0], aliases, depth)
    if head == "Literal":
        return {f"Literal[{', '.join(sorted(ast.unparse(item) for item in items))}]"}
    [plain] = _members(node.value, aliases, depth) if head in aliases else [_SPELLINGS.get(head, head)]
    inner = ", ".join(_one(item, aliases, depth) for item in items)
    if plain in ("Generator", "AsyncGenerator", "Coroutine") and items:
        # What is sent in does not concern who reads; compared with `Iterator[X]` and `Awaitable[X]`.
        inner = _one(items[-1 if plain == "Coroutine" else 0], aliases, depth)
    return {f"{plain}[{inner}]"}


def _one(node: ast.expr, aliases: Aliases, depth: int) -> str:
    return " | ".join(sorted(_members(node, aliases, depth), key=lambda name: (name == "None", name)))


def _name(node: ast.expr) -> str:
    """The last part: `models.Order` and `Order` are the same to whoever reads a contract."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)
