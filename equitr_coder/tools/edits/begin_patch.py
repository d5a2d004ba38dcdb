"""The format between `*** Begin Patch` and `*** End Patch`, as OpenAI's models were trained on it.

Its grammar is published with Codex (`codex-rs/apply-patch/apply_patch_tool_instructions.md` in openai/codex). Beyond
it, an `@@` line may carry a unified diff's line numbers, which are passed over.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from equitr_coder.tools.edits.apply import Hunk
from equitr_coder.tools.edits.change import EditError
from equitr_coder.tools.edits.file_change import AddFile, DeleteFile, FileChange, UpdateFile
from equitr_coder.tools.edits.hunk_lines import HunkLines

BEGIN, END, END_OF_FILE = "*** Begin Patch", "*** End Patch", "*** End of File"
_FILE = re.compile(r"\*\*\* (Add|Update|Delete) File:(.*)")
_MOVE = re.compile(r"\*\*\* Move to:(.*)")
_UNIFIED = re.compile(r"-\d+(,\d+)? \+\d+(,\d+)? @@ ?")


@dataclass
class _Reader:
    lines: Sequence[str]
    at: int = 0

    @property
    def line(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def fault(self, text: str) -> EditError:
        return EditError(f"line {self.at + 1} of the patch: {text}")


def parse_begin_patch(lines: Sequence[str]) -> tuple[FileChange, ...]:
    """The changes, one for each file section. `lines` begin with the opening line.

    Raises:
        EditError: it is not in the format; names the line.
    """
    if not lines or lines[0].strip() != BEGIN:
        raise EditError(f'the first line must be "{BEGIN}"')
    if lines[-1].strip() != END:
        raise EditError(f'the last line must be "{END}"; was the patch cut off?')
    reader = _Reader(lines[:-1], 1)
    changes: list[FileChange] = []
    while reader.line is not None:
        if not reader.line.strip():
            reader.at += 1
            continue
        changes.append(_section(reader))
    if not changes:
        raise EditError("it holds no file section")
    return tuple(changes)


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
        raise EditError(f"the section of {path} changes nothing")
    return UpdateFile(path, move_to, tuple(hunks))


def _hunk(reader: _Reader, number: int) -> Hunk | None:
    """One hunk; None for blank lines between sections."""
    anchors: list[str] = []
    is_hint = False
    while reader.line is not None and reader.line.startswith("@@"):
        anchor = reader.line[2:].strip()
        numbered = _UNIFIED.match(anchor)
        is_hint = is_hint or numbered is not None
        anchor = _UNIFIED.sub("", anchor, count=1).removesuffix("@@").strip()
        anchors += [anchor] if anchor else []
        reader.at += 1
        if not anchor:
            break
    body = HunkLines()
    at_end = False
    while reader.line is not None and not _FILE.match(reader.line) and not reader.line.startswith("@@"):
        line = reader.line
        if line.strip() == END_OF_FILE:
            at_end = True
            reader.at += 1
            break
        if not body.take(line):
            raise reader.fault(f'lines of a change begin with " ", "-" or "+", not {line!r}')
        reader.at += 1
    if reader.line is None or _FILE.match(reader.line):
        body.drop_blank_tail()
    if body.is_empty:
        if anchors:
            raise reader.fault(f'nothing is changed after "@@ {anchors[-1]}"')
        return None
    return Hunk(number, body.change(), tuple(anchors), is_hint, at_end)
