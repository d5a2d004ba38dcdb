"""The named parts of a Python file, and which of them a change touches. Pure.

A part is named as footprints name it: `Order`, `Order.total`, `LIMIT`. Imports and `__all__` belong to nobody: both
sides may add to them. Code that has no name counts as `(module code)`. Comments between parts are not looked at.
"""

import ast
from collections.abc import Iterator, Sequence

MODULE = "(module code)"
_SHARED = frozenset({"__all__"})
_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def can_be_read(path: str) -> bool:
    """Whether the parts of this file can be told apart."""
    return path.endswith((".py", ".pyi"))


def changed_symbols(before: bytes | None, after: bytes | None) -> tuple[str, ...] | None:
    """Names whose text differs, appears or goes; None when one of the versions is no readable Python."""
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        return None
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def _parts(source: bytes | None) -> dict[str, str] | None:
    if source is None:
        return {}
    try:
        text = source.decode("utf-8-sig")
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    found: dict[str, str] = {}
    lines = text.splitlines()
    for name, part in _named(tree.body, lines, ""):
        found[name] = f"{found[name]}\n{part}" if name in found else part
    return found


def _named(body: Sequence[ast.stmt], lines: Sequence[str], prefix: str) -> Iterator[tuple[str, str]]:
    """Each part with its text; a class is its head, and each of its members for itself."""
    for statement in body:
        if _is_shared(statement):
            continue
        if isinstance(statement, ast.ClassDef):
            name = f"{prefix}{statement.name}"
            members = statement.body
            yield name, _text(lines, _start(statement), min(map(_start, members)) - 1)
            yield from _named(members, lines, f"{name}.")
            continue
        text = _text(lines, _start(statement), statement.end_lineno or statement.lineno)
        for name in _names(statement) or [""]:
            yield f"{prefix}{name}" if name else prefix.rstrip(".") or MODULE, text


def _is_shared(statement: ast.stmt) -> bool:
    if isinstance(statement, _IMPORTS):
        return True
    if isinstance(statement, ast.If):  # `if TYPE_CHECKING:`
        return all(isinstance(inner, _IMPORTS) for inner in (*statement.body, *statement.orelse))
    names = _names(statement)
    return bool(names) and set(names) <= _SHARED


def _names(statement: ast.stmt) -> list[str]:
    """What a statement defines here, itself or in the branches it has."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Assign():
            return [name for target in statement.targets for name in _targets(target)]
        case ast.AnnAssign() | ast.AugAssign():
            return _targets(statement.target)
        case _:
            inner = (part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt | ast.excepthandler))
            return [name for part in inner for name in _names_within(part)]


def _names_within(part: ast.AST) -> list[str]:
    if isinstance(part, ast.stmt):
        return _names(part)
    return [name for inner in ast.iter_child_nodes(part) if isinstance(inner, ast.stmt) for name in _names(inner)]


def _targets(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _start(statement: ast.stmt) -> int:
    if isinstance(statement, _DEFINITIONS):
        return min([statement.lineno, *(decorator.lineno for decorator in statement.decorator_list)])
    return statement.lineno


def _text(lines: Sequence[str], first: int, last: int) -> str:
    return "\n".join(lines[first - 1 : max(first, last)])
