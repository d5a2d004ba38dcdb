"""The content of a folder as a tree, and a worktree made equal to a tree, by an index of our own for each checkout.

The private index lives under the home folder and starts as a copy of the checkout's own, so that an unchanged file
costs a stat. Plumbing only: `git add` and a plain `git status` would run commands out of the configuration of a
repository that an agent made inside its worktree.
"""

import filecmp
import os
import re
import stat
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from equitr_coder.adapters.git.attributes import has_attributes
from equitr_coder.adapters.git.entries import (
    SUBMODULE,
    index_entries,
    is_beyond_link,
    mode_of,
    nul_separated,
    parents,
    put_entries,
    unmerged_paths,
)
from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.file_lock import locked
from equitr_coder.adapters.git.files import copy_file, make_writable
from equitr_coder.adapters.git.inspection import ignored
from equitr_coder.adapters.git.known_files import KnownFiles, exists, holds, is_loose
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TreeId

LARGE = 50 * 1024 * 1024
"""An untracked file of the user's above this many bytes is no part of a checkpoint."""

_ATTEMPTS = 3
_MOST_COMPARED = 200
"""Files that git has converted and that are compared with what it would check out; of more it is believed."""
_NONE = "none"
_PATTERN_CHARACTERS = re.compile(r"[*?\[\\]")
_ESCAPED = r"\\\g<0>"


@frozen
class Listing:
    """What differs between an index and the files: `others` are in no index, `changed` are (deleted ones included)."""

    others: tuple[str, ...]
    nested: tuple[str, ...]
    """Repositories inside the folder."""
    changed: tuple[str, ...]


class Snapshots:
    """Snapshots of the user's checkout and of worktrees. `home` is where the private indexes live."""

    def __init__(self, home: Path, known: KnownFiles) -> None:
        self._home = home
        self._known = known

    def folder(self, git: Git) -> Path:
        return self._home / "git" / git.checkout.key

    async def take(self, git: Git, *, is_ours: bool, also: Collection[str] = (), by_index: bool = False) -> TreeId:
        """Tree of all tracked and all untracked, not ignored files, and of those files of `also` that are ignored.

        A repository inside a worktree of ours (`is_ours`) is taken as the plain files it holds; inside the user's
        checkout it is somebody else's history and stays out, and so do huge untracked files.

        With `by_index` the index of our own holds the same, for `change`.
        """
        known, state = await self._known.tree(git, is_ours=is_ours, also=also)
        if known is not None and not by_index and await exists(git, known):
            return TreeId(known)
        tree = await self._take(git, is_ours=is_ours, also=also)
        await self._known.note(git, state, tree, is_ours=is_ours, also=also)
        return tree

    async def _take(self, git: Git, *, is_ours: bool, also: Collection[str]) -> TreeId:
        async with self._index(git) as (index, held):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    if attempt == 1:
                        await self._catch_up(held, index)
                    changed = await self._stage(held, index, is_ours=is_ours, also=also, is_retry=attempt > 1)
                    return await self._tree_of_index(held, index, is_unchanged=not changed)
                except (GitError, UserError):
                    # A file that vanished or grew while git read it, or an index or a tree before it that names
                    # pruned objects.
                    if attempt == _ATTEMPTS:
                        raise
                    _forget(index)
                    _seed(held, index, None)
        raise AssertionError

    async def _catch_up(self, git: Git, index: Path) -> None:
        missed = await self._known.missed(git)
        if missed:
            index.with_name("tree").unlink(missing_ok=True)
            await put_entries(git, index, missed)

    async def restore(self, git: Git, tree: str) -> None:
        """Make the files equal `tree`. Ignored files stay; everything else that is not in it goes."""
        self._known.forget(git.checkout)
        async with self._index(git) as (index, held):
            try:
                index.with_name("tree").unlink(missing_ok=True)
                await replace_files(held, tree, index=index, clean="-ffdq")
            except (GitError, UserError):
                _forget(index)
                await replace_files(held, tree, index=index, clean="-ffdq")

    async def change(self, git: Git, tree: str) -> None:
        """After a snapshot by the index: make the files that it holds those of `tree`. What it did not hold is not
        touched.
        """
        self._known.forget(git.checkout)
        async with self._index(git) as (index, held):
            index.with_name("tree").unlink(missing_ok=True)
            await replace_files(held, tree, index=index, clean=None)

    @asynccontextmanager
    async def _index(self, git: Git) -> AsyncIterator[tuple[Path, Git]]:
        folder = self.folder(git)
        async with locked(folder / "lock") as descriptor:
            index = folder / "index"
            # We hold the lock and every git of ours holds it with us: this one is left from a killed git.
            index.with_name("index.lock").unlink(missing_ok=True)
            _seed(git, index, self._known.filled_with(git.checkout))
            yield index, git.holding(descriptor)

    async def _stage(self, git: Git, index: Path, *, is_ours: bool, also: Collection[str], is_retry: bool) -> bool:
        """Put every difference into the index; False when there was none."""
        await _change_also(git, index, also)
        listing = await self._differences(git, index)
        unmerged = await unmerged_paths(git, index) if is_retry else ()
        others = [path for path in listing.others if is_ours or not _is_large(git.checkout.root / path)]
        if is_ours:
            for nested in listing.nested:
                others += await _files_of_nested(git, nested)
        same = await _stand_as_recorded(git, index, [path for path in listing.changed if path not in unmerged])
        changed = tuple(dict.fromkeys(path for path in (*listing.changed, *unmerged) if path not in same))
        listed = {*others, *listing.changed, *unmerged}
        others += [path for path in also if path not in listed and _can_be_added(git.checkout.root, path)]
        fed, gone = await _sort_out(git, index, changed=changed, others=others)
        if fed or gone:
            index.with_name("tree").unlink(missing_ok=True)
        await put_entries(git, index, dict.fromkeys(gone))
        if fed:
            await git.run(
                "update-index", "-z", "--add", "--remove", "--replace", "--stdin", index=index,
                stdin=nul_separated(fed),
            )  # fmt: skip
        return bool(fed or gone)

    async def _differences(self, git: Git, index: Path) -> Listing:
        arguments = ["ls-files", "-z", "-t", "--others", "--modified", "--exclude-standard"]
        if self._home.is_relative_to(git.checkout.root):
            inside = self._home.relative_to(git.checkout.root).as_posix()
            arguments.append(f"--exclude=/{re.sub(_PATTERN_CHARACTERS, _ESCAPED, inside)}/")
        others, nested, changed = [], [], []
        for record in (await git.run(*arguments, index=index)).records:
            tag, path = record[0], record[2:]
            if tag != "?":
                changed.append(path)
            elif path.endswith("/"):
                nested.append(path)
            else:
                others.append(path)
        return Listing(tuple(others), tuple(nested), tuple(changed))

    async def _tree_of_index(self, git: Git, index: Path, *, is_unchanged: bool) -> TreeId:
        remembered = index.with_name("tree")
        if is_unchanged and (known := _read(remembered)) and is_loose(git, known):
            return TreeId(known)
        tree = (await git.run("write-tree", index=index)).line
        remembered.write_text(tree)
        return TreeId(tree)


async def replace_files(git: Git, tree: str, *, index: Path | None, clean: str | None) -> None:
    """Check `tree` out over whatever is there and, with `clean` (flags of git-clean), remove what is in no index.

    Only for worktrees of ours: nothing there is spared.
    """

    async def once() -> None:
        # Our trees are complete, also in a repository whose own checkout is sparse.
        await git.run("read-tree", "--reset", "-u", tree, index=index, config=[("core.sparseCheckout", "false")])
        if clean is not None:
            await git.run("clean", clean, index=index)

    try:
        await once()
    except (GitError, UserError):
        make_writable(git.checkout.root)
        await once()


def _seed(git: Git, index: Path, tree: str | None) -> None:
    """Copy the checkout's own index (made from `tree`, when that is known) if it is not the one last copied."""
    source, stamp = git.checkout.index, index.with_name("seed")
    current = _stamp(git)
    if current == _read(stamp):
        return
    _forget(index)
    if current != _NONE:
        copy_file(source, index)
    if tree is not None:
        index.with_name("tree").write_text(tree)
    stamp.write_text(current)


def _stamp(git: Git) -> str:
    """Changes with the checkout's own index."""
    try:
        found = git.checkout.index.stat()
    except FileNotFoundError:
        return _NONE
    return f"{git.checkout.index} {found.st_mtime_ns} {found.st_size} {found.st_ino}"


def _forget(index: Path) -> None:
    for name in ("seed", "tree", "also", "index", "index.lock"):
        index.with_name(name).unlink(missing_ok=True)


async def _change_also(git: Git, index: Path, also: Collection[str]) -> None:
    """Ignored files that one snapshot held are no part of the next, which may be another run's or a first commit."""
    noted = index.with_name("also")
    before, now = [path for path in _read(noted).split("\0") if path], sorted(also)
    if before == now:
        return
    dropped = await ignored(git, set(before) - set(now))
    if dropped:
        index.with_name("tree").unlink(missing_ok=True)
        await put_entries(git, index, dict.fromkeys(dropped))
    # Before git puts them into the index: killed in between, they are noted.
    noted.write_text("\0".join(now), encoding="utf-8", errors="surrogateescape", newline="")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def _is_large(path: Path) -> bool:
    try:
        return path.lstat().st_size > LARGE
    except OSError:
        return False


async def _stand_as_recorded(git: Git, index: Path, paths: Collection[str]) -> Collection[str]:
    """Of the files that git calls changed those that stand as it would check them out, or hold what is recorded byte
    for byte: it would record them in another way because of attributes that came after them, which is nobody's change.
    """
    root, configuration = git.checkout.root, await git.configuration()
    if not paths or not (configuration.converts_lines or has_attributes(git.checkout, configuration, paths)):
        return ()
    recorded = await index_entries(git, index)
    modes = {path: mode for path in paths if path in recorded and (mode := _mode(root / path)) is not None}
    there = {path: mode for path, mode in modes.items() if not is_beyond_link(root, path)}
    same = {path for path, mode in there.items() if holds(root / path, mode, recorded[path])}
    rest = [
        path
        for path, mode in there.items()
        if path not in same and stat.S_ISREG(mode) and mode_of(mode) == recorded[path].mode
    ]
    if not rest or len(rest) > _MOST_COMPARED:
        return same
    with TemporaryDirectory(prefix="equitr-") as folder:
        with suppress(GitError, UserError):  # a filter that fails: git itself reads the file, or says so
            await git.run(
                "checkout-index", "-q", "-z", "--stdin", f"--prefix={folder}/", index=index, stdin=nul_separated(rest)
            )
        return same | {path for path in rest if _are_equal(Path(folder) / path, root / path)}


def _are_equal(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


async def _sort_out(
    git: Git, index: Path, *, changed: Sequence[str], others: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Paths to read from disk, and paths that are gone though something stands there: a folder, a device, or a link
    above them.

    Submodules are left as they are recorded: what an agent does in their folder is no change of this repository.
    """
    root = git.checkout.root
    replaced = set(others)
    suspects = {path for path in changed if not _is_plain(root / path)}
    if suspects:
        recorded = await index_entries(git, index)
        submodules = {path for path in suspects if path in recorded and recorded[path].mode == SUBMODULE}
    else:
        submodules = set()
    fed, gone = list(others), []
    for path in changed:
        if path in submodules or any(parent in replaced for parent in parents(path)):
            continue  # `--replace` takes out what lies under a new file
        if is_beyond_link(root, path) or _is_no_file(root / path):
            gone.append(path)
        else:
            fed.append(path)
    return fed, gone


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except OSError:
        return None


def _can_be_added(root: Path, path: str) -> bool:
    return _is_plain(root / path) and not is_beyond_link(root, path) and not _is_large(root / path)


def _is_plain(path: Path) -> bool:
    mode = _mode(path)
    return mode is not None and (stat.S_ISREG(mode) or stat.S_ISLNK(mode))


def _is_no_file(path: Path) -> bool:
    return _mode(path) is not None and not _is_plain(path)


async def _files_of_nested(git: Git, folder: str) -> list[str]:
    """Files of a repository inside a worktree that the outer one does not ignore, without its `.git`."""
    found: list[str] = []
    for where, folders, names in os.walk(git.checkout.root / folder):
        folders[:] = [name for name in folders if name != ".git"]
        inside = Path(where).relative_to(git.checkout.root)
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        found += [(inside / name).as_posix() for name in (*names, *links) if name != ".git"]
    kept = [path for path in found if _is_plain(git.checkout.root / path)]
    if not kept:
        return []
    ignored = await git.run(
        "check-ignore", "-z", "--stdin", "--no-index",
        # `./` because this command alone cannot be told to take names literally.
        stdin=nul_separated(f"./{path}" for path in kept), env={"GIT_LITERAL_PATHSPECS": "0"}, accept=(0, 1),
    )  # fmt: skip
    skipped = set(ignored.records)
    return [path for path in kept if f"./{path}" not in skipped]
