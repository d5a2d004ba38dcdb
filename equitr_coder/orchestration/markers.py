"""Conflict markers that git left in files."""

from collections.abc import Iterable, Mapping

from equitr_coder.domain.ids import TreeId
from equitr_coder.ports import Repository

_MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ")


def is_marked(content: bytes) -> bool:
    """All three kinds, each at the start of a line: a rule of `=` under a heading is none."""
    return all(f"\n{mark}".encode() in b"\n" + content for mark in _MARKERS)


async def labelled(repository: Repository, tree: TreeId, paths: Iterable[str], sides: Mapping[str, str]) -> TreeId:
    """`tree` with words for a person at the markers, where git put the commits that `sides` names."""
    files: dict[str, bytes | None] = {}
    for path in paths:
        content = await repository.show_file(tree, path)
        if content is None or not is_marked(content):
            continue
        for commit, words in sides.items():
            for mark in (_MARKERS[0], _MARKERS[2]):
                content = content.replace(f"{mark}{commit}".encode(), f"{mark}{words}".encode())
        files[path] = content
    return await repository.tree_with(tree, files) if files else tree


async def marked_paths(repository: Repository, tree: TreeId, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of `paths` whose file in `tree` holds markers."""
    contents = [(path, await repository.show_file(tree, path)) for path in paths]
    return tuple(path for path, content in contents if content is not None and is_marked(content))
