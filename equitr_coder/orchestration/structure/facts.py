"""What a Python file says, statement by statement: the measure a structural merge is held to."""

import ast
from collections.abc import Mapping, Sequence

from equitr_coder.orchestration.structure.order import pick
from equitr_coder.orchestration.structure.source import COMPOUND, Key, key_of, literal_of, names_of

Facts = Mapping[Key, str]


def facts_of(statements: Sequence[ast.stmt], place: Key = ()) -> dict[Key, str] | None:
    """Every import, definition, element and other statement, with what it says; None when one stands twice."""
    found: dict[Key, str] = {}
    for number, node in enumerate(statements):
        told = _told(node, place, is_first=number == 0)
        if told is None or len(told) + len(found) != len(told.keys() | found.keys()):
            return None
        found |= told
    return found


def merged_facts(base: Facts, ours: Facts, theirs: Facts) -> dict[Key, str] | None:
    """What a merge must say: each fact as the side that changed it has it; None when both changed one differently."""
    merged: dict[Key, str] = {}
    for key in {**ours, **theirs}:
        settled, said = pick(base.get(key), ours.get(key), theirs.get(key))
        if not settled:
            return None
        if said is not None:
            merged[key] = said
    return merged


def uses_what_is_gone(base: Sequence[ast.stmt], taken_from: Sequence[ast.stmt], changed: Sequence[ast.stmt]) -> bool:
    """Whether what one side wrote anew uses a name that the other took away: an import, a function, a constant."""
    gone = _bound(base) - _bound(taken_from)
    if not gone:
        return False
    before = {ast.dump(node) for node in base}
    fresh = [node for node in changed if ast.dump(node) not in before]
    used = {inner.id for node in fresh for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return bool(gone & used)


def _bound(statements: Sequence[ast.stmt]) -> set[str]:
    return {name for node in statements for name, _ in names_of(node)}


def is_each_name_bound_once(statements: Sequence[ast.stmt]) -> bool:
    bound: dict[str, str] = {}
    for node in statements:
        for name, by in names_of(node):
            if name in bound and not (by and bound[name] == by):
                return False
            bound[name] = by
    return True


def _told(node: ast.stmt, place: Key, *, is_first: bool) -> dict[Key, str] | None:
    key = (*place, *key_of(node, is_first=is_first))
    if isinstance(node, ast.Import | ast.ImportFrom):
        where = key[: len(place) + (1 if isinstance(node, ast.Import) else 3)]
        names = [(*where, alias.name, alias.asname or "") for alias in node.names]
        return dict.fromkeys(names, "") if len(set(names)) == len(names) else None
    if isinstance(node, COMPOUND) and not (isinstance(node, ast.If) and node.orelse):
        inner = facts_of(node.body, key)
        return None if inner is None else {key: _head(node)} | inner
    literal = literal_of(node)
    if literal is not None:
        return _elements(literal, node, key)
    return {key: ast.dump(node)}


def _head(node: ast.stmt) -> str:
    if not isinstance(node, ast.ClassDef):
        return ""
    parts: list[ast.AST] = [*node.decorator_list, *node.bases, *node.keywords]
    return " ".join(ast.dump(part) for part in parts)


def _elements(literal: ast.expr, node: ast.stmt, key: Key) -> dict[Key, str] | None:
    annotation = ast.dump(node.annotation) if isinstance(node, ast.AnnAssign) else ""
    found: dict[Key, str] = {key: f"{type(literal).__name__} {annotation}"}
    if isinstance(literal, ast.Dict):
        for name, value in zip(literal.keys, literal.values, strict=True):
            element = (*key, "element", ast.dump(name) if name is not None else f"**{ast.dump(value)}")
            if element in found:
                return None
            found[element] = ast.dump(value)
    elif isinstance(literal, ast.List | ast.Tuple | ast.Set):
        for each in literal.elts:
            element = (*key, "element", ast.dump(each))
            if element in found:
                return None
            found[element] = ""
    return found
