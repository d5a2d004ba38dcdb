"""Three-way merge of a Python file by its statements: imports, functions, classes, methods and literals that both sides
added. The result is accepted only when it says exactly what both sides say.
"""

import ast
from collections import Counter

from equitr_coder.orchestration.structure.facts import (
    facts_of,
    is_each_name_bound_once,
    merged_facts,
    uses_what_is_gone,
)
from equitr_coder.orchestration.structure.order import Order, merge_order, pick
from equitr_coder.orchestration.structure.rows import merge_rows, rows_of
from equitr_coder.orchestration.structure.source import (
    DECLARED,
    Body,
    Key,
    Piece,
    Source,
    block_of,
    body_of,
    comments_of,
    lines_of,
    parse,
    read_source,
)


def merge_python(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """None for anything that is not plainly the sum of both changes."""
    sources = [read_source(side) for side in (base, ours, theirs)]
    if any(source is None for source in sources):
        return None
    old, left, right = (source for source in sources if source is not None)
    newlines = {source.newline for source in (old, left, right) if source.newline is not None}
    encodings = {source.encoding for source in ((old, left, right) if base else (left, right))}
    if len(newlines) > 1 or len(encodings) > 1:
        return None
    newline = newlines.pop() if newlines else b"\n"
    bodies = [_body(source, newline) for source in (old, left, right)]
    if any(body is None for body in bodies):
        return None
    first, second, third = (body for body in bodies if body is not None)
    text = _Merge(newline).body(first, second, third, blank_lines=2)
    if text is None:
        return None
    settled, is_open = pick(not base.endswith(b"\n"), not ours.endswith(b"\n"), not theirs.endswith(b"\n"))
    if not base:
        settled, is_open = True, False
    if settled and is_open:
        text = text.removesuffix(newline)
    if not _says_both(text, old, left, right):
        return None
    try:
        return text.decode().encode(left.encoding)
    except UnicodeEncodeError:
        return None


def _body(source: Source, newline: bytes) -> Body | None:
    text = source.text if source.text.endswith(b"\n") or not source.text else source.text + newline
    lines = lines_of(text)
    return body_of(lines, source.tree.body, 0, len(lines))


class _Merge:
    def __init__(self, newline: bytes) -> None:
        self._newline = newline

    def body(self, base: Body, ours: Body, theirs: Body, *, blank_lines: int) -> bytes | None:
        order = merge_order(base.keys, ours.keys, theirs.keys)
        if order is None or any(key[0] not in DECLARED for key in order.contested):
            return None
        written: list[bytes] = []
        for key in _imports_first(order):
            sides = [side.piece(key) for side in (base, ours, theirs)]
            merged = self._piece(*sides)
            if merged is None:
                return None
            lead, text = merged
            is_moved_down = written and any(side.pieces and side.pieces[0].key == key for side in (ours, theirs))
            if is_moved_down and key[0] in ("def", "class") and not lead.strip():
                lead = self._newline * max(blank_lines, lead.count(b"\n"))
            written.append(lead + text)
        settled, tail = pick(base.tail, ours.tail, theirs.tail)
        if not settled:
            tail = ours.tail if not (ours.tail + theirs.tail).strip() else None
        return None if tail is None else b"".join(written) + tail

    def _piece(self, base: Piece | None, ours: Piece | None, theirs: Piece | None) -> tuple[bytes, bytes] | None:
        if ours is None or theirs is None:
            there = ours or theirs
            assert there is not None, "what neither side has is in no order"
            return (there.lead, there.text) if base is None or base.text == there.text else None
        settled, lead = pick(base.lead if base else None, ours.lead, theirs.lead)
        if not settled:
            lead = max(ours.lead, theirs.lead, key=len) if not (ours.lead + theirs.lead).strip() else None
        if lead is None:
            return None
        settled, text = pick(base.text if base else None, ours.text, theirs.text)
        if not settled:
            text = self._inside(base, ours, theirs)
        return (lead, text) if text is not None else None

    def _inside(self, base: Piece | None, ours: Piece, theirs: Piece) -> bytes | None:
        """Both sides changed the statement: what it holds is merged when it holds anything."""
        rows = [rows_of(piece) if piece is not None else None for piece in (base, ours, theirs)]
        if rows[1] is not None and rows[2] is not None and (base is None or rows[0] is not None):
            is_tuple = isinstance(getattr(ours.node, "value", None), ast.Tuple)
            text = merge_rows(rows[0], rows[1], rows[2], newline=self._newline, is_tuple=is_tuple)
            ending = self._newline if ours.text.endswith(b"\n") else b""
            return None if text is None else text.removesuffix(self._newline) + ending
        if base is None:
            return None
        blocks = [block_of(piece) for piece in (base, ours, theirs)]
        if any(block is None for block in blocks):
            return None
        heads, bodies = zip(*(block for block in blocks if block is not None), strict=True)
        settled, head = pick(*heads)
        inner = self.body(*bodies, blank_lines=1)
        return head + inner if settled and head is not None and inner is not None else None


def _imports_first(order: Order[Key]) -> list[Key]:
    """Where both sides put something into one gap, imports come before what else was put there."""
    result: list[Key] = []
    run: list[Key] = []
    for key in order.keys:
        if key in order.contested:
            run.append(key)
            continue
        result += [*sorted(run, key=_rank), key]
        run = []
    return result + sorted(run, key=_rank)


def _rank(key: Key) -> int:
    if key == ("from", "0", "__future__"):
        return 0
    return 1 if key[0] in ("import", "from") else 2


def _says_both(text: bytes, base: Source, ours: Source, theirs: Source) -> bool:
    """Parses, binds no name twice, and holds every definition and comment of both sides and nothing else."""
    try:
        tree = parse(text.decode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    one, other, start = ours.tree.body, theirs.tree.body, base.tree.body
    if uses_what_is_gone(start, one, other) or uses_what_is_gone(start, other, one):
        return False
    told = [facts_of(source.tree.body) for source in (base, ours, theirs)]
    if any(facts is None for facts in told):
        return False
    before, left, right = (facts for facts in told if facts is not None)
    expected = merged_facts(before, left, right)
    if expected is None or facts_of(tree.body) != expected or not is_each_name_bound_once(tree.body):
        return False
    return _keeps_comments(Source(text, ours.encoding, ours.newline, tree), base, ours, theirs)


def _keeps_comments(merged: Source, base: Source, ours: Source, theirs: Source) -> bool:
    kept, old, left, right = (Counter(comments_of(source)) for source in (merged, base, ours, theirs))
    for comment in {*kept, *old, *left, *right}:
        b, o, t = old[comment], left[comment], right[comment]
        both = o + t - b
        if not min(both, max(o, t)) <= kept[comment] <= max(both, min(o, t)):
            return False
    return True
