"""Definitions and references of source files, as a program: `python parse.py BUFFER ROOT FILE...` writes one record a
file (`packed`), after at least BUFFER bytes of them.

ast-grep finds them. Of Python, tokens alone tell the same in a third of the time; where they might not, ast-grep
does.

A program, so that a parser that hangs or falls takes nothing along, and so that two of them use two cores. It imports
nothing of ours. A file that cannot be read, or is no source text, has none of these.
"""

import keyword
import os
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ast_grep_py import SgNode

VERSION = 2
"""Of what is found in a file; another one makes everything be parsed anew."""
NO_PARSER = 3
"""Exit code where ast-grep-py cannot be imported."""
_LONGEST_TEXT = 160
_LONGEST_LINE = 20_000
"""A longer line is no code that somebody wrote."""
_SHORTEST_USE = 3
_IDENTIFIER = re.compile(r"[^\W\d][\w$]*[?!]?")
HEADER = struct.Struct("!4I")
"""Of a record: how many bytes of path, names, uses and places follow."""


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


Found = tuple[list[Definition], list[str]]


def outline(text: str, language: str) -> Found:
    """Definitions in the order of their lines, and the identifiers the text uses, each once."""
    lines = text.split("\n")
    if max(map(len, lines)) > _LONGEST_LINE:
        return [], []
    found = scanned(text, lines) if language == "python" else None
    return found or parsed(text, lines, language)


def parsed(text: str, lines: list[str], language: str) -> Found:
    """By ast-grep. `lines` are those of `text`."""
    from ast_grep_py import SgRoot

    grammar = GRAMMARS[language]
    root = SgRoot(text, language).root()
    found: dict[tuple[int, str], Definition] = {}
    for node, name in (*_defined(root, grammar), *_variables(root, grammar)):
        number = node.range().start.line
        found.setdefault((number, name), _definition(number, name, lines))
    used = {node.text() for node in _find(root, grammar.identifiers)}
    return [found[key] for key in sorted(found)], sorted(name for name in used if _is_telling(name))


def _definition(number: int, name: str, lines: list[str]) -> Definition:
    return Definition(number + 1, name, lines[number].rstrip()[:_LONGEST_TEXT])


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


# ---------------------------------------------------------------- Python, by its tokens

_OPAQUE = re.compile(
    "|".join(
        (
            r"#[^\n]*",
            r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""',
            r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''",
            r'"(?!"")[^"\\\n]*(?:\\.[^"\\\n]*)*"',
            r"'(?!'')[^'\\\n]*(?:\\.[^'\\\n]*)*'",
            "\"|'",
        )
    ),
    re.DOTALL,
)
"""Comments and strings, or a quote that no string closes. Each begins with a character of its own: `re` then looks for
these alone.
"""
_PREFIX = re.compile(r"[ft]r?\Z", re.IGNORECASE)
_HOLE = re.compile(r"\{\{|\}\}|\{((?:[^{}]|\{[^{}]*\})*)\}")
_NAMED = re.compile(
    r"^[ \t\f]*(?:async[ \t]+)?(?:def|class)[ \t]+([^\W\d]\w*)|^([^\W\d]\w*)[ \t]*(?::(?!=)|=(?!=))", re.MULTILINE
)
_USED = re.compile(rf"\w{{{_SHORTEST_USE},}}")
_NO_NAMES = frozenset((*keyword.kwlist, "__future__"))
_SEVERAL = re.compile(r"^[^\W\d][^\n]*;[ \t]*\w", re.MULTILINE)
_GOES_ON = frozenset("([{\\")
"""What stands before a line that is part of a statement further up; a comma does not tell."""


class _UnclearError(Exception):
    """The tokens alone do not tell."""


def scanned(text: str, lines: list[str]) -> Found | None:
    """Definitions and uses of Python; None where only a parser can tell. In Python `def` and `class` are keywords that
    begin a line, so that they are found by looking once comments and strings are out of the way
    (https://docs.python.org/3/reference/lexical_analysis.html).
    """
    if "\r" in text and text.count("\r") != text.count("\r\n"):
        return None
    try:
        plain = _OPAQUE.sub(_blanked, text)
    except _UnclearError:
        return None
    if ";" in plain and _SEVERAL.search(plain):
        return None
    found: list[Definition] = []
    number = at = 0
    for match in _NAMED.finditer(plain):
        name = match[1] or match[2]
        if name in _NO_NAMES:
            continue
        if match[2]:
            before = _last(plain, match.start())
            if before == ",":
                return None
            if before in _GOES_ON:
                continue
        begins = match.start(1 if match[1] else 2)
        number += plain.count("\n", at, begins)
        at = begins
        found.append(_definition(number, name, lines))
    used = set(_USED.findall(plain)) - _NO_NAMES
    return found, sorted(name for name in used if not name[0].isdecimal())


def _last(text: str, end: int) -> str:
    """The last character before `end` that is no blank."""
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return text[end - 1 : end]


def _blanked(match: re.Match[str]) -> str:
    """Lines stay lines; what an f-string computes stays."""
    token = match[0]
    if token[0] == "#":
        return ""
    if len(token) == 1:
        raise _UnclearError
    if "{" not in token or not _PREFIX.search(match.string, max(0, match.start() - 2), match.start()):
        return '""' + "\n" * token.count("\n")
    rest = _HOLE.sub("", token)
    if "{" in rest or "}" in rest:
        raise _UnclearError  # quotes within quotes, as 3.12 allows, or deeper than anybody should go
    holes = " ".join(hole for hole in _HOLE.findall(token) if hole).replace("\n", " ")
    return f'"{_OPAQUE.sub(" ", holes)}"' + "\n" * token.count("\n")


# ---------------------------------------------------------------- the program


def packed(definitions: list[Definition], used: list[str]) -> tuple[bytes, bytes, bytes]:
    """Names, uses and places, as the cache keeps them: names with blanks between them; uses each between two blanks;
    packed by zlib, the numbers of the lines with blanks between them, and then the lines, one below the other.
    """
    names = " ".join(found.name for found in definitions)
    numbers = " ".join(str(found.line) for found in definitions)
    places = "\n".join((numbers, *(found.text for found in definitions)))
    return names.encode(), f" {' '.join(used)} ".encode(), zlib.compress(places.encode(), 1)


def main(arguments: list[str]) -> int:
    buffer, root, *paths = arguments
    try:
        import ast_grep_py  # noqa: F401 - whether it is there
    except ImportError:
        return NO_PARSER
    waiting: list[bytes] = []
    size = 0
    for path in paths:
        found = _outline_of(os.path.join(root, path), language_of(path))  # noqa: PTH118 - one of thousands
        fields = (os.fsencode(path), *packed(*found))
        waiting += (HEADER.pack(*map(len, fields)), *fields)
        size += sum(map(len, fields))
        if size >= int(buffer):
            _write(waiting)
            size = 0
    _write(waiting)
    return 0


def _write(waiting: list[bytes]) -> None:
    sys.stdout.buffer.write(b"".join(waiting))
    sys.stdout.buffer.flush()
    waiting.clear()


def _outline_of(path: str, language: str | None) -> Found:
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
