"""Conflict markers that git left in files."""

from collections.abc import Iterable

from equitr_coder.domain.ids import TreeId
from equitr_coder.ports import Repository

_MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ")


def is_marked(content: bytes) -> bool:
    """All three kinds, each at the start of a line: a rule of `=` under a heading is none."""
    return all(f"\n{mark}".encode() in b"\n" + content for mark in _MARKERS)


async def marked_paths(repository: Repository, tree: TreeId, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of `paths` whose file in `tree` holds markers."""
    contents = [(path, await repository.show_file(tree, path)) for path in paths]
    return tuple(path for path, content in contents if content is not None and is_marked(content))
