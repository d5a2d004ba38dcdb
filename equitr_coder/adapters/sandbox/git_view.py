"""What a command sees of git: everything readable, nothing writable, no password in a remote's address.

The `.git` of a checkout is guarded because the host's git obeys whatever it says (hooks, `core.fsmonitor`).
"""

import os
import re
from pathlib import Path

from equitr_coder.adapters.sandbox.mounts import Mount, expose, is_inside
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import Place

NEUTRAL = "/tmp/.equitr-git"  # noqa: S108 - inside the sandbox, where /tmp is private
"""Where the git directory stands when its own place is taken by the tree under test."""

_POINTER = "gitdir: "
_SECRET_LINE = re.compile(r"(?im)^\s*(extraheader|password|.*token|.*secret\w*)\s*=.*$")
_SECRET_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")


def git_mounts(place: Place, roots: tuple[str, ...], *, hidden: tuple[str, ...]) -> list[Mount]:
    """The mounts for `.git` of the tree that stands at every one of `roots`.

    Raises:
        UserError: `.git` is a symbolic link, which cannot be guarded.
    """
    dot = place.root / ".git"
    if dot.is_symlink():
        raise _is_a_link(dot)
    if dot.is_dir():
        mounts = [Mount("read", f"{root}/.git", str(dot)) for root in roots]
        for root in roots:
            mounts += _without_secrets(dot, f"{root}/.git")
        return [*mounts, *_alternates(dot, hidden), *_submodules(place.root, roots)]
    if not dot.is_file():
        return [Mount("empty", f"{root}/.git") for root in roots]
    admin = _pointed_at(dot)
    common = _common_of(admin)
    is_covered = any(is_inside(str(common), root) for root in roots)
    seen_at = NEUTRAL if is_covered else str(common)
    mounts = [Mount("read", NEUTRAL, str(common))] if is_covered else expose(str(common), hidden=hidden)
    if is_inside(str(common), str(place.root)):
        mounts += [Mount("read", root + str(common)[len(str(place.root)) :], str(common)) for root in roots]
    inner = admin.relative_to(common) if admin.is_relative_to(common) else None
    pointer = str(admin) if inner is None else str(Path(seen_at) / inner)
    if inner is None:
        mounts += expose(str(admin), hidden=hidden)
    mounts += [Mount("text", f"{root}/.git", f"{_POINTER}{pointer}\n") for root in roots]
    return [*mounts, *_without_secrets(common, seen_at), *_alternates(common, hidden), *_submodules(place.root, roots)]


def git_folders(place: Place) -> list[Path]:
    """Outside the tree: its git directory, the repository's, and whose objects that borrows.

    Raises:
        UserError: `.git` is a symbolic link.
    """
    dot = place.root / ".git"
    if dot.is_symlink():
        raise _is_a_link(dot)
    if not dot.is_file():
        return []
    admin = _pointed_at(dot)
    common = _common_of(admin)
    return [admin, common, *(Path(mount.source) for mount in _alternates(common, ("/",)) if mount.source)]


def without_secrets(config: str) -> str:
    """A git configuration with user names, passwords and tokens taken out."""
    return _SECRET_IN_URL.sub("", _SECRET_LINE.sub("", config))


def _is_a_link(dot: Path) -> UserError:
    return UserError(
        f"{dot} is a symbolic link; commands cannot be confined there.",
        hint="Work in a clone with an ordinary .git, or set sandbox.mode to off and approve each command.",
    )


def _pointed_at(dot: Path) -> Path:
    text = dot.read_text(encoding="utf-8", errors="surrogateescape").strip()
    return Path(os.path.realpath(dot.parent / text.removeprefix(_POINTER)))


def _common_of(admin: Path) -> Path:
    try:
        relative = (admin / "commondir").read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return admin
    return Path(os.path.realpath(admin / relative))


def _without_secrets(git_dir: Path, at: str) -> list[Mount]:
    mounts = []
    for name in ("config", "config.worktree"):
        try:
            config = (git_dir / name).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        shown = without_secrets(config)
        if shown != config:
            mounts.append(Mount("text", f"{at}/{name}", shown))
    return mounts


def _alternates(git_dir: Path, hidden: tuple[str, ...]) -> list[Mount]:
    try:
        lines = (git_dir / "objects/info/alternates").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [mount for line in lines if line.startswith("/") for mount in expose(line, hidden=hidden)]


def _submodules(root: Path, roots: tuple[str, ...]) -> list[Mount]:
    """The pointer files of submodules, guarded as well: git on the host follows them."""
    try:
        modules = (root / ".gitmodules").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    found = []
    for path in re.findall(r"(?m)^\s*path\s*=\s*(.+?)\s*$", modules):
        folder = Path(path)
        dot = root / folder / ".git"
        if folder.is_absolute() or ".." in folder.parts or dot.is_symlink() or not dot.exists():
            continue
        # What is mounted on cannot be renamed; with its folder renamed, the pointer could be made anew.
        above = [folder, *list(folder.parents)[:-1]]
        found += [Mount("write", f"{at}/{step}", str(root / step)) for at in roots for step in above]
        found += [Mount("read", f"{at}/{folder}/.git", str(dot)) for at in roots]
    return found
