"""Entries of trees and indexes as values, and reading and writing them in git's `-z` formats."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

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


async def changes_between(git: Git, old: str, new: str) -> dict[str, Change]:
    """Path -> what it was and what it is; renames are a deletion and a creation."""
    output = await git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    records = output.records
    found: dict[str, Change] = {}
    for about, path in zip(records[::2], records[1::2], strict=True):
        old_mode, new_mode, old_blob, new_blob, _ = about.removeprefix(":").split(" ")
        found[path] = Change(_entry(old_mode, old_blob), _entry(new_mode, new_blob))
    return found


async def index_entries(git: Git, index: Path) -> dict[str, Entry]:
    """Every entry of an index; of an unmerged one its last stage."""
    output = await git.run("ls-files", "-s", "-z", index=index)
    return {path: Entry(mode, blob) for mode, blob, _, path in _staged(output.records)}


async def unmerged_paths(git: Git, index: Path) -> list[str]:
    output = await git.run("ls-files", "-u", "-z", index=index)
    return [path for _, _, _, path in _staged(output.records)]


async def tree_entries(git: Git, tree: str, paths: Iterable[str] = ()) -> dict[str, Entry]:
    """Every file of a tree, or only those of `paths` that are in it."""
    wanted = tuple(paths)
    # A command line has its limits; a whole tree is one read.
    output = await git.run("ls-tree", "-r", "-z", "--full-tree", tree, "--", *(wanted if len(wanted) < 500 else ()))
    found: dict[str, Entry] = {}
    for record in output.records:
        about, _, path = record.partition("\t")
        mode, _, blob = about.split(" ")
        found[path] = Entry(mode, blob)
    return found


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
