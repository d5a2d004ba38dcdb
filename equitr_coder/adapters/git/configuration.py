"""The repository's configuration as far as it concerns us, and what of it is switched off.

The commands of a repository's own configuration (filters, merge drivers) never run: not for a worker's tree, not in
the user's checkout. Those of the user's or the machine's configuration do: that is how an installed git-lfs works. A
file whose filter is switched off keeps what the repository stores (for LFS: the pointer), in and out.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.domain.frozen import frozen

_OWN = frozenset({"local", "worktree"})
_FALSE = frozenset({"false", "no", "off", "0", ""})
_TEXT_MERGE = "git merge-file -q --marker-size=%L %A %O %B || exit 1"
"""What git does when a merge driver is named but not defined: an ordinary three-way merge."""


@frozen
class Configuration:
    values: Mapping[str, str]
    """Last value of each key, as git resolves it."""
    overrides: tuple[tuple[str, str], ...]
    """Settings that switch off what the repository's own configuration would run."""
    own_filters: frozenset[str]
    """Filters that this repository defines for itself and that are therefore off."""
    has_includes: bool = False
    """Whether the repository's configuration takes in other files, which may lie where an agent can write: it is then
    read anew before every command."""
    is_local: bool = True
    """Whether another checkout of the repository may have other settings."""

    @property
    def null_id(self) -> str:
        """The id that stands for no object."""
        return "0" * (64 if self.values.get("extensions.objectformat") == "sha256" else 40)

    def is_set(self, key: str, *, default: bool) -> bool:
        value = self.values.get(key)
        return default if value is None else value.lower() in {"", "true", "yes", "on", "1"}

    @property
    def converts_lines(self) -> bool:
        """Whether lines end otherwise in files than in blobs, without any attribute that says so."""
        return self.values.get("core.autocrlf", "false").lower() not in _FALSE


async def read_configuration(process: GitProcess, checkout: Checkout) -> Configuration:
    listed = await process.run(
        "config", "--list", "--show-scope", "--null", "--includes", cwd=checkout.root, env=checkout.environment
    )
    fields = os.fsdecode(listed.stdout).split("\0")
    values: dict[str, str] = {}
    foreign: dict[str, dict[str, str]] = {}
    own: set[str] = set()
    overrides: list[tuple[str, str]] = []
    has_includes = is_local = False
    for scope, entry in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = entry.partition("\n")
        values[key] = value
        section, _, rest = key.partition(".")
        has_includes |= section in ("include", "includeif") and scope in _OWN
        is_local |= section == "includeif" or key == "extensions.worktreeconfig"
        name, _, variable = rest.rpartition(".")
        if section == "filter" and variable in {"clean", "smudge", "process", "required"}:
            if scope in _OWN:
                own.add(name)
            else:
                foreign.setdefault(name, {})[variable] = value
        elif section == "merge" and variable == "driver" and scope in _OWN:
            overrides.append((key, _TEXT_MERGE))
    # For git an empty `process` is none at all, and `clean` and `smudge` are then not looked at: everything is off.
    disabled = frozenset(name for name in own if not foreign.get(name, {}).get("process"))
    for name in sorted(own):
        kept = {} if name in disabled else foreign[name]
        overrides += [(f"filter.{name}.{part}", kept.get(part, "")) for part in ("clean", "smudge", "process")]
        overrides.append((f"filter.{name}.required", kept.get("required", "false")))
    return Configuration(
        values=values,
        overrides=tuple(overrides),
        own_filters=disabled,
        has_includes=has_includes,
        is_local=is_local or has_includes,
    )


def signature(checkout: Checkout) -> tuple[object, ...]:
    """Changes when one of the repository's own configuration files does."""
    return tuple(map(_stamp, _files(checkout.common_dir, checkout.git_dir)))


@lru_cache(maxsize=256)
def _files(common_dir: Path, git_dir: Path) -> tuple[str, ...]:
    return (str(common_dir / "config"), str(common_dir / "config.worktree"), str(git_dir / "config.worktree"))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked before every command
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
