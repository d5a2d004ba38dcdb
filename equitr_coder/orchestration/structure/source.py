"""Python source cut into named pieces, byte for byte: statements with what stands above them, and lists row by row."""

import ast
import io
import tokenize
import warnings
from collections.abc import Sequence

from equitr_coder.domain.frozen import frozen

Key = tuple[str, ...]
LITERALS = (ast.List, ast.Tuple, ast.Set, ast.Dict)
COMPOUND = (ast.ClassDef, ast.If)
DECLARED = frozenset({"import", "from", "def", "class", "list"})
"""Kinds of statements that may stand side by side in either order."""


@frozen
class Source:
    """A parsed file. `text` is UTF-8 with the line ends it came with."""

    text: bytes
    encoding: str
    newline: bytes | None
    """None when there is no line end."""
    tree: ast.Module


@frozen
class Piece:
    """One statement: `lead` is the comments and blank lines above it, `text` its whole lines."""

    key: Key
    node: ast.stmt
    lead: bytes
    text: bytes
    first: int
    """Line number of `text` in its file."""


@frozen
class Body:
    pieces: tuple[Piece, ...]
    tail: bytes
    """Comments and blank lines after the last statement."""

    @property
    def keys(self) -> list[Key]:
        return [piece.key for piece in self.pieces]

    def piece(self, key: Key) -> Piece | None:
        return next((piece for piece in self.pieces if piece.key == key), None)


def read_source(content: bytes) -> Source | None:
    """None when it is no Python that this interpreter reads, or its line ends are mixed."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
        if text.encode(encoding) != content:
            return None
        tree = parse(text)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
    crlf, lf, cr = text.count("\r\n"), text.count("\n"), text.count("\r")
    if cr != crlf or (crlf and crlf != lf):
        return None
    newline = None if not lf else b"\r\n" if crlf else b"\n"
    return Source(text.encode(), encoding, newline, tree)


def parse(text: str) -> ast.Module:
    """As the compiler sees it: a `__future__` import out of place is an error here too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
        compile(tree, "<merge>", "exec", dont_inherit=True)
    return tree


def lines_of(text: bytes) -> list[bytes]:
    """With their ends."""
    return text.splitlines(keepends=True)


def body_of(lines: Sequence[bytes], statements: Sequence[ast.stmt], start: int, end: int) -> Body | None:
    """The statements of a module or block that fills lines `start` + 1 to `end`; None when two share a line."""
    pieces: list[Piece] = []
    above = start
    for number, node in enumerate(statements):
        first = first_line(node)
        last = node.end_lineno or first
        lead = lines[above : first - 1]
        if first <= above or not all(is_blank(line) for line in lead) or not _ends_its_line(lines[last - 1], node):
            return None
        key = key_of(node, is_first=number == 0)
        pieces.append(Piece(key, node, b"".join(lead), b"".join(lines[first - 1 : last]), first))
        above = last
    tail = lines[above:end]
    return Body(tuple(pieces), b"".join(tail)) if all(is_blank(line) for line in tail) else None


def block_of(piece: Piece) -> tuple[bytes, Body] | None:
    """Head and body of a class or of an `if` without `else`; None of another statement, and when it is one line."""
    node = piece.node
    if not isinstance(node, COMPOUND) or (isinstance(node, ast.If) and node.orelse):
        return None
    lines = lines_of(piece.text)
    body_starts = first_line(node.body[0]) - piece.first
    head_ends = body_starts
    while head_ends and is_blank(lines[head_ends - 1]):
        head_ends -= 1
    if body_starts < 1 or head_ends < 1:
        return None
    padded = [b"\n"] * (piece.first - 1) + lines
    body = body_of(padded, node.body, piece.first - 1 + head_ends, len(padded))
    return (b"".join(lines[:head_ends]), body) if body is not None else None


def key_of(node: ast.stmt, *, is_first: bool = False) -> Key:
    """What makes a statement the same one in another version of the file."""
    match node:
        case ast.Import(names=names):
            return ("import", *(f"{alias.name} {alias.asname or ''}" for alias in names))
        case ast.ImportFrom(module=module, level=level):
            return ("from", str(level), module or "")
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return ("def", name, _variant(node, name))
        case ast.ClassDef(name=name):
            return ("class", name)
        case ast.If(test=test, orelse=[]):
            return ("if", ast.dump(test))
        case ast.Expr(value=ast.Constant(value=str())) if is_first:
            return ("doc",)
    target = _target(node)
    if target is not None:
        return ("list" if literal_of(node) is not None else "var", type(node).__name__, ast.dump(target))
    return ("stmt", ast.dump(node))


def literal_of(node: ast.stmt) -> ast.List | ast.Tuple | ast.Set | ast.Dict | None:
    """The list, tuple, set or dictionary that a statement gives to one target or adds to it."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) else None
    return value if isinstance(value, LITERALS) and _target(node) is not None else None


def names_of(node: ast.stmt) -> list[tuple[str, str]]:
    """Names that a statement binds, each with what binds it where several may bind it alike."""
    match node:
        case ast.Import(names=names):
            return [
                (alias.asname, f"as {alias.name}") if alias.asname else (alias.name.partition(".")[0], "module")
                for alias in names
            ]
        case ast.ImportFrom(names=names):
            return [(alias.asname or alias.name, "") for alias in names if alias.name != "*"]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [] if _variant(node, name) else [(name, "")]
        case ast.ClassDef(name=name):
            return [(name, "")]
        case ast.Assign() | ast.AnnAssign():
            target = _target(node)
            return [(target.id, "")] if isinstance(target, ast.Name) else []
    return []


def first_line(node: ast.stmt) -> int:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.decorator_list:
        return node.decorator_list[0].lineno
    return node.lineno


def is_blank(line: bytes) -> bool:
    return not line.strip() or line.lstrip().startswith(b"#")


def comments_of(source: Source) -> list[bytes]:
    found = tokenize.tokenize(io.BytesIO(source.text).readline)
    return [token.string.encode() for token in found if token.type == tokenize.COMMENT]


def _ends_its_line(line: bytes, node: ast.stmt) -> bool:
    rest = line[node.end_col_offset or 0 :].strip()
    return not rest or rest.startswith(b"#")


def _target(node: ast.stmt) -> ast.expr | None:
    match node:
        case ast.Assign(targets=[target]) if isinstance(target, ast.Name | ast.Attribute):
            return target
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return target
    return None


def _variant(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    """`setter` of a property: the same name, and another definition."""
    for decorator in node.decorator_list:
        if (
            isinstance(decorator, ast.Attribute)
            and isinstance(decorator.value, ast.Name)
            and decorator.value.id == name
        ):
            return decorator.attr
    return ""
