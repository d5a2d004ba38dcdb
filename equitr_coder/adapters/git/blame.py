"""Who wrote a line of the user's checkout, as `git blame` tells it."""

import re
from pathlib import Path

from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId
from equitr_coder.ports import Blamed

_UNCOMMITTED = re.compile(r"0+")


async def blame(git: Git, path: str, line: int) -> Blamed:
    """As in `ports.Repository`. A file that git does not follow is nobody's yet."""
    text = _line(git.checkout.root, path, line)
    try:
        said = await git.run("blame", "--porcelain", "-L", f"{line},{line}", "--", path)
    except GitError:
        return Blamed(path=path, line=line, text=text, commit=None, path_there=path)
    head, *rest = said.stdout.decode("utf-8", "replace").split("\n")
    commit = head.split(" ", 1)[0]
    if _UNCOMMITTED.fullmatch(commit):
        return Blamed(path=path, line=line, text=text, commit=None, path_there=path)
    fields = dict(row.partition(" ")[::2] for row in rest if not row.startswith("\t"))
    message = await git.run("log", "-1", "--format=%B", commit)
    return Blamed(
        path=path,
        line=line,
        text=text,
        commit=CommitId(commit),
        path_there=fields.get("filename", path),
        author=f"{fields.get('author', '')} {fields.get('author-mail', '')}".strip(),
        message=message.stdout.decode("utf-8", "replace"),
    )


def _line(root: Path, path: str, line: int) -> str:
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        raise UserError(
            f"there is no file {path} in {root}", hint="name it from the root: equitrcoder why src/app.py:12"
        )
    lines = file.read_bytes().decode("utf-8", "replace").splitlines()
    if not 1 <= line <= len(lines):
        raise UserError(f"{path} has no line {line}", hint=f"it has {len(lines)} lines")
    return lines[line - 1]
