"""Merges that need no look into a file: the two sides changed different files and took none away.

Without a file that went there is no rename, of a file or of a folder, so every file is what the one side made of it or
what the other did; `git merge-tree` comes to the same tree.
"""

import os
from collections.abc import Mapping

from equitr_coder.adapters.git.entries import SUBMODULE, Change, compare_trees
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.tree_edits import put


async def merge_apart(git: Git, base: str, ours: str, theirs: str) -> str | None:
    """The tree of a merge of two commits with this merge base; None when git must look."""
    mine, other = await compare_trees(git, base, ours), await compare_trees(git, base, theirs)
    if mine is None or other is None or not _are_apart(mine, other):
        return None
    tree = await git.objects.tree_of(ours)
    wanted = {os.fsencode(path): change.new for path, change in other.items() if change.new is not None}
    return await put(git, tree, wanted) if tree is not None else None


def _are_apart(mine: Mapping[str, Change], other: Mapping[str, Change]) -> bool:
    for one, two in ((mine, other), (other, mine)):
        for path, change in one.items():
            if change.new is None or SUBMODULE in (change.new.mode, change.old and change.old.mode):
                return False
            if path in two or any(path[:end] in two for end, sign in enumerate(path) if sign == "/"):
                return False
    return True
