"""What this process has learned of objects, which never change: asking git again would be a process for nothing."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from equitr_coder.adapters.git import trees
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.ids import CommitId, TreeId
from equitr_coder.ports import MergeForecast

_FULL_ID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
_MOST = 512
_K = TypeVar("_K")
_V = TypeVar("_V")


class KnownObjects:
    def __init__(self) -> None:
        self._trees: dict[str, TreeId] = {}
        self._made: dict[str, tuple[TreeId, tuple[str, ...]]] = {}
        self._changes: dict[tuple[str, str], Mapping[str, str]] = {}

    def note_commit(self, commit: str, tree: str, parents: Sequence[str]) -> None:
        _keep(self._trees, commit, TreeId(tree))
        _keep(self._made, commit, (TreeId(tree), tuple(parents)))

    def fast_forward(self, ours: str, theirs: str) -> MergeForecast | None:
        """The merge of a commit that we made on top of `ours`: its own tree."""
        tree, parents = self._made.get(theirs, (None, ()))
        return MergeForecast(tree=tree) if parents == (ours,) and _FULL_ID.fullmatch(ours) else None

    async def tree_of(self, git: Git, commit: CommitId) -> TreeId:
        return await _once(self._trees, commit, (commit,), lambda: trees.tree_of(git, commit))

    async def changed(self, git: Git, old: str, new: str) -> Mapping[str, str]:
        return await _once(self._changes, (old, new), (old, new), lambda: trees.changed(git, old, new))


async def _once(known: dict[_K, _V], key: _K, names: Sequence[str], ask: Callable[[], Awaitable[_V]]) -> _V:
    """Only of full object ids: a ref may name another object the next time."""
    found = known.get(key)
    if found is None:
        found = await ask()
        if all(_FULL_ID.fullmatch(name) for name in names):
            _keep(known, key, found)
    return found


def _keep(known: dict[_K, _V], key: _K, value: _V) -> None:
    known[key] = value
    if len(known) > _MOST:
        del known[next(iter(known))]
