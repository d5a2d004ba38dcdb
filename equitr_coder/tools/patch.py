"""Patches as text: parsing, and applying the hunks of one file in memory. No file is touched here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from equitr_coder.domain.frozen import frozen
from equitr_coder.tools.excerpt import lines_of
from equitr_coder.tools.nearest import explain_miss

_BEGIN, _END, _END_OF_FILE = "*** Begin Patch", "*** End Patch", "*** End of File"
_FILE = re.compile(r"\*\*\* (Add|Update|Delete) File:(.*)")
_MOVE = re.compile(r"\*\*\* Move to:(.*)")
_UNIFIED = re.compile(r"-\d+(,\d+)? \+\d+(,\d+)? @@ ?")


class PatchError(ValueError):
    """The patch cannot be read, or does not fit; says where and why."""


@frozen
class Hunk:
    """Lines to find and lines to put there. `anchor` is a line that stands before them."""

    number: int
    anchor: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    at_end: bool = False
    """The old lines are the last ones of the file."""


@frozen
class AddFile:
    path: str
    content: str


@frozen
class DeleteFile:
    path: str


@frozen
class UpdateFile:
    path: str
    move_to: str | None
    hunks: tuple[Hunk, ...]


FileChange = AddFile | DeleteFile | UpdateFile


@dataclass
class _Reader:
    lines: Sequence[str]
    at: int = 0

    @property
    def line(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def fault(self, text: str) -> PatchError:
        return PatchError(f"line {self.at + 1} of the patch: {text}")


@dataclass
class _OpenHunk:
    anchor: str = ""
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    at_end: bool = False
    blank_tail: int = 0
    """Empty lines at its end so far; before the next section they separate and are no content."""


def parse_patch(text: str) -> tuple[FileChange, ...]:
    """The changes of a patch, one for each file section.

    Raises:
        PatchError: it is not in the format; names the line.
    """
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    lines = _without_fence(lines)
    if any(line.startswith("--- ") for line in lines[:5]) and not any(_FILE.match(line) for line in lines):
        raise PatchError('this is a unified diff; sections here begin with "*** Update File: PATH"')
    if not lines or lines[0].strip() != _BEGIN:
        raise PatchError(f'the first line must be "{_BEGIN}"')
    if lines[-1].strip() != _END:
        raise PatchError(f'the last line must be "{_END}"; was the patch cut off?')
    reader = _Reader(lines[:-1], 1)
    changes: list[FileChange] = []
    while reader.line is not None:
        if not reader.line.strip():
            reader.at += 1
            continue
        changes.append(_section(reader))
    if not changes:
        raise PatchError("it holds no file section")
    return tuple(changes)


def _without_fence(lines: list[str]) -> list[str]:
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1].strip() == "```":
        return lines[1:-1]
    return lines


def _section(reader: _Reader) -> FileChange:
    found = _FILE.match(reader.line or "")
    if found is None:
        raise reader.fault(f'expected "*** Add File:", "*** Update File:" or "*** Delete File:", not {reader.line!r}')
    kind, path = found.group(1), found.group(2).strip()
    if not path:
        raise reader.fault("the path is missing")
    reader.at += 1
    if kind == "Delete":
        return DeleteFile(path)
    if kind == "Add":
        return AddFile(path, _added(reader))
    return _update(reader, path)


def _added(reader: _Reader) -> str:
    lines: list[str] = []
    while reader.line is not None and not _FILE.match(reader.line):
        if reader.line.startswith("+"):
            lines.append(reader.line[1:])
        elif reader.line.strip():
            raise reader.fault(f'every line of a new file begins with "+", not {reader.line!r}')
        reader.at += 1
    return "".join(f"{line}\n" for line in lines)


def _update(reader: _Reader, path: str) -> UpdateFile:
    move_to: str | None = None
    moved = _MOVE.match(reader.line or "")
    if moved:
        move_to = moved.group(1).strip() or None
        if move_to is None:
            raise reader.fault("the new path is missing")
        reader.at += 1
    hunks: list[Hunk] = []
    while reader.line is not None and not _FILE.match(reader.line):
        hunk = _hunk(reader, len(hunks) + 1)
        if hunk is not None:
            hunks.append(hunk)
    if not hunks and move_to is None:
        raise PatchError(f"the section of {path} changes nothing")
    return UpdateFile(path, move_to, tuple(hunks))


def _hunk(reader: _Reader, number: int) -> Hunk | None:
    """One hunk; None for blank lines between sections."""
    hunk = _OpenHunk()
    if reader.line is not None and reader.line.startswith("@@"):
        hunk.anchor = _UNIFIED.sub("", reader.line[2:].strip(), count=1).strip()
        reader.at += 1
    while reader.line is not None and not _FILE.match(reader.line) and not reader.line.startswith("@@"):
        line = reader.line
        if line.strip() == _END_OF_FILE:
            hunk.at_end = True
            reader.at += 1
            break
        hunk.blank_tail = 0 if line else hunk.blank_tail + 1
        match line[:1]:
            case "-":
                hunk.old.append(line[1:])
            case "+":
                hunk.new.append(line[1:])
            case " " | "":
                hunk.old.append(line[1:])
                hunk.new.append(line[1:])
            case _:
                raise reader.fault(f'lines of a change begin with " ", "-" or "+", not {line!r}')
        reader.at += 1
    if hunk.blank_tail and (reader.line is None or _FILE.match(reader.line)):
        del hunk.old[-hunk.blank_tail :], hunk.new[-hunk.blank_tail :]
    if not hunk.old and not hunk.new:
        if hunk.anchor:
            raise reader.fault(f'nothing is changed after "@@ {hunk.anchor}"')
        return None
    return Hunk(number, hunk.anchor, tuple(hunk.old), tuple(hunk.new), hunk.at_end)


@frozen
class Patched:
    text: str
    spans: tuple[tuple[int, int], ...]
    """First and last line of each changed place in `text`."""


def apply_hunks(text: str, hunks: Sequence[Hunk]) -> Patched:
    """The text after all hunks, which stand in the order of the file.

    Raises:
        PatchError: a hunk does not fit, or fits several places.
    """
    lines = lines_of(text)
    result: list[str] = []
    spans: list[tuple[int, int]] = []
    done = 0
    for hunk in hunks:
        start = _place(lines, hunk, done)
        result += lines[done:start]
        result += hunk.new
        spans.append(_span(hunk, len(result)))
        done = start + len(hunk.old)
    result += lines[done:]
    ends_open = bool(lines) and not text.endswith("\n")
    patched = "\n".join(result) + ("" if ends_open or not result else "\n")
    return Patched(patched, tuple(spans))


def _span(hunk: Hunk, end: int) -> tuple[int, int]:
    """The lines that differ, without the context that the hunk carries at both sides; `end` is its last line."""
    size = len(hunk.new)
    head = 0
    while head < min(size, len(hunk.old)) and hunk.new[head] == hunk.old[head]:
        head += 1
    tail = 0
    while tail < min(size, len(hunk.old)) - head and hunk.new[-1 - tail] == hunk.old[-1 - tail]:
        tail += 1
    return end - size + head + 1, end - tail


def _place(lines: Sequence[str], hunk: Hunk, start: int) -> int:
    """Index of the line where the old lines begin."""
    begin = start
    if hunk.anchor:
        anchors = [index for index in range(start, len(lines)) if lines[index].strip() == hunk.anchor.strip()]
        if not anchors:
            where = f" after line {start}" if start else ""
            raise PatchError(
                f'hunk {hunk.number}: no line reads "{hunk.anchor}"{where}; copy the @@ line from the file'
            )
        if len(anchors) > 1:
            raise PatchError(
                f'hunk {hunk.number}: "@@ {hunk.anchor}" is at lines {_numbers(anchors)}; take another line'
            )
        begin = anchors[0] + 1
    if not hunk.old:
        return begin if hunk.anchor and not hunk.at_end else len(lines)
    found = _matches(lines, hunk.old, begin)
    if not found and hunk.anchor and lines[begin - 1] == hunk.old[0]:
        found = _matches(lines, hunk.old, begin - 1)[:1]
    if hunk.at_end:
        found = [index for index in found if index + len(hunk.old) == len(lines)]
    if not found:
        missed = explain_miss("\n".join(lines[start:]), "\n".join(hunk.old), quoted_as="the hunk", first=start + 1)
        raise PatchError(f"hunk {hunk.number} does not fit.\n{missed}")
    if len(found) > 1 and not hunk.anchor:
        raise PatchError(
            f"hunk {hunk.number} fits {len(found)} places, lines {_numbers(found)}; add context lines, or the line "
            "above it after @@"
        )
    return found[0]


def _matches(lines: Sequence[str], old: Sequence[str], begin: int) -> list[int]:
    size = len(old)
    return [
        index
        for index in range(begin, len(lines) - size + 1)
        if lines[index] == old[0] and list(lines[index : index + size]) == list(old)
    ]


def _numbers(indexes: Sequence[int]) -> str:
    shown = ", ".join(str(index + 1) for index in indexes[:10])
    return shown if len(indexes) <= 10 else f"{shown} and {len(indexes) - 10} more"
