"""A tree with a few files put in or taken out, written folder by folder without an index."""

from collections.abc import Mapping

from equitr_coder.adapters.git.entries import Entry
from equitr_coder.adapters.git.objects import Node
from equitr_coder.adapters.git.runner import Git

_EMPTY = ""


async def put(git: Git, tree: str | None, files: Mapping[bytes, Entry | None]) -> str | None:
    """`tree` (None: an empty one) with the entries; a path with None goes. None where git itself must be asked.

    A folder without a file is no part of a tree. A file may take the place of a folder whose files all go, and a
    folder that of a file that goes.
    """
    written = await _put(git, tree, files)
    return await git.objects.write_tree({}) if written == _EMPTY else written


async def _put(git: Git, tree: str | None, files: Mapping[bytes, Entry | None]) -> str | None:
    trees = await git.objects.trees([tree] if tree is not None else [])
    if trees is None:
        return None
    nodes = dict(trees[tree]) if tree is not None else {}
    inside: dict[bytes, dict[bytes, Entry | None]] = {}
    for path, entry in files.items():
        name, is_deeper, rest = path.partition(b"/")
        if is_deeper:
            inside.setdefault(name, {})[rest] = entry
        elif entry is not None:
            nodes[name] = Node(entry.mode, entry.blob)
        else:
            nodes.pop(name, None)
    for name, deeper in inside.items():
        if files.get(name) is not None:
            continue  # a file stands where its folder was
        there = nodes.get(name)
        written = await _put(git, there.object_id if there is not None and there.is_folder else None, deeper)
        if written is None:
            return None
        if written == _EMPTY:
            nodes.pop(name, None)
        else:
            nodes[name] = Node("040000", written)
    return await git.objects.write_tree(nodes) if nodes else _EMPTY
