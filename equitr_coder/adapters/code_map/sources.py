"""Which source files a tree holds, each with a name for its content that is cheap to find out: in a repository the
blob's of a file that is as git knows it, elsewhere what `stat` says. Two of these name the same content; one of them
never names two.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from equitr_coder.adapters.code_map.parse import language_of
from equitr_coder.adapters.local.ignores import OWN, Ignores
from equitr_coder.adapters.local.listing import GIT_OPTIONS, existing, walk
from equitr_coder.adapters.local.processes import run_process

LARGEST = 1_000_000
_SECONDS = 30.0
_CAP = 256_000_000
_ASKED = "ls-files --stage --modified --others --exclude-standard -t -z"
"""What is in the index, then again what of it differs on disk, and what git does not know, each with a letter for it
(https://git-scm.com/docs/git-ls-files). Files that a sparse checkout leaves out have another letter.
"""
_CACHED, _UNMERGED, _CHANGED, _OTHER = "HMC?"
_REGULAR = ("100644", "100755")


async def find_sources(root: Path, *, env: Mapping[str, str]) -> dict[str, str]:
    """Path -> key of its content, sorted by path, of files in a language that has a grammar."""
    git = shutil.which("git", path=env["PATH"])
    if git is None:
        return await asyncio.to_thread(_stated, root, None)
    records = await _records(git, _ASKED, root, env)
    if records is None or (not records and not _is_top(root)):
        return await asyncio.to_thread(_stated, root, None)  # no repository, or an ignored folder of one further up
    return await asyncio.to_thread(_known, root, records)


def _is_top(root: Path) -> bool:
    return os.path.lexists(root / ".git")


def _known(root: Path, records: Iterable[str]) -> dict[str, str]:
    ignores = Ignores(root, (OWN,))
    found: dict[str, str] = {}
    to_look_at: set[str] = set()
    for record in records:
        facts, _, path = record.partition("\t")
        letter = record[0]
        if letter == _OTHER:
            to_look_at.add(record[2:])
            continue
        if language_of(path) is None:
            continue
        _, mode, blob, _ = facts.split(" ")
        if mode not in _REGULAR or not _is_text(path):
            continue
        if letter in (_CHANGED, _UNMERGED):
            to_look_at.add(path)
        elif letter == _CACHED and not ignores.covers(path):
            found[path] = blob
    for path in to_look_at:
        found.pop(path, None)
    found.update(_stated(root, to_look_at))
    return dict(sorted(found.items()))


def _stated(root: Path, paths: Iterable[str] | None) -> dict[str, str]:
    """Of files that git does not vouch for. Their key names the tree as well: another's may have the same times."""
    found: dict[str, str] = {}
    names = walk(root, ".") if paths is None else paths
    for listed in existing(root, names, ignores=Ignores(root, (OWN,))):
        if listed.is_regular and listed.size <= LARGEST and language_of(listed.path) is not None:
            try:
                status = os.lstat(root / listed.path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                times = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"
                found[listed.path] = f"{times}:{root}/{listed.path}"
    return dict(sorted(found.items()))


def _is_text(path: str) -> bool:
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _records(git: str, command: str, root: Path, env: Mapping[str, str]) -> list[str] | None:
    """What git says between NULs; None when it fails."""
    argv = [git, *GIT_OPTIONS, *command.split(), "--", "."]
    said = await run_process(argv, cwd=root, env=env, timeout=_SECONDS, cap=_CAP, on_errors=lambda _: None)
    if said.exit_code != 0 or said.truncated:
        return None
    return os.fsdecode(said.output).split("\0")[:-1]
