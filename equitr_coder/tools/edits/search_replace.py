"""Blocks of `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE` below a line with the path.

The form is that of Aider's "diff" edit format (aider.chat/docs/more/edit-formats.html), which many models know.
"""

import re
from collections.abc import Sequence

from equitr_coder.tools.edits.apply import Hunk
from equitr_coder.tools.edits.change import EditError, change_of_lines
from equitr_coder.tools.edits.file_change import AddFile, FileChange, UpdateFile

_OPEN = re.compile(r"[ \t]*<{5,9} ?SEARCH>?[ \t]*")
_MIDDLE = re.compile(r"[ \t]*={5,9}[ \t]*")
_CLOSE = re.compile(r"[ \t]*>{5,9} ?REPLACE[ \t]*")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_FENCE_PATH = re.compile(r"[ \t]*(?:```|~~~)[\w+-]*[: ]+(\S*[./]\S*)[ \t]*$")


def has_search_block(lines: Sequence[str]) -> bool:
    return any(_OPEN.fullmatch(line) for line in lines)


def parse_search_replace(lines: Sequence[str]) -> tuple[FileChange, ...]:
    """The changes, one for each file, its blocks in order. Text around the blocks is passed over.

    Raises:
        EditError: a block has no path, no end, or more than one dividing line.
    """
    hunks: dict[str, list[Hunk]] = {}
    added: dict[str, str] = {}
    path, at = "", 0
    while at < len(lines):
        if not _OPEN.fullmatch(lines[at]):
            at += 1
            continue
        above = _path_above(lines, at)
        path = path if above == "" else above or ""
        if not path:
            raise EditError(f"line {at + 1}: the path of the file must stand on the line above <<<<<<< SEARCH")
        old, new, at = _block(lines, at)
        if not old and path not in hunks and path not in added:
            added[path] = "".join(f"{line}\n" for line in new)
            continue
        if path in added or not old:
            raise EditError(f"{path}: an empty SEARCH makes a new file and must be the file's only block")
        known = hunks.setdefault(path, [])
        if old == new:
            raise EditError(f"{path}: SEARCH and REPLACE of block {len(known) + 1} are identical")
        known.append(Hunk(len(known) + 1, change_of_lines(old, new)))
    return (
        *(AddFile(name, content, or_fill=True) for name, content in added.items()),
        *(UpdateFile(name, None, tuple(found), is_sequence=True) for name, found in hunks.items()),
    )


def _block(lines: Sequence[str], start: int) -> tuple[list[str], list[str], int]:
    """Its two texts, and the index of the line behind it."""
    end = start + 1
    while end < len(lines) and not _CLOSE.fullmatch(lines[end]):
        if _OPEN.fullmatch(lines[end]):
            break
        end += 1
    if end >= len(lines) or not _CLOSE.fullmatch(lines[end]):
        raise EditError(f"line {start + 1}: this block has no >>>>>>> REPLACE; was it cut off?")
    middles = [index for index in range(start + 1, end) if _MIDDLE.fullmatch(lines[index])]
    if len(middles) != 1:
        what = "no line =======" if not middles else "more than one line that may be its ======="
        raise EditError(f"line {start + 1}: this block has {what}; use edit_file for this change")
    return list(lines[start + 1 : middles[0]]), list(lines[middles[0] + 1 : end]), end + 1


def _path_above(lines: Sequence[str], at: int) -> str | None:
    """The path on the line above, or above the fence; empty when the block follows another, None when neither."""
    index = at - 1
    if index >= 0 and _FENCE.match(lines[index]):
        if named := _FENCE_PATH.match(lines[index]):
            return named[1]
        index -= 1
    while index >= 0 and not lines[index].strip():
        index -= 1
    if index < 0 or _CLOSE.fullmatch(lines[index]) or _FENCE.match(lines[index]):
        return ""
    line = lines[index].strip()
    line = re.sub(r"^(?:#+|[-*>]|\d+\.)[ \t]+", "", line)
    line = re.sub(r"^(?:\*\*)?(?:file ?(?:name|path)?|path):[ \t]*", "", line, flags=re.IGNORECASE)
    line = line.strip("*`\"' \t").rstrip(":").strip("*`\"' \t")
    return line if line and not re.search(r"\s", line) else None
