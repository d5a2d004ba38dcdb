"""Literal routes in Python code: decorators of FastAPI, Starlette and Flask, and Starlette's `Route`."""

import ast
import re
from collections.abc import Iterator

from equitr_coder.domain.frozen import frozen
from equitr_coder.orchestration.contracts.parsing import parsed

_VERBS = frozenset({"get", "post", "put", "delete", "patch", "options", "head", "trace"})
_PLACE = re.compile(r"\{[^{}]*\}|<[^<>]*>")
_MAKERS = {"APIRouter": "prefix", "Blueprint": "url_prefix"}


@frozen
class Route:
    method: str
    path: str
    """With `{}` for every parameter."""

    def answers(self, method: str, path: str) -> bool:
        """Where a router is mounted may stand in another file, so the path may have more in front."""
        if self.method not in (method, "*"):
            return False
        return path == self.path or (path.endswith(self.path) and self.path.startswith("/") and self.path != "/")


def read_routes(code: str) -> list[Route]:
    tree = parsed(code)
    if tree is None:
        return []
    prefixes = _prefixes(tree)
    found: list[Route] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    found += _decorated(decorator, prefixes)
        elif isinstance(node, ast.Call):
            found += _called(node, prefixes)
    return list(dict.fromkeys(found))


def _prefixes(tree: ast.Module) -> dict[str, str]:
    """Router variable -> what stands before its paths, as far as this file says."""
    own: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            word = _MAKERS.get(_last(node.value.func))
            if word is not None:
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        own[target.id] = _keyword(node.value, word)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last(node.func) in ("include_router", "register_blueprint") and node.args:
            word = "prefix" if _last(node.func) == "include_router" else "url_prefix"
            name = node.args[0]
            if isinstance(name, ast.Name) and name.id in own:
                own[name.id] = _keyword(node, word) + own[name.id]
    return own


def _decorated(call: ast.Call, prefixes: dict[str, str]) -> Iterator[Route]:
    if not isinstance(call.func, ast.Attribute):
        return
    owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    path = _path(call)
    if path is None:
        return
    whole = _shape(prefixes.get(owner, "") + path)
    if call.func.attr in _VERBS:
        yield Route(call.func.attr, whole)
    elif call.func.attr in ("route", "api_route"):
        for method in _methods(call) or ("get",):
            yield Route(method, whole)


def _called(call: ast.Call, prefixes: dict[str, str]) -> Iterator[Route]:
    """`Route("/x", handler, methods=[...])`, `app.add_url_rule("/x", ...)`, `app.add_api_route("/x", ...)`."""
    name = _last(call.func)
    if name not in ("Route", "add_url_rule", "add_api_route", "add_route"):
        return
    owner = call.func.value.id if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) else ""
    path = _path(call)
    if path is not None:
        given = _methods(call)
        for method in given or (("*",) if name == "Route" else ("get",)):
            yield Route(method, _shape(prefixes.get(owner, "") + path))


def _path(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else next((w.value for w in call.keywords if w.arg in ("path", "rule")), None)
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _methods(call: ast.Call) -> tuple[str, ...]:
    listed = next((word.value for word in call.keywords if word.arg == "methods"), None)
    if not isinstance(listed, ast.List | ast.Tuple | ast.Set):
        return ()
    return tuple(
        str(one.value).lower() for one in listed.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


def _keyword(call: ast.Call, name: str) -> str:
    value = next((word.value for word in call.keywords if word.arg == name), None)
    return value.value.rstrip("/") if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _shape(path: str) -> str:
    return _PLACE.sub("{}", path.rstrip("/")) or "/"


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
