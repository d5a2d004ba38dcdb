"""What stands in the user's checkout, before any money is spent. Reads only."""

import asyncio
import os
import re
from collections.abc import Collection
from pathlib import Path

from equitr_coder.adapters.git.entries import SUBMODULE, is_beyond_link, nul_separated
from equitr_coder.adapters.git.identity import find_identity
from equitr_coder.adapters.git.preconditions import path_in_status
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CommitId
from equitr_coder.ports import RepoState

OLDEST = (2, 38)
"""The first git with `merge-tree --write-tree`."""

_VERSION = re.compile(r"git version (\d+)\.(\d+)")


@frozen
class _Status:
    head: CommitId | None
    branch: str | None
    dirty: tuple[str, ...]
    untracked: tuple[str, ...]


def plain_folder(root: Path) -> RepoState:
    return _without_files(root, is_repository=False, is_bare=False)


def bare_repository(root: Path) -> RepoState:
    return _without_files(root, is_repository=True, is_bare=True)


async def inspect(git: Git, *, hidden: Path) -> RepoState:
    """`hidden` is our home folder: never reported, should it lie inside the checkout."""
    await git.configuration()  # once for all of them
    try:
        async with asyncio.TaskGroup() as group:  # every run starts with these: together they take as long as one
            asked_status = group.create_task(_status(git, hidden))
            identity = group.create_task(find_identity(git))
            submodules = group.create_task(_submodules(git))
            uses_lfs = group.create_task(_uses_lfs(git))
    except* Exception as errors:
        raise errors.exceptions[0] from errors
    status = asked_status.result()
    return RepoState(
        root=git.checkout.root,
        is_repository=True,
        has_commits=status.head is not None,
        branch=status.branch,
        head=status.head,
        dirty=status.dirty,
        untracked=status.untracked,
        has_identity=identity.result().is_known,
        submodules=submodules.result(),
        uses_lfs=uses_lfs.result(),
        in_progress=git.checkout.unfinished(),
    )


async def check_version(process: GitProcess, where: Path) -> None:
    said = (await process.run("version", cwd=where)).line
    found = _VERSION.match(said)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise UserError(f"{said} is too old.", hint="Install git 2.38 or newer.")


async def status_text(git: Git) -> str:
    said = await git.run("status", "--short", "--branch", "--ignore-submodules=all")
    return said.stdout.decode("utf-8", "replace")


async def ignored(git: Git, paths: Collection[str]) -> set[str]:
    """Those of `paths` that no index holds and some ignore rule names. Git names none beyond a link."""
    asked = [path for path in paths if not is_beyond_link(git.checkout.root, path)]
    if not asked:
        return set()
    said = await git.run(
        "check-ignore", "-z", "--stdin",
        # `./` because this command alone cannot be told to take names literally.
        stdin=nul_separated(f"./{path}" for path in asked), env={"GIT_LITERAL_PATHSPECS": "0"}, accept=(0, 1),
    )  # fmt: skip
    return {record.removeprefix("./") for record in said.records}


async def _status(git: Git, hidden: Path) -> _Status:
    said = await git.run(
        "status", "--porcelain=v2", "-z", "--branch", "--untracked-files=normal", "--ignore-submodules=dirty",
        "--no-renames", "--no-ahead-behind",
    )  # fmt: skip
    headers: dict[str, str] = {}
    dirty: list[str] = []
    untracked: list[str] = []
    for record in said.records:
        if record.startswith("# "):
            name, _, value = record.removeprefix("# ").partition(" ")
            headers[name] = value
        elif record.startswith("? "):
            path = path_in_status(record)
            if not hidden.is_relative_to(git.checkout.root / path):
                untracked.append(path)
        else:
            dirty.append(path_in_status(record))
    head, branch = headers["branch.oid"], headers["branch.head"]
    return _Status(
        head=None if head == "(initial)" else CommitId(head),
        branch=None if branch == "(detached)" else branch,
        dirty=tuple(dirty),
        untracked=tuple(untracked),
    )


async def _submodules(git: Git) -> tuple[str, ...]:
    said = await git.run("ls-files", "-s", "-z")
    links = re.findall(rb"(?:^|\0)" + SUBMODULE.encode() + rb" [^\t]+\t([^\0]+)", said.stdout)
    return tuple(os.fsdecode(path) for path in links)


async def _uses_lfs(git: Git) -> bool:
    said = await git.run("ls-files", "-z", "--", ":(attr:filter=lfs)", env={"GIT_LITERAL_PATHSPECS": "0"})
    return bool(said.stdout)


def _without_files(root: Path, *, is_repository: bool, is_bare: bool) -> RepoState:
    return RepoState(
        root=root,
        is_repository=is_repository,
        has_commits=False,
        branch=None,
        head=None,
        dirty=(),
        untracked=(),
        has_identity=False,
        is_bare=is_bare,
    )
