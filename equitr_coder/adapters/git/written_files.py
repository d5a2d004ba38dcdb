"""The tree of a worktree of which a few files were written since its tree was known, without a git for it.

Only what is certain to come out as with `git add`: plain files and links whose bytes git takes as they are. Everything
else, and every doubt, is git's.
"""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from equitr_coder.adapters.git.attributes import has_attributes
from equitr_coder.adapters.git.configuration import Configuration
from equitr_coder.adapters.git.entries import SUBMODULE, Entry, mode_of
from equitr_coder.adapters.git.folder_state import FolderState
from equitr_coder.adapters.git.inspection import ignored
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.tree_edits import put

MOST = 20
"""Files; of more git is asked."""
_AS_USUAL = (
    ("core.filemode", True),
    ("core.symlinks", True),
    ("core.ignorecase", False),
    ("core.precomposeunicode", False),
)
_GITS_OWN = re.compile(r"(?:^|/)\.git[^/]*|[\\:~]", re.IGNORECASE)
"""Names that git reads itself, or takes only after a look of its own (`verify_path` in its read-cache.c)."""
_LONGEST_RULES = 1 << 16


async def tree_after(
    git: Git,
    tree: str,
    files: Mapping[str, Entry],
    written: Collection[str],
    now: FolderState,
    *,
    excludes: Collection[Path],
) -> tuple[str, Mapping[str, Entry]] | None:
    """The tree of the files as they stand `now`, and its files; None when git must look.

    `files` are all of `tree`, and all but those of `written` stand as they are there; `excludes` are the files outside
    the checkout that say what is ignored.
    """
    has_submodules = any(entry.mode == SUBMODULE for entry in files.values())  # their folders are nobody's files
    if len(written) > MOST or has_submodules or not is_plain(git, await git.configuration(), written):
        return None
    held: dict[str, bytes] = {}
    for path in now.files().intersection(written):
        found = now.held(path, git.checkout.root)
        if found is None:
            return None
        held[path] = found
    created = held.keys() - files.keys()
    if created and _may_be_ignored(now, excludes) and await ignored(git, created):
        return None
    changes: dict[str, Entry | None] = dict.fromkeys(written)
    for path, data in held.items():
        blob = await git.objects.write("blob", data)
        if blob is None:
            return None
        changes[path] = Entry(mode_of(now.stamps[path][0]), blob)
    made = await put(git, tree, {os.fsencode(path): entry for path, entry in changes.items()})
    if made is None:
        return None
    return made, {path: entry for path, entry in ({**files, **changes}).items() if entry is not None}


def is_plain(git: Git, configuration: Configuration, paths: Collection[str]) -> bool:
    """Whether git takes these paths by their names and bytes alone."""
    if any(configuration.is_set(key, default=usual) != usual for key, usual in _AS_USUAL):
        return False
    if configuration.converts_lines:
        return False
    if any(_GITS_OWN.search(path) or (not path.isascii() and "git" in path.lower()) for path in paths):
        return False
    return not has_attributes(git.checkout, configuration, paths)


def _may_be_ignored(now: FolderState, excludes: Collection[Path]) -> bool:
    """Whether any rule says that anything is ignored."""
    return any(path == ".gitignore" or path.endswith("/.gitignore") for path in now.stamps) or any(
        map(_rules, excludes)
    )


def _rules(path: Path) -> bool:
    """Whether a file of ignore rules may hold one (gitignore(5): blank lines and comments are none)."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_RULES + 1)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return len(text) > _LONGEST_RULES or any(line.strip() and not line.startswith(b"#") for line in text.split(b"\n"))
