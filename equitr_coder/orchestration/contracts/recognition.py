"""What an artifact's content is: a Python stub, a test module, a JSON Schema, an OpenAPI document, or words."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from equitr_coder.domain.frozen import frozen
from equitr_coder.orchestration.contracts.parsing import parsed

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^\s*(?:#|//)\s*(?:file:\s*|path:\s*)?`?([\w@./-]+\.\w+)`?\s*:?\s*$", re.IGNORECASE)
_HEADING = re.compile(r"^(?:#+\s*|\*\*)?`?([\w@./-]+\.(?:pyi?|json|ya?ml))`?(?:\*\*)?\s*:?\s*$")
_BARE_DEF = re.compile(r"^(\s*(?:async\s+)?def\s[^\n]*\)(?:\s*->\s*[^:\n#]+(?:\[[^\n]*\])?)?)\s*(#[^\n]*)?$")
_LARGEST_YAML = 300_000
"""Characters; reading more would hold up everybody else (lock files are YAML too)."""
_SCHEMA_WORDS = frozenset({"properties", "$ref", "enum", "items", "oneOf", "anyOf", "allOf", "const", "required"})
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


@frozen
class PythonStub:
    sections: tuple[tuple[str, str], ...]
    """File (empty when none is named) and code, in order."""


@frozen
class PromisedTests:
    file: str
    """Where it belongs; empty when it does not say."""
    code: str
    is_unittest: bool


@frozen
class JsonSchema:
    file: str
    schema: Mapping[str, Any]


@frozen
class OpenApi:
    file: str
    document: Mapping[str, Any]


Contract = PythonStub | PromisedTests | JsonSchema | OpenApi


def recognise(content: str) -> Contract | None:
    """None for words, and for languages that nobody here can compare."""
    blocks = _blocks(content)
    for file, text in blocks:
        document = load(text)
        if isinstance(document, Mapping):
            if is_openapi(document):
                return OpenApi(file, document)
            if is_schema(document):
                return JsonSchema(file, document)
    found = ((file, _as_python(text, is_named=file.endswith((".py", ".pyi")))) for file, text in blocks)
    sections = tuple((file, code) for file, code in found if code is not None)
    if not sections:
        return None
    for file, code in sections:
        tests = _test_style(code)
        if tests is not None:
            return PromisedTests(file if file.endswith(".py") else "", code, tests == "unittest")
    return PythonStub(sections)


def named_file(text: str) -> str:
    """The file that a first-line comment names; empty when there is none."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = _FILE.match(first)
    return found[1] if found else ""


def load(text: str) -> Any:
    """JSON or YAML; None when it is neither."""
    stripped = text.strip()
    if stripped.startswith(("{", "[")):
        try:
            return json.loads(stripped)
        except ValueError:
            pass
    if len(text) > _LARGEST_YAML or not re.search(
        r"^\s*[\"']?(?:openapi|swagger|\$schema|\$id|type|title|properties|paths)[\"']?\s*:", text, re.M
    ):
        return None
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None


def is_openapi(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("paths"), Mapping) and bool({"openapi", "swagger", "info"} & set(document))


def is_schema(document: Mapping[str, Any]) -> bool:
    if "$schema" in document and "json-schema.org" in str(document["$schema"]):
        return True
    kind = document.get("type")
    has_type = kind in _TYPES if isinstance(kind, str) else isinstance(kind, list) and set(kind) <= _TYPES
    return (has_type and bool(_SCHEMA_WORDS & set(document))) or isinstance(document.get("$defs"), Mapping)


def _blocks(content: str) -> list[tuple[str, str]]:
    """Fenced code with the file that a line before or its first line names; else everything, split at such lines."""
    fenced: list[tuple[str, str]] = []
    position = 0
    for found in _FENCE.finditer(content):
        before = [line.strip() for line in content[position : found.start()].splitlines() if line.strip()]
        heading = _HEADING.match(before[-1]) if before else None
        for file, text in _split_at_files(found[3]):
            fenced.append((file or (heading[1] if heading else ""), text))
        position = found.end()
    return fenced or _split_at_files(content)


def _split_at_files(text: str) -> list[tuple[str, str]]:
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        found = _FILE.match(line) if not line.startswith((" ", "\t")) else None
        if found:
            parts.append((found[1], []))
        else:
            parts[-1][1].append(line)
    return [(file, "\n".join(lines) + "\n") for file, lines in parts if "\n".join(lines).strip()]


def _as_python(text: str, *, is_named: bool) -> str | None:
    """The code when it defines something; signatures without bodies get one. Names alone (`status: pending` is Python
    too) count only where a Python file is named.
    """
    wanted: tuple[type[ast.stmt], ...] = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if is_named:
        wanted = (*wanted, ast.AnnAssign, ast.Assign)
    for code in (text, _with_bodies(text)):
        tree = parsed(code)
        if tree is None:
            continue
        return code if any(isinstance(node, wanted) for node in tree.body) else None
    return None


def _with_bodies(text: str) -> str:
    lines = text.splitlines()
    made: list[str] = []
    for index, line in enumerate(lines):
        bare = _BARE_DEF.match(line)
        if bare:
            made.append(f"{bare[1]}: ...")
            continue
        if re.match(r"\s*(?:async\s+def|def|class)\s.*:\s*$", line):
            following = next((later for later in lines[index + 1 :] if later.strip()), "")
            if _indent(following) <= _indent(line):
                made.append(f"{line.rstrip()} ...")
                continue
        elif re.match(r"\s*class\s+\w+(?:\(.*\))?\s*$", line):
            following = next((later for later in lines[index + 1 :] if later.strip()), "")
            has_body = _indent(following) > _indent(line)
            made.append(f"{line.rstrip()}:" if has_body else f"{line.rstrip()}: ...")
            continue
        made.append(line)
    return "\n".join(made) + "\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else 0


def _test_style(code: str) -> str | None:
    tree = parsed(code)
    if tree is None:
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            return "pytest"
        if isinstance(node, ast.ClassDef):
            tests = [
                inner
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name.startswith("test")
            ]
            if not tests:
                continue
            if any(ast.unparse(base).endswith("TestCase") for base in node.bases):
                return "unittest" if not _uses_pytest(tree) else "pytest"
            if node.name.startswith("Test"):
                return "pytest"
    return None


def _uses_pytest(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Import) and any(item.name.partition(".")[0] == "pytest" for item in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pytest")
        for node in ast.walk(tree)
    )
