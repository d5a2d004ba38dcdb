"""Files that are lists of lines, where both sides put lines in: change logs, requirements, ignore files."""

import re
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from equitr_coder.orchestration.structure.order import pick

_IGNORES = frozenset({".gitignore", ".dockerignore", ".npmignore", ".prettierignore", ".eslintignore"})
_MOST_LINES = 5_000
_REQUIREMENT = re.compile(rb"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_BULLET = re.compile(rb"(?:[-*+] |\s+\S|\s*$)")


def is_line_list(path: str) -> bool:
    name = PurePosixPath(path).name
    return name in _IGNORES or _is_change_log(name) or _is_requirements(name)


def merge_lines(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Both sides' new lines, ours first; None when a side did anything but put lines in, or when order or a second
    line about the same thing could matter.
    """
    sides = [_split(side) for side in (base, ours, theirs)]
    if b"\0" in base + ours + theirs or len({ending for _, ending in sides if ending is not None}) > 1:
        return None
    ending = next((ending for _, ending in sides if ending is not None), b"\n")
    (old, _), (left, _), (right, _) = sides
    if max(len(old), len(left), len(right)) > _MOST_LINES:
        return None
    first, second = _insertions(old, left), _insertions(old, right)
    if first is None or second is None:
        return None
    put_left = [line for lines in first.values() for line in lines]
    put_right = [line for lines in second.values() for line in lines]
    if not _may_stand_together(PurePosixPath(path).name, old, put_left, put_right):
        return None
    merged: list[bytes] = []
    for position in range(len(old) + 1):
        mine = first.get(position, [])
        merged += mine
        merged += [line for line in second.get(position, []) if not line.strip() or line not in put_left]
        merged += old[position : position + 1]
    text = ending.join(merged)
    _, is_open = pick(not base.endswith(b"\n"), not ours.endswith(b"\n"), not theirs.endswith(b"\n"))
    return text if is_open or not text else text + ending


def _split(text: bytes) -> tuple[list[bytes], bytes | None]:
    """Lines without their ends, and that end; an impossible one when it is mixed."""
    if not text:
        return [], None
    crlf, lf = text.count(b"\r\n"), text.count(b"\n")
    ending = b"\r\n" if crlf and crlf == lf else b"\n" if not crlf else b"mixed"
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    return (lines[:-1] if lines[-1] == b"" else lines), ending if lf else None


def _insertions(old: list[bytes], new: list[bytes]) -> dict[int, list[bytes]] | None:
    found: dict[int, list[bytes]] = {}
    for what, start, _, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "insert":
            found[start] = new[first:last]
        elif what != "equal":
            return None
    return found


def _may_stand_together(name: str, old: list[bytes], ours: list[bytes], theirs: list[bytes]) -> bool:
    if name in _IGNORES:
        return not any(line.lstrip().startswith(b"!") for line in (*old, *ours, *theirs))
    if _is_change_log(name):
        shared = {line for line in ours if line.strip()} & set(theirs)
        return not shared and all(_BULLET.match(line) for line in (*ours, *theirs))
    about = {_subject(line): line for line in (*old, *ours) if _subject(line)}
    plain = all(_subject(line) or not line.strip() or line.lstrip().startswith(b"#") for line in (*ours, *theirs))
    return plain and all(about.get(_subject(line), line) == line for line in theirs if _subject(line))


def _subject(line: bytes) -> bytes:
    """The package that a line of a requirements file is about; empty for comments, options and addresses."""
    found = _REQUIREMENT.match(line)
    return re.sub(rb"[._-]+", b"-", found[1].lower()) if found and b"://" not in line else b""


def _is_change_log(name: str) -> bool:
    return PurePosixPath(name).stem.upper() in ("CHANGELOG", "CHANGES", "NEWS", "HISTORY")


def _is_requirements(name: str) -> bool:
    return name.endswith(".txt") and name.startswith("requirements")
