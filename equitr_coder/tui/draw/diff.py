"""A diff in review: the list of files, and one file unified or side by side, with the comments where they stand."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.diff_comments import Anchor, Comment
from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row
from equitr_coder.presentation.text import ELLIPSIS, cells, plural, prose, shown_on_one_line, visible
from equitr_coder.presentation.unified_diff import DiffLine, FileDiff, Hunk, Range, changed_words, paired, partners
from equitr_coder.tui.draw.frame import head, nothing, paragraph

SPLIT_FROM = 140
"""Columns of the screen from which two sides are shown unless the person chose."""
_TAB = 4
_INKS = {"+": Ink.OK, "-": Ink.BAD, " ": Ink.TEXT}
_STATUS = {"modified": "", "added": "new", "deleted": "deleted", "renamed": "renamed", "copied": "copied"}


@frozen
class DrawnLine:
    """A row and what stands in it: a line that can be commented on, the beginning of a hunk, or neither."""

    line: Row
    anchor: Anchor | None = None
    is_hunk: bool = False


def diff_head(title: str, files: Sequence[FileDiff], proof: str, *, is_split: bool, width: int) -> Row:
    """` DIFF  T3 parser · 3 files +164 -12 · pytest exit 0 (2.1 s)      u unified  s split`."""
    added, removed = sum(file.added for file in files), sum(file.removed for file in files)
    size = row(f" · {plural(len(files), 'file')} ", Span(f"+{added} ", Ink.OK), Span(f"-{removed}", Ink.BAD))
    proven = row(Span(f" · {shown_on_one_line(proof)}", Ink.DIM)) if proof else ()
    way = row(Span("split", Ink.DIM) if is_split else Span("unified", Ink.DIM))
    return head("diff", (*row(shown_on_one_line(title)), *size, *proven), way, width)


def file_rows(
    files: Sequence[FileDiff],
    width: int,
    *,
    accepted: Collection[str] = (),
    comments: Sequence[Comment] = (),
    outside: Collection[str] = (),
) -> list[Row]:
    """One a file: accepted or not, what became of it, how much, how many comments. `outside` are those that its task
    did not name.
    """
    rows = []
    for file in files:
        notes = sum(comment.anchor.path == file.path for comment in comments)
        mark = Span("+ ", Ink.OK, bold=True) if file.path in accepted else Span("  ")
        right = row(
            *([Span(f"{plural(notes, 'note')} ", Ink.ACCENT)] if notes else []),
            *([Span("outside ", Ink.ASK)] if file.path in outside else []),
            *([Span(f"{_what(file)} ", Ink.DIM)] if _what(file) else []),
            *([Span(f"+{file.added}", Ink.OK)] if file.added else []),
            *([Span(f"{' ' if file.added else ''}-{file.removed}", Ink.BAD)] if file.removed else []),
        )
        rows.append(
            apart(row(mark, _tail(prose(file.path), max(8, width - 4 - sum(map(_width, right))))), right, width)
        )
    return rows


def _width(span: Span) -> int:
    return cells(span.text)


def _tail(path: str, room: int) -> str:
    """A path that is too long loses its beginning: its end says more."""
    if cells(path) <= room:
        return path
    kept = path
    while kept and cells(kept) + len(ELLIPSIS) > room:
        kept = kept[1:]
    return ELLIPSIS + kept


def _what(file: FileDiff) -> str:
    words = [_STATUS[file.status]]
    if file.is_binary:
        words.append("binary")
    if file.new_mode:
        words.append("mode")
    return " ".join(filter(None, words))


def file_summary(file: FileDiff) -> list[str]:
    """What the hunks do not say: renames, modes, binaries, emptiness."""
    lines = []
    if file.before:
        alike = f" ({file.similarity}% alike)" if file.similarity is not None else ""
        lines.append(f"{file.status} from {file.before}{alike}")
    elif file.status in ("added", "deleted"):
        lines.append("new file" if file.status == "added" else "deleted file")
    if file.new_mode:
        lines.append(f"mode {file.old_mode} -> {file.new_mode}{_executable(file)}")
    if file.is_binary:
        lines.append("binary file: its bytes are not shown")
    elif not file.hunks and not file.before and not file.new_mode:
        lines.append("empty")
    return lines


def _executable(file: FileDiff) -> str:
    was, is_ = file.old_mode.endswith("755"), file.new_mode.endswith("755")
    return "" if was == is_ else " (executable now)" if is_ else " (not executable any more)"


def file_diff(
    file: FileDiff | None, width: int, *, is_split: bool = False, comments: Sequence[Comment] = ()
) -> list[DrawnLine]:
    """The whole file's change; the signs stay where there is no colour, and the changed words are underlined."""
    if file is None:
        return [DrawnLine(line) for line in nothing("Nothing was changed.", "Esc goes back.", width)]
    mine: dict[Anchor, list[Comment]] = {}
    for comment in comments:
        if comment.anchor.path == file.path:
            mine.setdefault(comment.anchor, []).append(comment)
    drawn = [
        DrawnLine(line)
        for text in file_summary(file)
        for line in paragraph(prose(text), width, first=(Span(" "),), ink=Ink.DIM)
    ]
    digits = max([len(str(line.old or line.new or 0)) for hunk in file.hunks for line in hunk.lines[-1:]], default=1)
    digits = max(digits, max((len(str(max(hunk.old, hunk.new) + len(hunk.lines))) for hunk in file.hunks), default=1))
    for hunk in file.hunks:
        drawn.append(DrawnLine(_hunk_row(file, hunk, width), is_hunk=True))
        lines = _split(file, hunk, digits, width) if is_split else _unified(file, hunk, digits, width)
        for line in lines:
            drawn.append(line)
            for comment in mine.get(line.anchor, ()) if line.anchor is not None else ():
                drawn += [
                    DrawnLine(each)
                    for each in paragraph(
                        prose(comment.text),
                        width,
                        first=(Span(" " * (digits + 3)), Span("you  ", Ink.ACCENT, bold=True)),
                        ink=Ink.ACCENT,
                    )
                ]
    return drawn


def _hunk_row(file: FileDiff, hunk: Hunk, width: int) -> Row:
    where = f" @@ {prose(file.path)}:{hunk.new}" + (f"  {shown_on_one_line(hunk.section)}" if hunk.section else "")
    return fit(row(Span(where, Ink.INFO)), width, padded=False)


def _unified(file: FileDiff, hunk: Hunk, digits: int, width: int) -> Iterator[DrawnLine]:
    marked = _words(hunk.lines)
    for line in hunk.lines:
        number = line.new if line.new is not None else line.old
        gutter = row(Span(f" {number:>{digits}} ", Ink.DIM), Span(f"{line.sign} ", _INKS[line.sign], bold=True))
        room = width - digits - 4
        for position, body in enumerate(_broken(line, marked.get(line, ()), room)):
            first = gutter if position == 0 else (Span(" " * (digits + 4)),)
            yield DrawnLine((*first, *body), Anchor.of(file.path, line) if position == 0 else None)
        if line.ends_file_without_newline:
            yield DrawnLine(row(Span(" " * (digits + 4) + "no newline at the end of the file", Ink.DIM)))


def _split(file: FileDiff, hunk: Hunk, digits: int, width: int) -> Iterator[DrawnLine]:
    marked = _words(hunk.lines)
    half = (width - 1) // 2
    for old, new in paired(hunk.lines):
        left = _side(old, old.old if old else None, marked, digits, half)
        right = _side(new, new.new if new else None, marked, digits, width - 1 - half)
        line = new if new is not None else old
        assert line is not None
        for position in range(max(len(left), len(right))):
            pair = [side[position] if position < len(side) else () for side in (left, right)]
            joined = beside([(pair[0], half), (pair[1], width - 1 - half)], gap="│")
            yield DrawnLine(joined, Anchor.of(file.path, line) if position == 0 else None)


def _side(
    line: DiffLine | None, number: int | None, marked: Mapping[DiffLine, Sequence[Range]], digits: int, width: int
) -> list[Row]:
    if line is None:
        return [()]
    gutter = row(Span(f" {number:>{digits}} ", Ink.DIM), Span(f"{line.sign} ", _INKS[line.sign], bold=True))
    bodies = _broken(line, marked.get(line, ()), width - digits - 4)
    return [
        (*(gutter if position == 0 else (Span(" " * (digits + 4)),)), *body) for position, body in enumerate(bodies)
    ]


def _words(lines: Sequence[DiffLine]) -> dict[DiffLine, Sequence[Range]]:
    """Of each changed line with a partner the characters that differ."""
    found: dict[DiffLine, Sequence[Range]] = {}
    for line, other in partners(lines).items():
        if line.sign == "-":
            found[line], found[other] = changed_words(line.text, other.text)
    return found


def _broken(line: DiffLine, ranges: Sequence[Range], room: int) -> list[Row]:
    """The text as rows of at most `room` cells, never cut off; the ranges underlined."""
    ink, room = _INKS[line.sign], max(1, room)
    rows: list[list[Span]] = [[]]
    column = 0
    for position, character in enumerate(line.text):
        shown = " " * (_TAB - column % _TAB) if character == "\t" else visible(character)
        if column + cells(shown) > room and column:
            rows.append([])
            column = 0
            shown = " " * _TAB if character == "\t" else shown
        is_marked = any(start <= position < end for start, end in ranges)
        current = rows[-1]
        if current and current[-1].underline == is_marked:
            current[-1] = current[-1]._replace(text=current[-1].text + shown)
        else:
            current.append(Span(shown, ink, bold=is_marked, underline=is_marked))
        column += cells(shown)
    return [tuple(spans) for spans in rows]
