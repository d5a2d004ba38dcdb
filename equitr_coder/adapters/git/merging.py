"""Merges that need no look into a file: the two sides changed different files and took none away.

Without a file that went there is no rename, of a file or of a folder, so every file is what the one side made of it or
what the other did; `git merge-tree` comes to the same tree.
"""

import os
from collections.abc import Mapping

from equitr_coder.adapters.git.entries import SUBMODULE, Change, Entry, compare_trees
from equitr_coder.adapters.git.objects import Node
from equitr_coder.adapters.git.runner import Git


async def merge_apart(git: Git, base: str, ours: str, theirs: str) -> str | None:
    """The tree of a merge of two commits with this merge base; None when git must look."""
    mine, other = await compare_trees(git, base, ours), await compare_trees(git, base, theirs)
    if mine is None or other is None or not _are_apart(mine, other):
        return None
    tree = await git.objects.tree_of(ours)
    wanted = {os.fsencode(path): change.new for path, change in other.items() if change.new is not None}
    return await _put(git, tree, wanted) if tree is not None else None


def _are_apart(mine: Mapping[str, Change], other: Mapping[str, Change]) -> bool:
    for one, two in ((mine, other), (other, mine)):
        for path, change in one.items():
            if change.new is None or SUBMODULE in (change.new.mode, change.old and change.old.mode):
                return False
            if path in two or any(path[:end] in two for end, sign in enumerate(path) if sign == "/"):
                return False
    return True


async def _put(git: Git, tree: str | None, files: Mapping[bytes, Entry]) -> str | None:
    """`tree` (None: an empty one) with the files put in."""
    trees = await git.objects.trees([tree] if tree is not None else [])
    if trees is None:
        return None
    nodes = dict(trees[tree]) if tree is not None else {}
    inside: dict[bytes, dict[bytes, Entry]] = {}
    for path, entry in files.items():
        name, is_deeper, rest = path.partition(b"/")
        if is_deeper:
            inside.setdefault(name, {})[rest] = entry
        else:
            nodes[name] = Node(entry.mode, entry.blob)
    for name, deeper in inside.items():
        there = nodes.get(name)
        put = await _put(git, there.object_id if there is not None and there.is_folder else None, deeper)
        if put is None:
            return None
        nodes[name] = Node("040000", put)
    return await git.objects.write_tree(nodes)
