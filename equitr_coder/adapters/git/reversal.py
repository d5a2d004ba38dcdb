"""Takes an agent's changes back out of the user's checkout: each file that is still as the agent left it."""

import secrets
import stat
from pathlib import Path

from equitr_coder.adapters.git.entries import EXECUTABLE, LINK, SUBMODULE, Change, Entry, changes_between
from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.inspection import ignored
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.snapshots import Snapshots
from equitr_coder.adapters.git.writing import (
    DisturbedError,
    Stamp,
    files_in,
    in_order,
    obstacle,
    put_one,
    stage,
    staging_name,
    stamps,
)


async def take_back(
    git: Git, files: FileOps, snapshots: Snapshots, *, from_tree: str, to_tree: str, is_ours: bool
) -> list[str]:
    """Paths that were left alone: changed since `from_tree`, or something else stands there.

    Who may read and write a file stays as it is; one that git ignores (a secret, as a rule) comes back for its owner
    alone.
    """
    root = git.checkout.root
    changes = await changes_between(git, from_tree, to_tree)
    expected = stamps(root, changes)
    now = await snapshots.take(git, is_ours=is_ours, also=changes)
    since = await changes_between(git, from_tree, now)
    going = {path for path, change in changes.items() if change.new is None and path not in since}
    wanted: dict[str, Entry | None] = {}
    left: list[str] = []
    for path, change in changes.items():
        if path in since:
            if since[path].new != change.new:
                left.append(path)
        elif _is_submodule(change) or (change.old is None and obstacle(root, path, ours=going)):
            left.append(path)
        else:
            wanted[path] = change.new
    private = await ignored(git, [path for path, entry in wanted.items() if entry and expected[path] is None])
    staged = staging_name(git, f"equitr-{secrets.token_hex(8)}")
    try:
        await stage(git, files, staged, tree=to_tree, paths=[path for path, entry in wanted.items() if entry])
        for path in in_order(wanted):
            try:
                _narrow(files_in(staged) / path, entry=wanted[path], before=expected[path], is_private=path in private)
                put_one(files, root, staged, path=path, entry=wanted[path], expected=expected[path])
            except (DisturbedError, OSError):
                left.append(path)
    finally:
        files.clear(staged)
    return sorted(left)


def _narrow(staged: Path, *, entry: Entry | None, before: Stamp, is_private: bool) -> None:
    """Git keeps of a file's mode only whether it is executable."""
    if entry is None or entry.mode == LINK or not (before or is_private):
        return
    readers = stat.S_IMODE(before[4]) & 0o666 if before else 0o600
    runners = (readers & 0o444) >> 2 if entry.mode == EXECUTABLE else 0
    staged.chmod(readers | runners)


def _is_submodule(change: Change) -> bool:
    return SUBMODULE in {entry.mode for entry in (change.old, change.new) if entry}
