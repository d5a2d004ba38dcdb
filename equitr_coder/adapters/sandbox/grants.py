"""What Landlock grants to a command: the same sight as with mounts, as far as grants can say it.

A grant is for a path and everything below; where something below must stay hidden, its siblings are granted one by one.
"""

import contextlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from equitr_coder.adapters.sandbox.git_view import git_folders
from equitr_coder.adapters.sandbox.landlock import Access, Grant
from equitr_coder.adapters.sandbox.mounts import is_inside
from equitr_coder.adapters.sandbox.sight import Sight, real
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import Place

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@frozen
class Seen:
    """What a command may see below hidden folders, where nothing can be mounted."""

    root: str
    paths: tuple[str, ...]
    """Without links; may lie below what is not hidden at all."""
    secrets: tuple[str, ...]
    """Not even there."""


def seen_by(place: Place, sight: Sight) -> Seen:
    """As the place stands now.

    Raises:
        UserError: the place cannot be confined.
    """
    seen = real(place)
    root, checkout = str(seen.root), str(seen.stands_for or seen.root)
    if "/" in (root, checkout):
        raise UserError("The whole file system cannot be a workspace.", hint="Start in a folder of your project.")
    if not seen.root.is_dir():
        raise UserError(f"The folder {root} does not exist.", hint="Start again in a folder of your project.")
    toolchains = sight.toolchains
    # What is imported from the checkout would be other code than the tree's.
    imports = [path for path in toolchains.imports if not is_inside(path, checkout)]
    secrets = [*toolchains.credentials, *sight.credentials]
    shown = [
        *toolchains.roots,
        *imports,
        *sight.readable,
        *(str(target) for target in place.links.values()),
        *(str(folder) for folder in git_folders(seen)),
    ]
    return Seen(root, tuple(dict.fromkeys(os.path.realpath(path) for path in shown)), tuple(secrets))


def grants_for(place: Place, sight: Sight, *, private: Path) -> list[Grant]:
    """`private` is the command's own folder for HOME and TMPDIR.

    Raises:
        UserError: the place cannot be confined.
    """
    seen = seen_by(place, sight)
    found = [*_system((*sight.hidden, "/dev", *seen.secrets))]
    for path in seen.paths:
        if any(is_inside(path, folder) for folder in sight.hidden):
            found += granted(path, "read", besides=[*(h for h in sight.hidden if h != path and is_inside(h, path)),
                                                    *seen.secrets])  # fmt: skip
    found += [Grant(path, "write") for path in (*_DEVICES, seen.root, str(private))]
    return found


@lru_cache(maxsize=8)
def _system(besides: tuple[str, ...]) -> tuple[Grant, ...]:
    """The machine, looked at once: what appears at its root later is not granted."""
    return tuple(granted("/", "read", besides=besides))


def granted(path: str, access: Access, *, besides: Sequence[str]) -> list[Grant]:
    """Grants for all of `path` but what is at or below one of `besides`. What is made beside those later is not
    granted; links are not followed.
    """
    if any(is_inside(path, taken) for taken in besides):
        return []
    within = [taken for taken in besides if is_inside(taken, path)]
    if not within:
        return [Grant(path, access)]
    found: list[Grant] = []
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            if not entry.is_symlink():
                found += granted(entry.path, access, besides=within)
    return found
