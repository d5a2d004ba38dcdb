"""The elements of a literal, or the names of a `from` import, as rows that can be put together again."""

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from equitr_coder.domain.frozen import frozen
from equitr_coder.orchestration.structure.order import merge_order, pick
from equitr_coder.orchestration.structure.source import Piece, is_blank, lines_of, literal_of

_COMMA = re.compile(rb"\s*,\s*")


@frozen
class Row:
    key: str
    value: str
    """What must not be changed by both: of a dictionary the value, else nothing."""
    lead: bytes
    """Comments and blank lines above it."""
    text: bytes
    """Without its comma; on rows of their own with the indent, and `after` is what follows the comma."""
    after: bytes = b""


@frozen
class Rows:
    """`head` ends with the opening bracket, `foot` begins with the closing one."""

    head: bytes
    rows: tuple[Row, ...]
    foot: bytes
    is_long: bool
    """One row a line."""
    indent: bytes = b""
    tail: bytes = b""
    """Comments after the last row."""
    has_comma: bool = False
    """Whether the last row has one."""
    pad: bytes = b""
    """Between the brackets and what they hold, on one line."""


def rows_of(piece: Piece) -> Rows | None:
    """None when the statement has no elements, or their layout is another than one line or one row a line."""
    elements = _elements(piece.node)
    if elements is None:
        return None
    start, end, parts = elements
    at = _Offsets(piece)
    opening = piece.text.index(b"(") + 1 if start is None else at.offset(*start)
    closing = at.offset(*end)
    spans = [(at.offset(*first), at.offset(*last), key, value) for first, last, key, value in parts]
    head, inside, foot = piece.text[:opening], piece.text[opening:closing], piece.text[closing:]
    spans = [(first - opening, last - opening, key, value) for first, last, key, value in spans]
    if b"\n" not in inside:
        return _short(head, inside, foot, spans)
    return _long(head, inside, foot, spans)


def merge_rows(base: Rows | None, ours: Rows, theirs: Rows, *, newline: bytes, is_tuple: bool) -> bytes | None:
    """The statement with the elements of both."""
    sides = [side for side in (base, ours, theirs) if side is not None]
    if any(side.is_long for side in sides):
        like = next(side for side in (ours, theirs, *sides) if side.is_long)
        base, ours, theirs = (
            None if base is None else _lengthened(base, like),
            _lengthened(ours, like),
            _lengthened(theirs, like),
        )
    whole, head = pick(base.head if base else None, ours.head, theirs.head)
    also, foot = pick(base.foot if base else None, ours.foot, theirs.foot)
    if not (whole and also) or head is None or foot is None:
        return None
    order = merge_order(*([row.key for row in side.rows] if side else [] for side in (base, ours, theirs)))
    if order is None:
        return None
    tables = [{row.key: row for row in side.rows} if side else {} for side in (base, ours, theirs)]
    merged: list[Row] = []
    for key in order.keys:
        row = _merge_row(*(table.get(key) for table in tables))
        if row is None:
            return None
        merged.append(row)
    return _written(ours, theirs, base, merged, (head, foot), newline=newline, is_tuple=is_tuple)


def _merge_row(base: Row | None, ours: Row | None, theirs: Row | None) -> Row | None:
    if ours is None or theirs is None:
        there = ours or theirs
        # Taken out by one side: only when the other left it as it was.
        return there if base is None or (there is not None and there.value == base.value) else None
    settled, value = pick(base.value if base else None, ours.value, theirs.value)
    if not settled:
        return None
    chosen = ours if value == ours.value else theirs
    if ours.value == theirs.value:
        layout, text = pick(base.text if base else None, ours.text, theirs.text)
        chosen = replace(ours, text=text if layout and text is not None else ours.text)
    same_lead, lead = pick(base.lead if base else None, ours.lead, theirs.lead)
    same_after, after = pick(base.after if base else None, ours.after, theirs.after)
    if not (same_lead and same_after):
        return None
    return replace(chosen, lead=lead or b"", after=after or b"")


def _written(
    ours: Rows,
    theirs: Rows,
    base: Rows | None,
    rows: Sequence[Row],
    ends: tuple[bytes, bytes],
    *,
    newline: bytes,
    is_tuple: bool,
) -> bytes | None:
    head, foot = ends
    if not ours.is_long:
        listed = b", ".join(row.text for row in rows)
        comma = b"," if (is_tuple and len(rows) == 1) or (ours.has_comma and rows) else b""
        return head + ours.pad + listed + comma + ours.pad + foot
    settled, tail = pick(base.tail if base else None, ours.tail, theirs.tail)
    if not settled or tail is None:
        return None
    has_comma = ours.has_comma or theirs.has_comma or (is_tuple and len(rows) == 1)
    lines = [
        row.lead + row.text + (b"," if number < len(rows) or has_comma else b"") + row.after + newline
        for number, row in enumerate(rows, start=1)
    ]
    return head + newline + b"".join(lines) + tail + foot


class _Offsets:
    """Positions in a statement's text from line and column in its file."""

    def __init__(self, piece: Piece) -> None:
        self._first = piece.first
        self._starts = [0]
        for line in lines_of(piece.text):
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        return self._starts[line - self._first] + column


Place = tuple[int, int]
_Part = tuple[Place, Place, str, str]


def _elements(node: ast.stmt) -> tuple[Place | None, Place, list[_Part]] | None:
    """Where the inside begins (None: behind the first bracket) and ends, and each part with its name and value."""
    if isinstance(node, ast.ImportFrom):
        return _imported(node)
    literal = literal_of(node)
    if literal is None:
        return None
    start, end = (literal.lineno, literal.col_offset + 1), (literal.end_lineno or 0, (literal.end_col_offset or 0) - 1)
    parts: list[_Part] = []
    if isinstance(literal, ast.Dict):
        for key, value in zip(literal.keys, literal.values, strict=True):
            first = (value.lineno, value.col_offset - 2) if key is None else (key.lineno, key.col_offset)
            name = f"**{ast.dump(value)}" if key is None else ast.dump(key)
            parts.append((first, _end(value), name, ast.dump(value)))
    else:
        parts = [((e.lineno, e.col_offset), _end(e), ast.dump(e), "") for e in literal.elts]
        if isinstance(literal, ast.Tuple) and literal.elts and parts[0][0] == (literal.lineno, literal.col_offset):
            return None  # without brackets
    return start, end, parts


def _imported(node: ast.ImportFrom) -> tuple[Place | None, Place, list[_Part]] | None:
    names = node.names
    if names[0].name == "*":
        return None
    parts: list[_Part] = [((a.lineno, a.col_offset), _end(a), f"{a.name} {a.asname or ''}", "") for a in names]
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    if (end[0], end[1]) == parts[-1][1]:
        return parts[0][0], end, parts
    return None, (end[0], end[1] - 1), parts


def _end(node: ast.expr | ast.alias) -> Place:
    return (node.end_lineno or 0, node.end_col_offset or 0)


def _short(head: bytes, inside: bytes, foot: bytes, spans: Sequence[tuple[int, int, str, str]]) -> Rows | None:
    rows = [Row(key, value, b"", inside[first:last]) for first, last, key, value in spans]
    if not spans:
        return Rows(head, (), foot, is_long=False) if not inside.strip() else None
    between = [inside[last : spans[n + 1][0]] for n, (_, last, _, _) in enumerate(spans[:-1])]
    before, behind = inside[: spans[0][0]], inside[spans[-1][1] :]
    if before.strip() or behind.strip() not in (b"", b",") or not all(_COMMA.fullmatch(gap) for gap in between):
        return None
    return Rows(head, tuple(rows), foot, is_long=False, has_comma=b"," in behind, pad=before)


def _long(head: bytes, inside: bytes, foot: bytes, spans: Sequence[tuple[int, int, str, str]]) -> Rows | None:
    opening, _, rest = inside.partition(b"\n")
    if opening.strip():
        return None  # something stands beside the bracket
    position = len(opening) + 1
    rows: list[Row] = []
    has_comma = False
    for number, (first, last, key, value) in enumerate(spans):
        line_starts = inside.rfind(b"\n", 0, first) + 1
        line_ends = inside.find(b"\n", last)
        if line_ends < 0 or line_starts < position or inside[line_starts:first].strip():
            return None
        behind = inside[last:line_ends].rstrip(b"\r")
        comma, after = _after(behind)
        if after is None or (not comma and number < len(spans) - 1):
            return None
        lead = inside[position:line_starts]
        if not all(is_blank(line) for line in lines_of(lead)):
            return None
        rows.append(Row(key, value, lead, inside[line_starts:last], after))
        has_comma = comma
        position = line_ends + 1
    # What stands before the closing bracket on its line belongs to the foot.
    closing = inside.rfind(b"\n") + 1
    if closing < position or inside[closing:].strip() or rest is None:
        return None
    tail = inside[position:closing]
    if not all(is_blank(line) for line in lines_of(tail)):
        return None
    indent = rows[0].text[: len(rows[0].text) - len(rows[0].text.lstrip())] if rows else b""
    return Rows(head, tuple(rows), inside[closing:] + foot, is_long=True, indent=indent, tail=tail, has_comma=has_comma)


def _after(behind: bytes) -> tuple[bool, bytes | None]:
    """Whether a comma follows, and what follows it; None for anything but a comment."""
    bare = behind.lstrip()
    comma = bare.startswith(b",")
    after = bare[1:] if comma else behind
    if after.strip() and not after.lstrip().startswith(b"#"):
        return comma, None
    return comma, after.rstrip()


def _lengthened(rows: Rows, like: Rows) -> Rows:
    """A literal on one line, laid out as `like`."""
    if rows.is_long:
        return rows
    before_foot = like.foot[: len(like.foot) - len(like.foot.lstrip())]
    return Rows(
        rows.head,
        tuple(replace(row, text=like.indent + row.text) for row in rows.rows),
        before_foot + rows.foot,
        is_long=True,
        indent=like.indent,
        has_comma=like.has_comma,
    )
