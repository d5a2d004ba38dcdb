"""The file system a command sees, as values: what is mounted where, in which order, and what it needs to stand on.

Asks the host only whether a path exists and where its links lead.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from equitr_coder.domain.frozen import frozen

Kind = Literal["hide", "empty", "read", "write", "text", "link"]

_MAX_LINKS = 40


@frozen
class Mount:
    """One thing put at the absolute path `at`.

    `hide`: a fresh private folder. `empty`: a folder nobody can write. `read`, `write`: the host path `source`.
    `text`: a read-only file that holds `source`. `link`: a symbolic link to `source`.
    """

    kind: Kind
    at: str
    source: str = ""

    @property
    def shows_itself(self) -> bool:
        """Whether the host's own path stands there, so that everything below it does too."""
        return self.kind in ("read", "write") and self.source == self.at


ROOT = Mount("read", "/", "/")


@frozen
class Arrangement:
    mounts: tuple[Mount, ...]
    """Parents before children."""
    points: tuple[Path, ...]
    """Folders of the tree that must exist on the host while the mounts stand."""


def is_inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it. Both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def arrange(mounts: Iterable[Mount], *, root: Path) -> Arrangement:
    """Order the mounts; of several at one place the last wins.

    A mount point may be made only in `root`, and only as an empty folder. What cannot stand anywhere is left out, and
    so is what is there already.
    """
    by_place = {"/": ROOT} | {mount.at: mount for mount in mounts}
    kept: dict[str, Mount] = {}
    points: list[Path] = []
    for at in sorted(by_place, key=_depth_first):
        mount = by_place[at]
        under = _nearest(kept, at)
        if under is None:
            kept[at] = mount
            continue
        if _is_there_already(mount, under):
            continue
        if under.kind in ("read", "write"):
            beneath = _beneath(under, at)
            if _passes_link(beneath, under.source):
                continue
            is_folder = mount.kind in ("hide", "empty") or (mount.kind != "text" and Path(mount.source).is_dir())
            if is_folder and is_inside(str(beneath), str(root)) and beneath != root:
                points.append(beneath)
            elif not beneath.exists():
                continue
        kept[at] = mount
    return Arrangement(tuple(kept.values()), tuple(dict.fromkeys(points)))


def standing_at(path: str, mounts: Sequence[Mount]) -> Mount:
    """The mount of an arrangement that decides what is at `path`."""
    return _nearest({mount.at: mount for mount in mounts}, path, itself=True) or ROOT


def expose(path: str, *, hidden: Sequence[str]) -> list[Mount]:
    """Make a host path readable again below folders that are hidden, with every link on the way to it.

    Nothing for a path that is not hidden, does not exist, or would open a hidden folder as a whole.
    """
    found: list[Mount] = []
    done, rest, links = "", _parts(path), 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        step = f"{done}/{part}"
        try:
            target = os.readlink(step)  # noqa: PTH115 - asked before every command, as all of this
        except OSError:
            done = step
            continue
        links += 1
        if links > _MAX_LINKS:
            return []
        if _is_hidden(step, hidden):
            found.append(Mount("link", step, target))
        if target.startswith("/"):
            done = ""
        rest = [*_parts(target), *rest]
    real = done or "/"
    opens_hidden = any(is_inside(folder, real) for folder in hidden)
    if not _is_hidden(real, hidden) or opens_hidden or not os.path.exists(real):  # noqa: PTH110
        return found if os.path.exists(real) and not opens_hidden else []  # noqa: PTH110
    return [*found, Mount("read", real, real)]


def _depth_first(at: str) -> list[str]:
    return at.split("/") if at != "/" else [""]


def _nearest(mounts: dict[str, Mount], path: str, *, itself: bool = False) -> Mount | None:
    """Of what stands at `path` (absolute and normal) or above it; text, because it is asked for every mount."""
    here = path if itself else _above(path)
    while here:
        if (found := mounts.get(here)) is not None:
            return found
        here = _above(here)
    return None


def _above(path: str) -> str:
    """The folder that holds it; empty for the root."""
    return path.rpartition("/")[0] or ("/" if path != "/" else "")


def _is_there_already(mount: Mount, under: Mount) -> bool:
    """Only under a read-only mount: what is read-only inside a writable one must be put there."""
    if under.kind != "read" or not under.shows_itself:
        return False
    return mount.kind == "link" or (mount.kind == "read" and mount.shows_itself)


def _beneath(under: Mount, at: str) -> Path:
    return Path(under.source, at.removeprefix(under.at).lstrip("/"))


def _passes_link(path: Path, stop: str) -> bool:
    """Whether a link stands at `path` or between it and `stop`: a mount there would land somewhere else."""
    step = str(path)
    while not os.path.islink(step):  # noqa: PTH114
        if step in (stop, "/"):
            return False
        step = _above(step)
    return True


def _is_hidden(path: str, hidden: Sequence[str]) -> bool:
    return any(is_inside(path, folder) for folder in hidden)
