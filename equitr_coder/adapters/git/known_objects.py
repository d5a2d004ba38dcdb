"""What this process has learned of objects, which never change: asking git again would be a process for nothing."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from equitr_coder.adapters.git import trees
from equitr_coder.adapters.git.entries import SUBMODULE, Change, compare_trees, is_plain_path
from equitr_coder.adapters.git.merging import merge_apart
from equitr_coder.adapters.git.objects import is_full_id
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.ids import CommitId, TreeId
from equitr_coder.ports import MergeForecast

_MOST = 512
_LONG = 100_000
"""Characters of a difference that is not remembered."""
_K = TypeVar("_K")
_V = TypeVar("_V")


class KnownObjects:
    def __init__(self) -> None:
        self._trees: dict[str, TreeId] = {}
        self._made: dict[str, tuple[TreeId, tuple[str, ...]]] = {}
        self._changes: dict[tuple[str, str], Mapping[str, str]] = {}
        self._diffs: dict[tuple[object, ...], str] = {}
        self._listed: tuple[str, Sequence[str]] | None = None
        self._listing = asyncio.Lock()

    def note_commit(self, commit: str, tree: str, parents: Sequence[str]) -> None:
        _keep(self._trees, commit, TreeId(tree))
        _keep(self._made, commit, (TreeId(tree), tuple(parents)))

    def fast_forward(self, ours: str, theirs: str) -> MergeForecast | None:
        """The merge of a commit that we made on top of `ours`: its own tree."""
        tree, parents = self._made.get(theirs, (None, ()))
        return MergeForecast(tree=tree) if parents == (ours,) and is_full_id(ours) else None

    async def forecast(self, git: Git, ours: str, theirs: str) -> MergeForecast:
        """What merging the two commits gives; most merges of ours need no git for it."""
        if (known := self.fast_forward(ours, theirs)) is not None:
            return known
        base = self._merge_base(ours, theirs)
        merged = await merge_apart(git, base, ours, theirs) if base is not None else None
        return MergeForecast(tree=TreeId(merged)) if merged is not None else await trees.forecast(git, ours, theirs)

    def _merge_base(self, ours: str, theirs: str) -> str | None:
        """Where two straight lines of commits that we made meet. One that lies on the other is left to git."""
        behind = self._line(ours)
        found = next((commit for commit in self._line(theirs) if commit in behind), None)
        return None if found in (ours, theirs) else found

    def _line(self, commit: str) -> dict[str, None]:
        """The commit and those before it, as far as each has one parent and we made it; the last one is anybody's."""
        line = dict.fromkeys((commit,))
        while len(parents := self._made.get(commit, (None, ()))[1]) == 1 and parents[0] not in line:
            [commit] = parents
            line[commit] = None
        return line

    async def tree_of(self, git: Git, commit: CommitId) -> TreeId:
        return await _once(self._trees, commit, (commit,), lambda: trees.tree_of(git, commit))

    async def changed(self, git: Git, old: str, new: str) -> Mapping[str, str]:
        return await _once(self._changes, (old, new), (old, new), lambda: trees.changed(git, old, new))

    async def diff(self, git: Git, old: str, new: str, paths: Sequence[str]) -> str:
        """The same changes of the same files are the same text, whatever else is in the two trees."""
        changes = await compare_trees(git, old, new)
        if changes is None or not all(map(is_plain_path, paths)):
            return await trees.diff(git, old, new, paths=paths)
        of = tuple(sorted(paths))
        key = (of, *((path, change) for path, change in changes.items() if not of or _concerns(path, of)))
        if key not in self._diffs:
            text = await trees.diff(git, old, new, paths=paths)
            if len(text) > _LONG:
                return text
            _keep(self._diffs, key, text)
        return self._diffs[key]

    async def listed(self, git: Git, tree: str) -> Sequence[str]:
        """Every file, from the listing before this one and what differs; git is asked for the first one."""
        async with self._listing:
            changes = await compare_trees(git, self._listed[0], tree) if self._listed is not None else None
            if self._listed is None or changes is None:
                paths: Sequence[str] = await trees.list_tree(git, tree)
            else:
                paths = _changed_listing(self._listed[1], changes)
            if is_full_id(tree):
                self._listed = (tree, paths)
            return paths


def _concerns(path: str, named: Sequence[str]) -> bool:
    """Whether git takes the path for one of those named: itself, or inside a folder of that name."""
    return any(path == name or path.startswith(f"{name.rstrip('/')}/") for name in named)


def _changed_listing(paths: Sequence[str], changes: Mapping[str, Change]) -> Sequence[str]:
    now = {path: change.new is not None and change.new.mode != SUBMODULE for path, change in changes.items()}
    fresh = {path for path, is_file in now.items() if is_file}
    kept = [path for path in paths if now.get(path, True)]
    added = fresh.difference(kept)
    return sorted([*kept, *added], key=os.fsencode) if added else kept


async def _once(known: dict[_K, _V], key: _K, names: Sequence[str], ask: Callable[[], Awaitable[_V]]) -> _V:
    """Only of full object ids: a ref may name another object the next time."""
    found = known.get(key)
    if found is None:
        found = await ask()
        if all(map(is_full_id, names)):
            _keep(known, key, found)
    return found


def _keep(known: dict[_K, _V], key: _K, value: _V) -> None:
    known[key] = value
    if len(known) > _MOST:
        del known[next(iter(known))]
