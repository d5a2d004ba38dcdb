"""Puts files of a tree into a checkout of the user's: each whole or not at all, and only over what was expected there.

Git itself writes a file piece by piece; killed in between it leaves half of one. So git writes into a staging folder,
with all its conversions, and each file is then moved to its place.
"""

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from equitr_coder.adapters.git.entries import Entry, nul_separated
from equitr_coder.adapters.git.files import FileOps, prune_empty
from equitr_coder.adapters.git.runner import Git

Stamp = tuple[int, int, int, int, int] | None
"""What lstat says of a file, as far as a change of it shows; None when there is none."""


class DisturbedError(Exception):
    """A file is not what it was when it was looked at; it has been left alone."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def stamp(path: Path) -> Stamp:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)


def stamps(root: Path, paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: stamp(root / path) for path in paths}


def staging_name(git: Git, name: str) -> Path:
    """Where to stage: in the git directory, out of sight, unless that is another disk than the files."""
    checkout = git.checkout
    if checkout.git_dir.stat().st_dev == checkout.root.stat().st_dev:
        return checkout.git_dir / name
    return checkout.root / f".{name}"


async def stage(git: Git, files: FileOps, folder: Path, *, tree: str, paths: Collection[str]) -> None:
    """Write `paths` of `tree` into `folder`, as git would check them out with the attributes of that tree."""
    files.make_empty(folder)
    files.make_empty(files_in(folder))
    if paths:
        index = folder / "index"
        await git.run("read-tree", tree, index=index)
        inside = git.with_files_in(files_in(folder))
        await inside.run("checkout-index", "-q", "-z", "--stdin", index=index, stdin=nul_separated(paths))


def files_in(staged: Path) -> Path:
    """Below it the staged files have their own paths."""
    return staged / "files"


def put_in_place(
    files: FileOps, root: Path, staged: Path, *, wanted: Mapping[str, Entry | None], expected: Mapping[str, Stamp]
) -> None:
    """All of them, in order.

    Raises:
        DisturbedError: a file changed since `expected` was taken. Earlier ones are already in place.
    """
    for path in in_order(wanted):
        put_one(files, root, staged, path=path, entry=wanted[path], expected=expected[path])


def in_order(wanted: Mapping[str, Entry | None]) -> list[str]:
    """Deletions first, so that a file may become a folder and the other way round."""
    gone = sorted((path for path, entry in wanted.items() if entry is None), reverse=True)
    return gone + sorted(path for path, entry in wanted.items() if entry is not None)


def put_one(files: FileOps, root: Path, staged: Path, *, path: str, entry: Entry | None, expected: Stamp) -> None:
    """One file to its place, or away. Raises DisturbedError when it is not what `expected` says."""
    if stamp(root / path) != expected:
        raise DisturbedError(path)
    if entry is None:
        files.delete_tracked(root / path, below=root)
    else:
        files.put(files_in(staged) / path, root / path)


def obstacle(root: Path, path: str, *, ours: Collection[str]) -> str:
    """What of the user's stands where a file is to be created: a path, or empty. `ours` are tracked paths that go."""
    parents = list(Path(path).parents)[-2::-1]
    for parent in parents:
        mode = _mode(root / parent)
        if mode is None:
            return ""
        if not stat.S_ISDIR(mode):
            return "" if parent.as_posix() in ours else parent.as_posix()
    mode = _mode(root / path)
    if mode is None:
        return ""
    if not stat.S_ISDIR(mode):
        return "" if path in ours else path
    return next((inside for inside in _files_below(root, path) if inside not in ours), "")


def _files_below(root: Path, folder: str) -> Iterable[str]:
    for where, folders, names in os.walk(root / folder):
        inside = Path(where).relative_to(root)
        links = (name for name in folders if (Path(where) / name).is_symlink())
        yield from ((inside / name).as_posix() for name in (*names, *links))
        if ".git" in folders:
            yield (inside / ".git").as_posix()


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def forget_empty_parents(root: Path, paths: Iterable[str]) -> None:
    """Folders that a killed deletion left empty."""
    for path in paths:
        if not os.path.lexists((root / path).parent):
            continue
        prune_empty((root / path).parent, below=root)
