"""What git left for whoever resolves a conflict: markers in files, and files that it put beside others."""

import re
from collections.abc import Iterable, Mapping, Sequence

from equitr_coder.domain.ids import TreeId
from equitr_coder.ports import Repository

_MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ")
_NAMED = re.compile(
    rb"^(?:<<<<<<<|>>>>>>>) (?:landed: |handed in: |(?:[0-9a-f]{64}|[0-9a-f]{40})[:\r\n])", re.MULTILINE
)
"""A marker that names a side, in our words or by its commit: nobody else writes such a line."""
_BESIDE = re.compile(r"(?P<path>.+)~(?:[0-9a-f]{40}|[0-9a-f]{64})(?:_\d+)?", re.DOTALL)
"""Where one side has a file and the other a folder of the same name, the file gets its commit's name as well."""


def is_marked(content: bytes) -> bool:
    """All three kinds, each at the start of a line: a rule of `=` under a heading is none. Of one that names a side a
    single line is enough, which a person may have overlooked.
    """
    if all(f"\n{mark}".encode() in b"\n" + content for mark in _MARKERS):
        return True
    return _NAMED.search(content + b"\n") is not None


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
    """Those of `paths` whose file in `tree` holds markers, and the files that git put beside them."""
    wanted = tuple(paths)
    contents = [(path, await repository.show_file(tree, path)) for path in wanted]
    marked = [path for path, content in contents if content is not None and is_marked(content)]
    beside = {path: stem for path in await repository.list_tree(tree) if (stem := _beside(path)) is not None}
    return (*marked, *(path for path, stem in beside.items() if stem in wanted or path in wanted))


def left_words(paths: Sequence[str]) -> str:
    """What is still to be done about `marked_paths`."""
    beside = {path: stem for path in paths if (stem := _beside(path)) is not None}
    marked = [path for path in paths if path not in beside]
    words = [f"conflict markers are left in: {', '.join(marked)}"] if marked else []
    words += [
        f"{path} is the {stem} of one side, put aside: use it for {stem} or not, and delete it"
        for path, stem in beside.items()
    ]
    return "; ".join(words)


def _beside(path: str) -> str | None:
    """The name that the file would have if there were no folder of that name."""
    found = _BESIDE.fullmatch(path)
    return found["path"] if found is not None else None
