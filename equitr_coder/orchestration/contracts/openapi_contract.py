"""An OpenAPI document against the one in the files or, where there is none, against the literal routes of the code.

Promised paths, methods, parameters, response codes and schema fields must be there. Names of path parameters are the
server's own business.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from equitr_coder.orchestration.contracts.findings import Finding, finding, unchecked
from equitr_coder.orchestration.contracts.recognition import OpenApi, is_openapi, load
from equitr_coder.orchestration.contracts.routes import Route, read_routes
from equitr_coder.orchestration.contracts.schemas import Direction, Side, compare_schemas
from equitr_coder.orchestration.contracts.sources import Sources

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_MOST_FILES = 200
_DATA = (".json", ".yaml", ".yml")
_PLACE = re.compile(r"\{[^{}]*\}")


def compare_openapi(contract: OpenApi, sources: Sources) -> Finding:
    found = _real(contract, sources)
    if found is not None:
        path, document = found
        differences = (f"{path}: {text}" for text in _documents(contract.document, document))
        return finding(differences, compared=f"the OpenAPI document {path}")
    if contract.file and contract.file.endswith(_DATA):
        return finding([f"{contract.file} is not among the files"], compared="")
    code = [path for path in sources.changed if path.endswith(".py")]
    routes: list[Route] = []
    for path in code:
        text = sources.text(path)
        routes += read_routes(text) if text is not None else []
    if not routes:
        return unchecked("no OpenAPI document and no literal routes are among the files")
    missing = _missing_routes(contract.document, routes)
    return finding(missing, compared=f"the routes in {', '.join(code)}, not what they take and answer")


def _real(contract: OpenApi, sources: Sources) -> tuple[str, Mapping[str, Any]] | None:
    named = sources.named(contract.file)[:1] if contract.file else ()
    own = tuple(path for path in sources.changed if path.endswith(_DATA))
    others = sorted(path for path in sources.paths if path.endswith(_DATA) and path not in own)
    title = _title(contract.document)
    found: list[tuple[str, Mapping[str, Any]]] = []
    for path in named or (*own, *others[:_MOST_FILES]):
        text = sources.text(path)
        document = load(text) if text is not None else None
        if isinstance(document, Mapping) and is_openapi(document):
            found.append((path, document))
    same = [one for one in found if title and _title(one[1]) == title]
    return (same or found)[0] if same or found else None


def _title(document: Mapping[str, Any]) -> str:
    info = document.get("info")
    return str(info.get("title", "")) if isinstance(info, Mapping) else ""


def _shape(path: str) -> str:
    return _PLACE.sub("{}", path.rstrip("/")) or "/"


def _documents(promised: Mapping[str, Any], real: Mapping[str, Any]) -> Iterator[str]:
    there = {_shape(str(path)): item for path, item in (real.get("paths") or {}).items()}
    for path, item in (promised.get("paths") or {}).items():
        have = there.get(_shape(str(path)))
        if not isinstance(item, Mapping):
            continue
        if not isinstance(have, Mapping):
            yield f"{path} is missing"
            continue
        for method in _METHODS:
            if method not in item:
                continue
            label = f"{method.upper()} {path}"
            if not isinstance(have.get(method), Mapping):
                yield f"{label} is missing"
                continue
            yield from _operation(label, promised, item, real, have, method)
    schemas, others = _schemas(promised), _schemas(real)
    for name, schema in schemas.items():
        if name in others:
            sides = Side(schema, promised), Side(others[name], real)
            yield from compare_schemas(*sides, where=name, direction=_direction(name, promised))
        elif not _is_used(name, promised):
            yield f"schema {name} is missing"


def _schemas(document: Mapping[str, Any]) -> Mapping[str, Any]:
    components = document.get("components")
    found = components.get("schemas") if isinstance(components, Mapping) else document.get("definitions")
    return found if isinstance(found, Mapping) else {}


def _is_used(name: str, document: Mapping[str, Any]) -> bool:
    """Used schemas are compared where they are used, whatever they are called there."""
    return _mentions(name, document)


def _direction(name: str, document: Mapping[str, Any]) -> Direction:
    """Of a named schema: what is only read may say more, what is only written may take more."""
    written = read = False
    for item in (document.get("paths") or {}).values():
        for method in _METHODS:
            operation = item.get(method) if isinstance(item, Mapping) else None
            if isinstance(operation, Mapping):
                written = written or _mentions(name, [operation.get("requestBody"), operation.get("parameters")])
                read = read or _mentions(name, operation.get("responses"))
    return "both" if written == read else "written" if written else "read"


def _mentions(name: str, part: Any) -> bool:
    return f"/{name}'" in str(part)


def _operation(
    label: str,
    promised: Mapping[str, Any],
    item: Mapping[str, Any],
    real: Mapping[str, Any],
    have: Mapping[str, Any],
    method: str,
) -> Iterator[str]:
    wanted, there = item[method], have[method]
    yield from _parameters(
        label, _all_parameters(promised, item, method), _all_parameters(real, have, method), promised, real
    )
    yield from _body(
        label, _followed(promised, wanted.get("requestBody")), _followed(real, there.get("requestBody")), promised, real
    )
    answers = {str(code): answer for code, answer in (there.get("responses") or {}).items()}
    for code, answer in (wanted.get("responses") or {}).items():
        found = answers.get(str(code)) or answers.get(f"{str(code)[:1]}XX") or answers.get("default")
        if found is None:
            yield f"{label} has no response {code}"
            continue
        yield from _contents(
            f"{label} {code}", _followed(promised, answer), _followed(real, found), promised, real, "read"
        )


def _followed(document: Mapping[str, Any], part: Any) -> Mapping[str, Any]:
    """A part of a document, behind its reference."""
    for _ in range(8):
        if not isinstance(part, Mapping) or "$ref" not in part:
            break
        current: Any = document
        for key in str(part["$ref"]).removeprefix("#/").split("/"):
            current = current.get(key) if isinstance(current, Mapping) else None
        part = current
    return part if isinstance(part, Mapping) else {}


def _all_parameters(
    document: Mapping[str, Any], item: Mapping[str, Any], method: str
) -> dict[tuple[str, str], Mapping[str, Any]]:
    listed = [*(item.get("parameters") or []), *(item[method].get("parameters") or [])]
    found = [_followed(document, one) for one in listed]
    return {(str(one.get("in")), str(one.get("name"))): one for one in found if one.get("in") != "path"}


def _parameters(
    label: str,
    wanted: Mapping[tuple[str, str], Mapping[str, Any]],
    there: Mapping[tuple[str, str], Mapping[str, Any]],
    promised: Mapping[str, Any],
    real: Mapping[str, Any],
) -> Iterator[str]:
    for (kind, name), parameter in wanted.items():
        have = there.get((kind, name))
        if have is None:
            yield f"{label} has no {kind} parameter {name}"
            continue
        if have.get("required") and not parameter.get("required"):
            yield f"{label} needs the {kind} parameter {name}, the contract lets it be left out"
        sides = Side(parameter.get("schema", {}), promised), Side(have.get("schema", {}), real)
        yield from compare_schemas(*sides, where=f"{label} {name}", direction="written")
    for (kind, name), parameter in there.items():
        if (kind, name) not in wanted and parameter.get("required"):
            yield f"{label} needs the {kind} parameter {name}, which the contract does not name"


def _body(
    label: str,
    wanted: Mapping[str, Any],
    there: Mapping[str, Any],
    promised: Mapping[str, Any],
    real: Mapping[str, Any],
) -> Iterator[str]:
    if there.get("required") and not wanted.get("required"):
        yield f"{label} needs a body, the contract {'lets it be left out' if wanted else 'gives none'}"
    if wanted and not there:
        yield f"{label} takes no body"
        return
    yield from _contents(label, wanted, there, promised, real, "written")


def _contents(
    label: str,
    wanted: Mapping[str, Any],
    there: Mapping[str, Any],
    promised: Mapping[str, Any],
    real: Mapping[str, Any],
    direction: Direction,
) -> Iterator[str]:
    have = _media(there)
    for kind, media in _media(wanted).items():
        found = have.get(kind) or have.get("*/*")
        if not isinstance(found, Mapping):
            yield f"{label} has no {kind}"
            continue
        sides = Side((media or {}).get("schema", {}), promised), Side(found.get("schema", {}), real)
        yield from compare_schemas(*sides, where=label, direction=direction)


def _media(part: Mapping[str, Any]) -> Mapping[str, Any]:
    content = part.get("content")
    if isinstance(content, Mapping):
        return content
    return {"application/json": {"schema": part["schema"]}} if "schema" in part else {}


def _missing_routes(promised: Mapping[str, Any], routes: list[Route]) -> Iterator[str]:
    for path, item in (promised.get("paths") or {}).items():
        for method in _METHODS:
            if not isinstance(item, Mapping) or method not in item:
                continue
            wanted = _shape(str(path))
            if not any(route.answers(method, wanted) for route in routes):
                yield f"{method.upper()} {path} is no route of the code"
