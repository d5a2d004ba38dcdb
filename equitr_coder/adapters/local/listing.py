"""The files of a folder: in a repository what git tracks or would offer to, elsewhere a walk without the usual bulk and
without what a `.gitignore` there takes out. `.equitrignore` takes out more, everywhere.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from equitr_coder.adapters.local.ignores import GITS, OWN, Ignores
from equitr_coder.adapters.local.processes import run_process
from equitr_coder.domain.frozen import frozen

SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".nox"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".gradle", ".terraform"}
)
_GIT_SECONDS = 60.0
_LISTING_CAP = 256_000_000


@frozen
class Listed:
    path: str
    size: int
    is_regular: bool
    """False for links."""


async def git_listing(git: str, root: Path, folder: str, *, env: Mapping[str, str]) -> list[str] | None:
    """Tracked and untracked paths below `folder`, ignored ones left out; None when git does not know the folder.
    `.equitrignore` is not looked at.
    """
    listed = await run_process(
        [git, *GIT_OPTIONS, "ls-files", "-co", "--exclude-standard", "-z", "--", folder],
        cwd=root,
        env=env,
        timeout=_GIT_SECONDS,
        cap=_LISTING_CAP,
        on_errors=_ignore,
    )
    if listed.exit_code != 0 or listed.truncated:
        return None
    return [os.fsdecode(path) for path in listed.output.split(b"\0") if path]


GIT_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def existing(root: Path, paths: Iterable[str], *, ignores: Ignores | None) -> list[Listed]:
    """Those that are files or links now and that `ignores` does not cover, sorted; a repository inside is opened up.

    A name that is no UTF-8 is left out: nobody here could write it down.
    """
    found: dict[str, Listed] = {}
    for path in paths:
        inner = walk(root, path.rstrip("/")) if path.endswith("/") else (path,)
        for name in inner:
            try:
                name.encode()
                if ignores is not None and ignores.covers(name):
                    continue
                status = os.lstat(root / name)
            except (OSError, UnicodeEncodeError):
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                found[name] = Listed(name, status.st_size, stat.S_ISREG(status.st_mode))
    return [found[name] for name in sorted(found)]


def walk(root: Path, folder: str) -> Iterator[str]:
    """Every file and link below `folder` (relative to `root`, `.` for all) that no ignore file covers, in no order."""
    ignores = Ignores(root, (GITS, OWN))
    for place, folders, files in os.walk(root / folder):
        below = os.path.relpath(place, root)
        prefix = "" if below == "." else f"{below}/"
        inner = [name for name in folders if name not in SKIPPED_FOLDERS]
        links = [name for name in inner if Path(place, name).is_symlink()]
        folders[:] = [
            name for name in inner if name not in links and not ignores.covers(f"{prefix}{name}", is_folder=True)
        ]
        yield from (f"{prefix}{name}" for name in (*links, *files) if not ignores.covers(f"{prefix}{name}"))


def _ignore(data: bytes) -> None:
    del data
