"""What the host publishes in a producer's place: what landed really offers, as signatures, documents or names."""

import ast
import re
from collections.abc import Mapping

from equitr_coder.domain.epic import ArtifactType
from equitr_coder.orchestration.contracts.parsing import parsed
from equitr_coder.orchestration.contracts.recognition import is_openapi, is_schema, load
from equitr_coder.orchestration.contracts.sources import Sources

_MOST = 60_000
"""Characters of what is published."""
_FILES = 30
_EMPTY_BODY = re.compile(r":\n[ \t]+\.\.\.$", re.MULTILINE)
_DATA = (".json", ".yaml", ".yml")


def extracted(kind: ArtifactType, sources: Sources) -> str:
    """Never empty. Signatures of changed Python files, or changed schemas and API documents; else the names of what
    was changed: who reads them has the landed files.
    """
    paths = sources.changed
    stubs = _stubs(sources)
    documents = _documents(sources)
    first, second = (documents, stubs) if kind is ArtifactType.SCHEMAS else (stubs, documents)
    found = first or second
    if found:
        return _joined(found)
    if not paths:
        return "Nothing was changed for this: what was promised was there before."
    listed = "\n".join(f"- {path}" for path in paths[:_FILES])
    more = f"\n- and {len(paths) - _FILES} more" if len(paths) > _FILES else ""
    return f"Changed files:\n{listed}{more}\n"


def _joined(parts: Mapping[str, str]) -> str:
    whole, left = [], _MOST
    for path, text in parts.items():
        part = f"# {path}\n{text.strip()}\n"
        if len(part) > left:
            continue  # a part that is cut would be no Python and no JSON any more
        whole.append(part)
        left -= len(part)
    return "\n".join(whole) or f"Changed files:\n{chr(10).join(f'- {path}' for path in parts)}\n"


def _stubs(sources: Sources) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sources.changed:
        name = path.rpartition("/")[2]
        if not path.endswith(".py") or name.startswith("test_") or name in ("conftest.py", "setup.py"):
            continue
        text = sources.text(path)
        if text is not None and (stub := stub_of(text)):
            found[path] = stub
    return found


def _documents(sources: Sources) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sources.changed:
        text = sources.text(path) if path.endswith(_DATA) else None
        document = load(text) if text is not None else None
        if text is not None and isinstance(document, Mapping) and (is_openapi(document) or is_schema(document)):
            found[path] = text
    return found


def stub_of(code: str) -> str:
    """Public names with their signatures, bodies as `...`; empty when there are none, or when it is no Python."""
    tree = parsed(code)
    if tree is None:
        return ""
    kept = [stub for node in tree.body if (stub := _kept(node, in_class=False)) is not None]
    try:
        text = ast.unparse(ast.fix_missing_locations(ast.Module(kept, []))) if kept else ""
    except RecursionError:
        return ""
    return _EMPTY_BODY.sub(": ...", text)


def _kept(node: ast.stmt, *, in_class: bool) -> ast.stmt | None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            if not _is_public(node.name, in_class=in_class) or _is_setter(node):
                return None
            node.body = [ast.Expr(ast.Constant(Ellipsis))]
            return node
        case ast.ClassDef():
            if node.name.startswith("_"):
                return None
            body = [stub for inner in node.body if (stub := _kept(inner, in_class=True)) is not None]
            node.body = body or [ast.Expr(ast.Constant(Ellipsis))]
            return node
        case ast.AnnAssign(target=ast.Name(id=name)):
            return node if not name.startswith("_") else None
        case ast.Assign(targets=[ast.Name(id=name)]):
            is_shown = in_class or name.isupper() or isinstance(node.value, ast.Subscript)
            return node if is_shown and not name.startswith("_") and len(ast.unparse(node)) <= 200 else None
        case _:
            return None


def _is_public(name: str, *, in_class: bool) -> bool:
    return not name.startswith("_") or (in_class and name.startswith("__") and name.endswith("__"))


def _is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr in ("setter", "deleter") for one in node.decorator_list)
