"""Definitions and references of source files, by ast-grep, as a program: `python parse.py ROOT FILE...` prints one line
of JSON a file: its path, then names, line numbers and source lines of its definitions, then the identifiers it uses.

A program, so that a parser that hangs or falls takes nothing along, and so that two of them use two cores. It imports
nothing of ours. A file that cannot be read, or is no source text, has none of these.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ast_grep_py import SgNode

VERSION = 1
"""Of what is found in a file; another one makes everything be parsed anew."""
NO_PARSER = 3
"""Exit code where ast-grep-py cannot be imported."""
_LONGEST_TEXT = 160
_LONGEST_LINE = 20_000
"""A longer line is no code that somebody wrote."""
_SHORTEST_USE = 3
_IDENTIFIER = re.compile(r"[^\W\d][\w$]*[?!]?")


class Grammar(NamedTuple):
    """Node kinds of one language of ast-grep's. Read off the grammars' own trees with ast-grep-py 0.51.0."""

    definitions: tuple[str, ...]
    identifiers: tuple[str, ...]
    variables: tuple[tuple[str, str, str], ...] = ()
    """At the top of a file: the statement's kind, what stands in it, and the field that holds the name."""


_SCRIPT = Grammar(
    ("function_declaration", "generator_function_declaration", "class_declaration", "method_definition"),
    ("identifier", "property_identifier", "shorthand_property_identifier"),
    (("lexical_declaration", "variable_declarator", "name"), ("variable_declaration", "variable_declarator", "name")),
)
_TYPED_SCRIPT = Grammar(
    (
        *_SCRIPT.definitions, "abstract_class_declaration", "abstract_method_signature", "enum_declaration",
        "function_signature", "interface_declaration", "internal_module", "method_signature", "type_alias_declaration",
    ),
    (*_SCRIPT.identifiers, "type_identifier"),
    _SCRIPT.variables,
)  # fmt: skip
_C = Grammar(
    ("function_definition", "struct_specifier", "union_specifier", "enum_specifier", "type_definition", "preproc_def",
     "preproc_function_def"),
    ("identifier", "field_identifier", "type_identifier"),
)  # fmt: skip
_MOBILE = ("simple_identifier", "type_identifier")
_NAMED_BY_A_CHILD = frozenset({"class_declaration", "object_declaration", "function_declaration", "type_alias"})
"""In Kotlin's grammar, which has no field for it."""
GRAMMARS = {
    "python": Grammar(
        ("function_definition", "class_definition"), ("identifier",), (("expression_statement", "assignment", "left"),)
    ),
    "javascript": _SCRIPT,
    "typescript": _TYPED_SCRIPT,
    "tsx": _TYPED_SCRIPT,
    "java": Grammar(
        ("class_declaration", "interface_declaration", "enum_declaration", "record_declaration", "method_declaration",
         "constructor_declaration", "annotation_type_declaration"),
        ("identifier", "type_identifier"),
    ),
    "go": Grammar(
        ("function_declaration", "method_declaration", "type_spec"),
        ("identifier", "field_identifier", "type_identifier"),
        (("const_declaration", "const_spec", "name"), ("var_declaration", "var_spec", "name")),
    ),
    "rust": Grammar(
        ("function_item", "function_signature_item", "struct_item", "enum_item", "union_item", "trait_item",
         "type_item", "mod_item", "const_item", "static_item", "macro_definition"),
        ("identifier", "field_identifier", "type_identifier"),
    ),
    "c": _C,
    "cpp": Grammar(
        (*_C.definitions, "class_specifier", "alias_declaration", "namespace_definition"),
        (*_C.identifiers, "namespace_identifier"),
    ),
    "csharp": Grammar(
        ("class_declaration", "interface_declaration", "enum_declaration", "struct_declaration", "record_declaration",
         "delegate_declaration", "method_declaration", "constructor_declaration", "property_declaration"),
        ("identifier",),
    ),
    "ruby": Grammar(("module", "class", "method", "singleton_method"), ("identifier", "constant")),
    "php": Grammar(
        ("class_declaration", "interface_declaration", "trait_declaration", "enum_declaration", "function_definition",
         "method_declaration"),
        ("name",),
    ),
    "kotlin": Grammar(("class_declaration", "object_declaration", "function_declaration", "type_alias"), _MOBILE),
    "swift": Grammar(
        ("class_declaration", "protocol_declaration", "function_declaration", "protocol_function_declaration"),
        _MOBILE,
    ),
    "scala": Grammar(
        ("class_definition", "object_definition", "trait_definition", "function_definition", "function_declaration"),
        ("identifier", "type_identifier"),
    ),
    "lua": Grammar(("function_declaration",), ("identifier",)),
    "bash": Grammar(("function_definition",), ("command_name",)),
    "haskell": Grammar(
        ("function", "data_type", "newtype", "class", "type_synonym"), ("variable", "name", "constructor")
    ),
    "solidity": Grammar(
        ("contract_declaration", "interface_declaration", "library_declaration", "function_definition",
         "event_definition", "struct_declaration", "modifier_definition"),
        ("identifier",),
    ),
}  # fmt: skip
_SUFFIXES = {
    "python": "py pyi", "javascript": "js jsx mjs cjs", "typescript": "ts mts cts", "tsx": "tsx", "java": "java",
    "go": "go", "rust": "rs", "c": "c h", "cpp": "cc cpp cxx hh hpp hxx", "csharp": "cs", "ruby": "rb rake",
    "php": "php", "kotlin": "kt kts", "swift": "swift", "scala": "scala sc", "lua": "lua", "bash": "sh bash",
    "haskell": "hs", "solidity": "sol",
}  # fmt: skip
_LANGUAGES = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}


def language_of(path: str) -> str | None:
    """ast-grep's name of the language; None when it has no grammar for it, or we have no table."""
    return _LANGUAGES.get(path.rpartition(".")[2].lower()) if "." in path.rpartition("/")[2] else None


class Definition(NamedTuple):
    line: int
    """From 1."""
    name: str
    text: str
    """The source line, with its indentation."""


def outline(text: str, language: str) -> tuple[list[Definition], list[str]]:
    """Definitions in the order of their lines, and the identifiers the text uses, each once."""
    from ast_grep_py import SgRoot

    lines = text.split("\n")
    if max(map(len, lines)) > _LONGEST_LINE:
        return [], []
    grammar = GRAMMARS[language]
    root = SgRoot(text, language).root()
    found: dict[tuple[int, str], Definition] = {}
    for node, name in (*_defined(root, grammar), *_variables(root, grammar)):
        number = node.range().start.line
        key = (number, name)
        found.setdefault(key, Definition(number + 1, name, lines[number].rstrip()[:_LONGEST_TEXT]))
    used = {node.text() for node in _find(root, grammar.identifiers)}
    return [found[key] for key in sorted(found)], sorted(name for name in used if _is_telling(name))


def _find(root: "SgNode", kinds: tuple[str, ...]) -> "list[SgNode]":
    rule: Any = {"any": [{"kind": kind} for kind in kinds]} if len(kinds) > 1 else {"kind": kinds[0]}
    return root.find_all({"rule": rule})


def _is_telling(name: str) -> bool:
    return len(name) >= _SHORTEST_USE and not any(char.isspace() for char in name)


def _defined(root: "SgNode", grammar: Grammar) -> Iterator[tuple["SgNode", str]]:
    for node in _find(root, grammar.definitions):
        if node.kind().endswith("_specifier") and node.field("body") is None:
            continue  # in C, a use of the type
        name = _name(node, grammar)
        if name:
            yield node, name


def _name(node: "SgNode", grammar: Grammar) -> str | None:
    """The last identifier of what names it: `total` of `Order::total`."""
    found = node.field("name")
    if found is None:
        found = inner = node.field("declarator")
        while inner is not None:  # C wraps the name into what is done with it: `*f(int)`
            found, inner = inner, inner.field("declarator")
        if found is not None and (named := found.field("name")) is not None:
            found = named
    if found is None and node.kind() in _NAMED_BY_A_CHILD:
        found = next((child for child in node.children() if child.kind() in grammar.identifiers), None)
    words = _IDENTIFIER.findall(found.text()) if found is not None else []
    return words[-1] if words else None


def _variables(root: "SgNode", grammar: Grammar) -> Iterator[tuple["SgNode", str]]:
    if not grammar.variables:
        return
    for statement in root.children():
        inner = statement.field("declaration") if statement.kind() == "export_statement" else statement
        for kind, item, field in grammar.variables:
            if inner is None or inner.kind() != kind:
                continue
            for child in inner.children():
                name = child.field(field) if child.kind() == item else None
                if name is not None and name.kind() == "identifier":
                    yield child, name.text()


def main(arguments: list[str]) -> int:
    root, *paths = arguments
    try:
        import ast_grep_py  # noqa: F401 - whether it is there
    except ImportError:
        return NO_PARSER
    for path in paths:
        definitions, used = _outline_of(os.path.join(root, path), language_of(path))  # noqa: PTH118 - one of thousands
        row = [path, [d.name for d in definitions], [d.line for d in definitions], [d.text for d in definitions], used]
        sys.stdout.write(f"{json.dumps(row)}\n")  # ASCII alone, whatever is in it
        sys.stdout.flush()
    return 0


def _outline_of(path: str, language: str | None) -> tuple[list[Definition], list[str]]:
    if language is None:
        return [], []
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
            data = file.read()
    except OSError:
        return [], []
    if b"\0" in data[:8000]:
        return [], []
    return outline(data.decode("utf-8", "replace").removeprefix("\ufeff"), language)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
