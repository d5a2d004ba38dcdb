"""A unified diff, as git writes it, read into files, hunks and numbered lines. Pure; text in, values out."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from equitr_coder.domain.frozen import frozen

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_ESCAPE = re.compile(r"\\([0-7]{3}|.)")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_ALIKE = 0.4
"""Lines less alike than this are not compared word by word: marking nearly everything marks nothing."""

Sign = Literal[" ", "+", "-"]
Range = tuple[int, int]
"""Half-open, in characters."""


@frozen
class DiffLine:
    sign: Sign
    text: str
    old: int | None
    """Line number before; None for an added line."""
    new: int | None
    """Line number after; None for a removed line."""
    ends_file_without_newline: bool = False


@frozen
class Hunk:
    old: int
    """First line before, and first line after."""
    new: int
    section: str
    """The definition that it stands in, as git names it."""
    lines: tuple[DiffLine, ...]


@frozen
class FileDiff:
    path: str
    """After the change; of a deleted file before it."""
    status: Literal["modified", "added", "deleted", "renamed", "copied"] = "modified"
    before: str = ""
    """The old path of a renamed or copied file."""
    similarity: int | None = None
    """Per cent, of a renamed or copied file."""
    old_mode: str = ""
    new_mode: str = ""
    """Both only when the mode changed."""
    is_binary: bool = False
    hunks: tuple[Hunk, ...] = ()

    @property
    def added(self) -> int:
        return self._count("+")

    @property
    def removed(self) -> int:
        return self._count("-")

    def _count(self, sign: Sign) -> int:
        return sum(line.sign == sign for hunk in self.hunks for line in hunk.lines)


def read_diff(text: str) -> tuple[FileDiff, ...]:
    """The files of the diff in its order. What stands before the first file is passed over."""
    files: list[FileDiff] = []
    lines = _Lines(text)
    while (line := lines.take()) is not None:
        if line.startswith("diff --git "):
            files.append(_read_file(line, lines))
    return tuple(files)


def _read_file(head: str, lines: "_Lines") -> FileDiff:
    found = FileDiff(path=_path_of_head(head))
    hunks: list[Hunk] = []
    while (line := lines.peek()) is not None and not line.startswith("diff --git "):
        lines.take()
        if match := _HUNK.match(line):
            hunks.append(_read_hunk(match, lines))
        else:
            found = _with_header(found, line)
    return replace(found, hunks=tuple(hunks))


def _with_header(found: FileDiff, line: str) -> FileDiff:
    name, _, value = line.partition(" ")
    match name:
        case "new" if value.startswith("file mode "):
            return replace(found, status="added")
        case "deleted" if value.startswith("file mode "):
            return replace(found, status="deleted")
        case "old" if value.startswith("mode "):
            return replace(found, old_mode=value.removeprefix("mode "))
        case "new" if value.startswith("mode "):
            return replace(found, new_mode=value.removeprefix("mode "))
        case "similarity":
            digits = value.removeprefix("index ").rstrip("%")
            return replace(found, similarity=int(digits) if digits.isdigit() else None)
        case "rename" | "copy":
            return _moved(found, "renamed" if name == "rename" else "copied", value)
        case "Binary" | "GIT":
            return replace(found, is_binary=True)
        case "---" | "+++":
            path = _unquoted(value.split("\t", 1)[0])
            is_side = path != "/dev/null" and (name == "+++" or found.status == "deleted")
            return replace(found, path=_without_prefix(path)) if is_side else found
    return found


def _moved(found: FileDiff, status: Literal["renamed", "copied"], value: str) -> FileDiff:
    side, _, path = value.partition(" ")
    if side == "from":
        return replace(found, status=status, before=_unquoted(path))
    return replace(found, status=status, path=_unquoted(path))


def _read_hunk(match: re.Match[str], lines: "_Lines") -> Hunk:
    old, new = int(match[1]), int(match[3])
    left_old = int(match[2]) if match[2] is not None else 1
    left_new = int(match[4]) if match[4] is not None else 1
    hunk = Hunk(old, new, match[5], ())
    found: list[DiffLine] = []
    while (line := lines.peek()) is not None:
        if line.startswith("\\") and found:
            found[-1] = replace(found[-1], ends_file_without_newline=True)
        elif left_old <= 0 and left_new <= 0:
            break
        elif line.startswith("+"):
            found.append(DiffLine("+", line[1:], None, new))
            new, left_new = new + 1, left_new - 1
        elif line.startswith("-"):
            found.append(DiffLine("-", line[1:], old, None))
            old, left_old = old + 1, left_old - 1
        elif line.startswith(" ") or not line:
            found.append(DiffLine(" ", line[1:], old, new))
            old, new, left_old, left_new = old + 1, new + 1, left_old - 1, left_new - 1
        else:
            break
        lines.take()
    return replace(hunk, lines=tuple(found))


def _path_of_head(head: str) -> str:
    """`diff --git a/x b/x`: both names are the same but for renames, which say their names on lines of their own."""
    rest = head.removeprefix("diff --git ")
    if rest.startswith('"'):
        return _without_prefix(_unquoted(rest[rest.index(' "', 1) + 1 :] if ' "' in rest[1:] else rest))
    half = len(rest) // 2
    return _without_prefix(rest[half + 1 :])


def _without_prefix(path: str) -> str:
    return path[2:] if path[:2] in ("a/", "b/") else path


def _unquoted(path: str) -> str:
    """Names with unusual bytes are quoted by git, as in C."""
    if not (path.startswith('"') and path.endswith('"') and len(path) > 1):
        return path
    raw = bytearray()
    position, body = 0, path[1:-1]
    for match in _ESCAPE.finditer(body):
        raw += body[position : match.start()].encode()
        code = match[1]
        raw += bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _NAMED.get(code, code).encode()
        position = match.end()
    raw += body[position:].encode()
    return raw.decode("utf-8", errors="backslashreplace")


class _Lines:
    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")  # not splitlines: a form feed or a CR is a part of the line
        if self._lines[-1] == "":
            self._lines.pop()
        self._next = 0

    def peek(self) -> str | None:
        return self._lines[self._next] if self._next < len(self._lines) else None

    def take(self) -> str | None:
        line = self.peek()
        self._next += 1
        return line


# ---------------------------------------------------------------- beside each other


def paired(lines: Sequence[DiffLine]) -> Iterator[tuple[DiffLine | None, DiffLine | None]]:
    """Old side and new side of a hunk: a run of removed lines stands beside the run of added ones that follows it."""
    removed: list[DiffLine] = []
    added: list[DiffLine] = []
    for line in (*lines, None):
        if line is not None and line.sign == "-" and not added:
            removed.append(line)
        elif line is not None and line.sign == "+":
            added.append(line)
        else:
            yield from _side_by_side(removed, added)
            removed, added = [line] if line is not None and line.sign == "-" else [], []
            if line is not None and line.sign == " ":
                yield line, line


def _side_by_side(
    removed: Sequence[DiffLine], added: Sequence[DiffLine]
) -> Iterator[tuple[DiffLine | None, DiffLine | None]]:
    for index in range(max(len(removed), len(added))):
        yield removed[index] if index < len(removed) else None, added[index] if index < len(added) else None


def partners(lines: Sequence[DiffLine]) -> dict[DiffLine, DiffLine]:
    """Each changed line that has one on the other side, with it."""
    found: dict[DiffLine, DiffLine] = {}
    for old, new in paired(lines):
        if old is not None and new is not None and old is not new:
            found[old], found[new] = new, old
    return found


def changed_words(old: str, new: str) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """Where two versions of a line differ; nothing when they have too little in common."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    same = sum(cell.size for cell in matcher.get_matching_blocks())
    if 2 * same < _ALIKE * (len(before) + len(after)):
        return (), ()
    places_old, places_new = _offsets(before), _offsets(after)
    ranges_old: list[Range] = []
    ranges_new: list[Range] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            ranges_old.append((places_old[i1], places_old[i2]))
            ranges_new.append((places_new[j1], places_new[j2]))
    return _filled(ranges_old), _filled(ranges_new)


def _offsets(words: Iterable[str]) -> list[int]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return offsets


def _filled(ranges: Iterable[Range]) -> tuple[Range, ...]:
    return tuple(each for each in ranges if each[0] < each[1])


def without_blank_changes(file: FileDiff) -> FileDiff:
    """The same with lines that differ in white space only shown as unchanged; hunks with nothing else are left out."""
    hunks = []
    for hunk in file.hunks:
        lines = tuple(_unblanked(hunk.lines))
        if any(line.sign != " " for line in lines):
            hunks.append(replace(hunk, lines=lines))
    return replace(file, hunks=tuple(hunks))


def _unblanked(lines: Sequence[DiffLine]) -> Iterator[DiffLine]:
    removed: list[DiffLine] = []
    added: list[DiffLine] = []
    for line in (*lines, None):
        if line is not None and line.sign == "-" and not added:
            removed.append(line)
        elif line is not None and line.sign == "+":
            added.append(line)
        else:
            yield from _matched(removed, added)
            removed, added = [line] if line is not None and line.sign == "-" else [], []
            if line is not None and line.sign == " ":
                yield line


def _matched(removed: Sequence[DiffLine], added: Sequence[DiffLine]) -> Iterator[DiffLine]:
    before = ["".join(line.text.split()) for line in removed]
    after = ["".join(line.text.split()) for line in added]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            for old, new in zip(removed[i1:i2], added[j1:j2], strict=True):
                yield DiffLine(" ", new.text, old.old, new.new)
        else:
            yield from (line for line in removed[i1:i2] if line.text.strip() or added[j1:j2])
            yield from (line for line in added[j1:j2] if line.text.strip() or removed[i1:i2])
