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
_ASKED = (
    "ls-files --stage -z",
    "diff-files --name-only --relative --no-ext-diff -z",
    "ls-files --others --exclude-standard -z",
)
_REGULAR = ("100644", "100755")


async def find_sources(root: Path, *, env: Mapping[str, str]) -> dict[str, str]:
    """Path -> key of its content, sorted by path, of files in a language that has a grammar."""
    git = shutil.which("git", path=env["PATH"])
    if git is None:
        return await asyncio.to_thread(_stated, root, None)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_records(git, command, root, env)) for command in _ASKED]
    index, dirty, untracked = (task.result() for task in asked)
    if index is None or dirty is None or untracked is None or (not index and not untracked and not _is_top(root)):
        return await asyncio.to_thread(_stated, root, None)  # no repository, or an ignored folder of one further up
    return await asyncio.to_thread(_known, root, index, set(dirty), untracked)


def _is_top(root: Path) -> bool:
    return os.path.lexists(root / ".git")


def _known(root: Path, index: Iterable[str], dirty: set[str], untracked: Iterable[str]) -> dict[str, str]:
    ignores = Ignores(root, (OWN,))
    found: dict[str, str] = {}
    to_look_at = list(untracked)
    for record in index:
        facts, _, path = record.partition("\t")
        mode, blob, stage = facts.split(" ")
        if mode not in _REGULAR or language_of(path) is None or not _is_text(path):
            continue
        if stage != "0" or path in dirty:
            to_look_at.append(path)
        elif not ignores.covers(path):
            found[path] = blob
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
    return [os.fsdecode(record) for record in said.output.split(b"\0") if record]
