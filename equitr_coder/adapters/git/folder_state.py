"""What stands in a folder, by what the system says of each file: as long as it says the same, it is the same.

The time of the last change (ctime) cannot be set. It has the grain of the system's clock tick, so of what was changed a
moment ago the content is remembered too.
"""

import os
import stat
import time
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from equitr_coder.domain.frozen import frozen

MOST = 1000
"""Files and folders; with more in it git is quicker."""
LARGE = 1 << 20
"""Bytes of a file that is read."""
_ALL = 8 << 20
"""Bytes of all files that are read for one state."""
_KIND = 0o170000
"""The bits of a mode that say what it is (inode(7))."""
_TICK_NS = 50_000_000
"""Longer than any tick: what was changed within it may be changed again without a new time."""

Stamp = tuple[int, int, int, int, int]
"""Mode, size, times of the last writing and of the last change, inode."""


@frozen
class FolderState:
    stamps: Mapping[str, Stamp]
    """Path -> stamp, folders included; of the folder itself, under the empty path, only the mode."""
    recent: Mapping[str, bytes]
    """Path -> digest of what a file held whose times do not tell enough."""

    def is_same(self, path: str, other: "FolderState", root: Path) -> bool:
        """Whether the file is in `other`, observed later in the same folder, what it is here."""
        if self.stamps.get(path) != other.stamps.get(path):
            return False
        return path not in self.recent or self.recent[path] == (other.recent.get(path) or _digest_of(root / path))

    def held(self, path: str, root: Path) -> bytes | None:
        """What the file or link holds that was observed there; None when it is neither, or not the same any more."""
        found = content(root / path)
        try:
            if found is None or _stamp((root / path).lstat()) != self.stamps.get(path):
                return None
        except OSError:
            return None
        return found if path not in self.recent or self.recent[path] == _digest(found) else None

    def written(self, now: "FolderState", root: Path) -> set[str]:
        """Files and links that have come, gone, or are not `now` what they are here."""
        both = self.files() & now.files()
        return (self.files() ^ now.files()) | {path for path in both if not self.is_same(path, now, root)}

    def is_all_same(self, other: "FolderState", root: Path) -> bool:
        return self.stamps == other.stamps and all(self.is_same(path, other, root) for path in self.recent)

    def folders(self) -> set[str]:
        return {path for path, about in self.stamps.items() if path and stat.S_ISDIR(about[0])}

    def files(self) -> set[str]:
        return {path for path, about in self.stamps.items() if not stat.S_ISDIR(about[0])}


def observe(root: Path, *, besides: str = "") -> FolderState | None:
    """The state of `root` without its `.git` and without `besides`; None when there is too much in it, or when
    something cannot be told: it changes just now, or was changed a moment ago and is no file that can be read.
    """
    since = time.time_ns() - _TICK_NS
    stamps: dict[str, Stamp] = {}
    recent: dict[str, bytes] = {}
    to_read = 0
    try:
        stamps[""] = (root.lstat().st_mode, 0, 0, 0, 0)
        pending, top = [""], f"{root}/"
        while pending:
            folder = pending.pop()
            with os.scandir(top + folder) as entries:
                for entry in entries:
                    path = folder + entry.name
                    if path in (".git", besides):
                        continue
                    about = entry.stat(follow_symlinks=False)
                    mode = about.st_mode
                    stamps[path] = _stamp(about)
                    if mode & _KIND == stat.S_IFDIR:
                        pending.append(f"{path}/")
                    elif about.st_ctime_ns > since or about.st_mtime_ns > since:
                        to_read += about.st_size
                        held = content(root / path) if to_read <= _ALL else None
                        if held is None:
                            return None
                        recent[path] = _digest(held)
            if len(stamps) > MOST:
                return None
    except OSError:
        return None
    return FolderState(stamps, recent)


def content(path: Path) -> bytes | None:
    """Of a file what it holds, of a link where it leads; None of anything else, and of what is large."""
    try:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            return os.fsencode(path.readlink())
        if stat.S_ISREG(about.st_mode) and about.st_size <= LARGE:
            return _read(path)
    except OSError:
        return None
    return None


def _read(path: Path) -> bytes:
    """Many small files are read, and a file object costs more than what they hold."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        pieces = [os.read(descriptor, LARGE)]
        while pieces[-1]:
            pieces.append(os.read(descriptor, LARGE))
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _stamp(about: os.stat_result) -> Stamp:
    return (about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)


def _digest_of(path: Path) -> bytes | None:
    found = content(path)
    return None if found is None else _digest(found)


def _digest(held: bytes) -> bytes:
    return blake2b(held, digest_size=16).digest()
