"""Entries of trees and indexes as values, and reading and writing them in git's `-z` formats."""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from equitr_coder.adapters.git.objects import Node, path_of
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.frozen import frozen

LINK: Final = "120000"
EXECUTABLE: Final = "100755"
REGULAR: Final = "100644"
SUBMODULE: Final = "160000"


@frozen
class Entry:
    """A file as git knows it: mode and blob. Where there is none, None stands."""

    mode: str
    blob: str


@frozen
class Change:
    old: Entry | None
    new: Entry | None


_MOST_TREES = 1000
"""Folders that are compared here; where more differ, git itself is quicker."""


def mode_of(mode: int) -> str:
    """As git keeps the mode of a file or link that stands on the disk."""
    if stat.S_ISLNK(mode):
        return LINK
    return EXECUTABLE if mode & stat.S_IXUSR else REGULAR


async def changes_between(git: Git, old: str, new: str) -> dict[str, Change]:
    """Path -> what it was and what it is; renames are a deletion and a creation."""
    if (compared := await compare_trees(git, old, new)) is not None:
        return compared
    output = await git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    records = output.records
    found: dict[str, Change] = {}
    for about, path in zip(records[::2], records[1::2], strict=True):
        old_mode, new_mode, old_blob, new_blob, _ = about.removeprefix(":").split(" ")
        found[path] = Change(_entry(old_mode, old_blob), _entry(new_mode, new_blob))
    return found


async def compare_trees(git: Git, old: str, new: str) -> dict[str, Change] | None:
    """The same from the trees themselves, folder by folder where they differ; None where only git can do it."""
    roots = (await git.objects.tree_of(old), await git.objects.tree_of(new))
    if None in roots:
        return None
    found: dict[str, Change] = {}
    pending: list[tuple[bytes, str | None, str | None]] = [(b"", *roots)] if roots[0] != roots[1] else []
    compared = 0
    while pending:
        compared += len(pending)
        ids = {one for _, *both in pending for one in both if one is not None}
        trees = await git.objects.trees(ids) if compared <= _MOST_TREES else None
        if trees is None:
            return None
        deeper: list[tuple[bytes, str | None, str | None]] = []
        for folder, before, after in pending:
            olds, news = trees[before] if before else {}, trees[after] if after else {}
            for name in olds.keys() | news.keys():
                was, is_now = olds.get(name), news.get(name)
                if was == is_now:
                    continue
                if (change := Change(_file(was), _file(is_now))) != _NOTHING:
                    found[path_of(folder, name)] = change
                if (inside := (_folder(was), _folder(is_now))) != (None, None):
                    deeper.append((folder + name + b"/", *inside))
        pending = deeper
    return {path: found[path] for path in sorted(found, key=os.fsencode)}


_NOTHING = Change(None, None)


def _file(node: Node | None) -> Entry | None:
    return None if node is None or node.is_folder else Entry(node.mode, node.object_id)


def _folder(node: Node | None) -> str | None:
    return node.object_id if node is not None and node.is_folder else None


async def index_entries(git: Git, index: Path) -> dict[str, Entry]:
    """Every entry of an index; of an unmerged one its last stage."""
    output = await git.run("ls-files", "-s", "-z", index=index)
    return {path: Entry(mode, blob) for mode, blob, _, path in _staged(output.records)}


async def unmerged_paths(git: Git, index: Path) -> list[str]:
    output = await git.run("ls-files", "-u", "-z", index=index)
    return [path for _, _, _, path in _staged(output.records)]


async def tree_entries(git: Git, tree: str, paths: Iterable[str] = ()) -> dict[str, Entry]:
    """Every file of a tree, or of `paths` those that are files of it (where git itself looks, also what lies in folders
    that they name).
    """
    wanted = tuple(paths)
    if wanted and (named := await _named(git, tree, wanted)) is not None:
        return named
    # A command line has its limits; a whole tree is one read.
    output = await git.run("ls-tree", "-r", "-z", "--full-tree", tree, "--", *(wanted if len(wanted) < 500 else ()))
    found: dict[str, Entry] = {}
    for record in output.records:
        about, _, path = record.partition("\t")
        mode, _, blob = about.split(" ")
        found[path] = Entry(mode, blob)
    return found


async def _named(git: Git, tree: str, paths: Sequence[str]) -> dict[str, Entry] | None:
    """Those of `paths` that are files of the tree, by going down to each; None where git must look."""
    root = await git.objects.tree_of(tree)
    if root is None or len(paths) > _MOST_TREES or not all(map(is_plain_path, paths)):
        return None
    found: dict[str, Entry] = {}
    for path in paths:
        here: str | None = root
        entry: Node | None = None
        for name in os.fsencode(path).split(b"/"):
            if here is None:
                entry = None
                break
            trees = await git.objects.trees((here,))
            if trees is None:
                return None
            entry = trees[here].get(name)
            here = _folder(entry)
        if (file := _file(entry)) is not None:
            found[path] = file
    return found


def is_plain_path(path: str) -> bool:
    """Whether a tree can hold it under this name, and no other."""
    return all(part not in {"", ".", ".."} and part.lower() != ".git" for part in path.split("/"))


def parents(path: str) -> Iterable[str]:
    """The folders above it, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def is_beyond_link(root: Path, path: str) -> bool:
    return any((root / parent).is_symlink() for parent in parents(path))


async def put_entries(git: Git, index: Path, entries: Mapping[str, Entry | None]) -> None:
    """Set entries of an index, or take them out; files are not looked at."""
    if not entries:
        return
    null_id = (await git.configuration()).null_id
    # Removals first: an entry `a` and an entry `a/b` cannot stand together.
    ordered = sorted(entries.items(), key=lambda item: item[1] is not None)
    lines = b"".join(
        (f"{entry.mode} {entry.blob}\t" if entry else f"0 {null_id}\t").encode() + os.fsencode(path) + b"\0"
        for path, entry in ordered
    )
    await git.run("update-index", "--add", "--replace", "-z", "--index-info", index=index, stdin=lines)


def nul_separated(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _entry(mode: str, blob: str) -> Entry | None:
    return None if mode == "000000" else Entry(mode, blob)


def _staged(records: Iterable[str]) -> Iterable[tuple[str, str, str, str]]:
    for record in records:
        about, _, path = record.partition("\t")
        mode, blob, stage = about.split(" ")
        yield mode, blob, stage, path
