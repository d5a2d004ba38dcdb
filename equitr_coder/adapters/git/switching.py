"""A worktree of ours brought from one known tree to another that differs in a few files, without a git for it.

It leaves what `git read-tree --reset -u` leaves, the index included. Only where nothing but names and bytes decides
what stands in the files; everything else, and every doubt, is git's.
"""

import os
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from equitr_coder.adapters.git.entries import EXECUTABLE, REGULAR, SUBMODULE, Entry
from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.folder_state import Stamp
from equitr_coder.adapters.git.index_file import IndexEntry, raw_entry, read_index, write_index
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.threads import unbroken
from equitr_coder.adapters.git.written_files import is_plain

MOST = 40
"""Files; of more git is asked."""
_ALL = 8 << 20
"""Bytes of all files that are written."""


async def switch(
    git: Git,
    files: FileOps,
    *,
    there: Mapping[str, Entry],
    stamps: Mapping[str, Stamp],
    filled: Mapping[str, Entry],
    wanted: Mapping[str, Entry],
) -> bool:
    """Make the files, which are exactly `there`, and the index, which is `filled`, those of `wanted`; False when git
    must do it, and nothing has been touched.

    A file stays where it is only when nothing has been done to it since it was checked out, by its stamp: what a
    command made of its mode, its times or its links is in no tree, and would be in no other checkout.

    Raises:
        OSError: it broke off; neither is known any more.
    """
    id_letters = len((await git.configuration()).null_id)
    index = _index_of(git, filled, id_letters)
    if index is None:
        return False
    touched = {
        path
        for path in there.keys() | filled.keys() | wanted.keys()
        if not there.get(path) == filled.get(path) == wanted.get(path)
        or not index[os.fsencode(path)].is_of(stamps[path])
    }
    if not touched:
        return True
    if len(touched) > MOST or not await _is_plain(git, touched, there, filled, wanted):
        return False
    written = sorted(touched & wanted.keys())
    blobs = await git.objects.read([wanted[path].blob for path in written], most=_ALL)
    if blobs is None or any(blob is None or blob.kind != "blob" for blob in blobs):
        return False
    contents = {path: blob.content for path, blob in zip(written, blobs, strict=True) if blob is not None}
    raw = {name: one.raw for name, one in index.items() if os.fsdecode(name) not in touched}
    root = git.checkout.root

    def carry_out() -> None:
        for path in touched & there.keys():
            files.delete_tracked(root / path, below=root)
        for path, content in contents.items():
            _write_new(files, root, path, content, is_executable=wanted[path].mode == EXECUTABLE)
        for path in written:
            name = os.fsencode(path)
            raw[name] = raw_entry(name, wanted[path], (root / path).lstat())
        files.replace_index(git.checkout.index, write_index(raw, id_letters))

    await unbroken(carry_out)
    return True


async def _is_plain(git: Git, paths: Collection[str], *states: Mapping[str, Entry]) -> bool:
    configuration = await git.configuration()
    if "core.sharedrepository" in configuration.values or not is_plain(git, configuration, paths):
        return False
    *_, wanted = states
    if any(path in wanted and wanted[path].mode not in (REGULAR, EXECUTABLE) for path in paths):
        return False
    return not any(entry.mode == SUBMODULE for state in states for entry in state.values())


def _index_of(git: Git, filled: Mapping[str, Entry], id_letters: int) -> Mapping[bytes, IndexEntry] | None:
    try:
        data = git.checkout.index.read_bytes()
    except OSError:
        return None
    index = read_index(data, id_letters)
    expected = {os.fsencode(path): entry for path, entry in filled.items()}
    return index if index is not None and {path: one.entry for path, one in index.items()} == expected else None


def _write_new(files: FileOps, root: Path, path: str, content: bytes, *, is_executable: bool) -> None:
    """In folders as new ones are."""
    target = root / path
    if not target.parent.is_dir():
        usual = stat.S_IMODE(root.parent.stat().st_mode)
        for folder in reversed([folder for folder in target.parents if folder.is_relative_to(root)]):
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(usual)
    files.check_out(target, content, is_executable=is_executable)
