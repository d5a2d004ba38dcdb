"""The project's own words to agents: `AGENTS.md` at the root and in the folders on the way to what an agent works on
(https://agents.md: the nearest one wins). A file that leads out of the tree is not read.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from equitr_coder.adapters.local.paths import Confined, folder_of
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import is_glob, normal

NAME = "AGENTS.md"
_LARGEST = 1_000_000
_MOST_FOLDERS = 50


@frozen
class Instructions:
    path: str
    text: str


def read_instructions(root: Path, footprint: Iterable[str] = ()) -> tuple[Instructions, ...]:
    """The root's first, then those of folders that entries of `footprint` are in, the nearest last."""
    confined = Confined(root)
    found: list[Instructions] = []
    for folder in sorted({"", *(above for entry in footprint for above in _folders(entry))}, key=_depth)[
        :_MOST_FOLDERS
    ]:
        path = f"{folder}/{NAME}" if folder else NAME
        text = _read(confined, path)
        if text is not None and text.strip():
            found.append(Instructions(path, text.strip()))
    return tuple(found)


def _folders(entry: str) -> Iterable[str]:
    """Every folder that all of an entry lies in, itself if it may be one."""
    parts: list[str] = []
    for part in normal(entry).split("/"):
        if part in (".", "..") or is_glob(part):
            return
        parts.append(part)
        yield "/".join(parts)


def _depth(folder: str) -> tuple[int, str]:
    return folder.count("/") + bool(folder), folder


def _read(confined: Confined, path: str) -> str | None:
    try:
        parts = confined.locate(path)
        with folder_of(confined.root, parts) as folder:
            fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    return None
                return file.read(_LARGEST).decode("utf-8", "replace").removeprefix("\ufeff")
    except (OSError, ToolFailure, IndexError):
        return None
