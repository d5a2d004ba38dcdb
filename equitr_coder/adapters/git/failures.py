"""What git says when it fails, as errors: `UserError` for what the person can mend, `GitError` for our own bugs."""

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from equitr_coder.domain.errors import UserError


class GitError(Exception):
    """Git refused something nobody but us can be to blame for. Carries the command and what git wrote."""

    def __init__(self, arguments: Sequence[str], code: int, stderr: str) -> None:
        super().__init__(f"git {' '.join(arguments[:3])} ended with {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


_COMPLAINTS = ("fatal:", "error:")
_LOCKED = re.compile(r"Unable to create '(?P<path>.+?\.lock)': File exists")
_BROKEN = re.compile(
    r"bad object|corrupt|unable to read (tree|sha1|file)|invalid object|broken (HEAD|ref|link)|not a valid object|"
    r"missing (blob|tree|commit|object)|could not read|bad config|bad (index|signature)|index file smaller|"
    r"unknown repository extension|Expected git repo version|fatal: your current branch appears to be broken|"
    r"not a tree object|not a git repository",
    re.IGNORECASE,
)
_IN_THE_WAY = re.compile(r"'refs/heads/(?P<there>[^']+)' exists; cannot create 'refs/heads/(?P<wanted>[^']+)'")

_NO_ROOM = 200_000


def failure(arguments: Sequence[str], code: int, stderr: bytes, where: Path) -> UserError | GitError:
    """The error for a git command that ended with `code`; raise it."""
    text = stderr.decode("utf-8", "replace")
    said = _first_complaint(text)
    if "dubious ownership" in text:
        return UserError(
            f"git does not trust {where}: the folder belongs to another user.",
            hint=f"If it is yours, run: git config --global --add safe.directory {shlex.quote(str(where))}",
        )
    if "No space left on device" in text or "Disk quota exceeded" in text or _is_unwritten(text, where):
        return UserError("The disk is full.", hint=f"Free some space on the disk that holds {where}.")
    if locked := _LOCKED.search(text):
        return UserError(
            f"Another git command is at work in this repository ({Path(locked['path']).name} exists).",
            hint=f"Let it finish; if none is running, remove {shlex.quote(locked['path'])}",
        )
    if taken := _IN_THE_WAY.search(text):
        return UserError(
            f"The branch `{taken['there']}` is in the way of `{taken['wanted']}`.",
            hint=f"Rename it: git branch -m {taken['there']} {taken['there']}-old",
        )
    if "transport" in text and "not allowed" in text:
        return UserError(
            "This is a partial clone and an object is missing; EQUITR Coder never lets git use the network.",
            hint="Fetch everything once: git fetch --refetch --no-filter",
        )
    if "Permission denied" in text or "Operation not permitted" in text or "Read-only file system" in text:
        return UserError(f"git may not do that in {where}: {said}", hint="Check who owns the files and their modes.")
    if any(line.startswith(_COMPLAINTS) and _BROKEN.search(line) for line in text.splitlines()):
        return broken_repository(where, said)
    if "failed to encode" in text or "BUG: unencodable" in text:
        return UserError(
            f"git cannot convert a file in {where}: {said}", hint="Correct `working-tree-encoding` in .gitattributes."
        )
    return GitError(arguments, code, text)


def _is_unwritten(text: str, where: Path) -> bool:
    """Git names the file it could not write and often not the reason; a disk without room is the likely one."""
    try:
        return ("unable to write" in text or "couldn't write" in text) and shutil.disk_usage(where).free < _NO_ROOM
    except OSError:
        return False


def broken_repository(where: Path, said: str) -> UserError:
    return UserError(
        f"git cannot read the repository in {where}: {said}", hint=f"Run: git -C {shlex.quote(str(where))} fsck"
    )


def _first_complaint(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    chosen = next((line for line in lines if line.startswith(_COMPLAINTS)), lines[0] if lines else "no reason")
    return chosen.removeprefix("fatal: ").removeprefix("error: ")
