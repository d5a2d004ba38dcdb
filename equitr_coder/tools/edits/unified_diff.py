"""Unified diffs as models write them: the lines count, the line numbers and their counts do not.

The format is that of POSIX `diff -u`, with git's extended headers (git-diff(1), "Generating patch text with -p").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from equitr_coder.tools.edits.apply import Hunk
from equitr_coder.tools.edits.change import EditError
from equitr_coder.tools.edits.file_change import AddFile, DeleteFile, FileChange, UpdateFile
from equitr_coder.tools.edits.hunk_lines import HunkLines

_NOWHERE = "/dev/null"
_HUNK = re.compile(r"@@(?: -\d+(?:,\d+)? \+\d+(?:,\d+)? @@)?(.*)")
_RENAME = re.compile(r"rename (from|to) (.*)")
_IGNORED = re.compile(
    r"(?:index |similarity index |dissimilarity index |new file mode |deleted file mode |copy |={10,}$|Index: )"
)
_MODE = re.compile(r"(?:old|new) mode ")
_BINARY = re.compile(r"(?:GIT binary patch|Binary files )")
_ESCAPE = re.compile(r"\\([abtnvfr\"\\]|[0-3][0-7]{2})")
_ESCAPED = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}


@dataclass
class _Section:
    old: str = ""
    new: str = ""
    rename: tuple[str, str] = ("", "")


def is_unified_diff(lines: Sequence[str]) -> bool:
    """Whether a file header or a git header stands there."""
    return any(_opens_file(lines, index) or line.startswith("diff --git ") for index, line in enumerate(lines))


def parse_unified_diff(lines: Sequence[str]) -> tuple[FileChange, ...]:
    """The changes, one for each file. What stands before the first header is passed over.

    Raises:
        EditError: it cannot be read; names the line.
    """
    changes: list[FileChange] = []
    section = _Section()
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("diff --git "):
            _close(section, changes)
            section = _Section()
        elif renamed := _RENAME.match(line):
            path = _path(renamed[2])
            section.rename = (path, section.rename[1]) if renamed[1] == "from" else (section.rename[0], path)
        elif _BINARY.match(line):
            raise EditError(f"line {at + 1} of the diff: binary changes cannot be made")
        elif _MODE.match(line):
            raise EditError(f"line {at + 1} of the diff: file modes cannot be changed here; use run_command with chmod")
        elif _opens_file(lines, at):
            section.old, section.new = _path(line[4:]), _path(lines[at + 1][4:])
            at = _file(lines, at + 2, section, changes)
            section = _Section()
            continue
        elif changes and line.strip() and not _IGNORED.match(line):
            raise EditError(f'line {at + 1} of the diff: expected "--- PATH", "@@" or a line of a hunk, not {line!r}')
        at += 1
    _close(section, changes)
    if not changes:
        raise EditError("the diff changes no file")
    return tuple(changes)


def _close(section: _Section, changes: list[FileChange]) -> None:
    """A rename without hunks."""
    if all(section.rename):
        changes.append(UpdateFile(section.rename[0], section.rename[1], ()))


def _opens_file(lines: Sequence[str], at: int) -> bool:
    """`--- ` and `+++ ` together, with a hunk or the end behind: alone they may be lines that begin with `-- `."""
    if not lines[at].startswith("--- ") or at + 1 >= len(lines) or not lines[at + 1].startswith("+++ "):
        return False
    rest = next((line for line in lines[at + 2 :] if line.strip()), "@@")
    return rest.startswith("@@")


def _file(lines: Sequence[str], at: int, section: _Section, changes: list[FileChange]) -> int:
    """Read the hunks of one file; returns where they end."""
    hunks: list[Hunk] = []
    bodies: list[HunkLines] = []
    open_old = open_new = False
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        heading = _HUNK.match(lines[at])
        if heading is None:
            break
        body = HunkLines()
        at += 1
        last = ""
        while at < len(lines) and not _ends_hunk(lines, at):
            if lines[at].startswith("\\"):
                open_old, open_new = open_old or last in "- ", open_new or last in "+ "
            elif not body.take(lines[at]):
                raise EditError(
                    f'line {at + 1} of the diff: lines of a hunk begin with " ", "-" or "+", not {lines[at]!r}'
                )
            else:
                last = lines[at][:1] or " "
            at += 1
        body.drop_blank_tail()
        if not body.is_empty:
            anchor = heading[1].strip()
            hunks.append(Hunk(len(hunks) + 1, body.change(), (anchor,) if anchor else (), is_hint=True))
            bodies.append(body)
    changes.append(_change(section, hunks, bodies, open_old=open_old, open_new=open_new))
    return at


def _ends_hunk(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith(("@@", "diff --git ")) or _opens_file(lines, at)


def _change(
    section: _Section, hunks: Sequence[Hunk], bodies: Sequence[HunkLines], *, open_old: bool, open_new: bool
) -> FileChange:
    old, new = section.old, section.new
    if old.startswith("a/") and new in (old[2:], f"b/{old[2:]}"):
        old = new = old[2:]
    elif old.startswith("a/") and new.startswith("b/"):
        old, new = old[2:], new[2:]
    elif new == f"b/{old}":
        new = old
    elif old == _NOWHERE:
        new = new.removeprefix("b/")
    elif new == _NOWHERE:
        old = old.removeprefix("a/")
    if all(section.rename):
        old, new = section.rename
    if old == _NOWHERE:
        if new == _NOWHERE or not all(body.adds_only for body in bodies):
            raise EditError(f"{new}: a file that is new (--- {_NOWHERE}) has only lines that begin with +")
        added = [line for body in bodies for line in body.new]
        content = "\n".join(added) + ("" if open_new or not added else "\n")
        return AddFile(new, content)
    if new == _NOWHERE:
        if not all(body.removes_only for body in bodies):
            raise EditError(f"{old}: a file that goes (+++ {_NOWHERE}) has only lines that begin with -")
        return DeleteFile(old, tuple(hunks))
    if not hunks and old == new:
        raise EditError(f"the diff of {old} holds no hunk")
    ends_line = None if open_old == open_new else not open_new
    return UpdateFile(old, new if new != old else None, tuple(hunks), ends_line=ends_line)


def _path(written: str) -> str:
    """Without the time that `diff` puts behind a tab, and without git's quotes."""
    path = written.partition("\t")[0].strip()
    if len(path) > 1 and path[0] == path[-1] == '"':
        octets = _ESCAPE.sub(_unescaped, path[1:-1].encode().decode("latin-1"))
        path = octets.encode("latin-1").decode("utf-8", "surrogateescape")
    if not path:
        raise EditError("a file header of the diff names no path")
    return path


def _unescaped(match: "re.Match[str]") -> str:
    code = match[1]
    return chr(_ESCAPED[code]) if code in _ESCAPED else chr(int(code, 8))
