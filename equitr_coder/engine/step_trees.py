"""The files of a session as trees, step by step: what a step changed, what of it must be put back, and a ref for the
newest tree, so that no garbage collection takes what only the log names.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId, SessionId, TreeId
from equitr_coder.domain.path_text import is_text
from equitr_coder.ports import IgnoredFiles, Repository


@frozen
class FileStep:
    """What one step did to the files."""

    before: TreeId
    after: TreeId
    changes: Mapping[str, tuple[str, int, int]]
    """Path -> created, modified or deleted; lines added and removed."""
    covers: tuple[str, ...] = ()
    """Ignored files that a command found and changed: they are a part of `before`, which they were not until then."""
    uncovered: tuple[str, ...] = ()
    """What git ignores and no tree holds (`IgnoredFiles.left`), when a command could have changed it."""


class TreeWatch:
    """The tree of the session's files after each step that may have written."""

    def __init__(
        self,
        repository: Repository,
        root: Path,
        *,
        ref: str,
        current: TreeId,
        goes_on: bool = False,
        keeps_all: bool = False,
        written: Iterable[str] = (),
    ) -> None:
        """`ref`, and one beside it, keep the two newest trees; `current` is the one the session starts from, which
        something keeps already: these refs, when the session `goes_on`.

        With `keeps_all` every tree is kept, and files that git ignores are part of it when the session writes them:
        a person may want to go back to any step. `written` are the paths it wrote before.
        """
        self._repository = repository
        self._root = root
        self._ref = ref
        self._keeps_all = keeps_all
        self._written = set(written)
        self._asked: set[str] = set()
        self._kept: dict[str, str] | None = None if goes_on else {}
        self._ignored: IgnoredFiles | None = None
        self._kept_ignored: TreeId | None = None
        self.current = current

    async def cover(self, paths: Collection[str]) -> tuple[str, ...]:
        """Before files are written: those of them that exist and are ignored become a part of the tree."""
        asked = self._written | self._asked
        new = [path for path in paths if path not in asked and (self._root / path).is_file()]
        if not self._keeps_all or not new:
            return ()
        self._asked.update(new)
        ignored = await self._repository.ignored(self._root, new)
        if not ignored:
            return ()
        self._written.update(ignored)
        self.current = await self._repository.snapshot(self._root, also=self._written)
        await self._keep()
        return tuple(sorted(ignored))

    async def cover_ignored(self) -> None:
        """Before a command, which may write anything: what git ignores is remembered as it is, also for a process that
        goes on after a crash.
        """
        if not self._keeps_all:
            return
        self._ignored = await self._repository.ignored_files(self._root)
        if self._ignored.tree != self._kept_ignored:
            await self._repository.keep(self._ignored_ref, self._ignored.tree)
            self._kept_ignored = self._ignored.tree

    async def checkpoint(self) -> bool:
        """The files as they are now are the current tree, and kept; False when they were, or when only the newest trees
        are kept: nobody but the agent works there.
        """
        if not self._keeps_all:
            return False
        now = await self._repository.snapshot(self._root, also=self._written)
        if now == self.current:
            return False
        self.current = now
        await self._keep()
        return True

    async def look(self, paths: Collection[str] = (), *, has_run: bool = False) -> FileStep:
        """What changed; `paths` are known to have been written, and with `has_run` a command may have written others
        that git ignores.
        """
        covers: tuple[str, ...] = ()
        uncovered: tuple[str, ...] = ()
        if self._keeps_all:
            self._written.update(paths)
            if has_run:
                covers, uncovered = await self._look_at_ignored()
        step = await self._step(self.current, await self._repository.snapshot(self._root, also=self._written))
        return replace(step, covers=covers, uncovered=uncovered)

    async def _look_at_ignored(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take what the command changed of them into the trees; only that, so that no other is kept."""
        before = self._ignored or await self._remembered()
        if before is None:
            return (), ()
        now = await self._repository.ignored_files(self._root)
        self._ignored = None
        changes = await self._repository.changed(before.tree, now.tree) if before.tree != now.tree else {}
        # What the log cannot name is in no later process' trees either.
        unnamed = {path for path in changes if not is_text(path)}
        uncovered = tuple(sorted({*before.left, *now.left, *unnamed}))
        changed = {
            path: change
            for path, change in changes.items()
            if path not in unnamed and not self._is_left(path, now.left)
        }
        if not changed:
            return (), uncovered
        self._written.update(changed)
        covers = tuple(sorted(path for path, change in changed.items() if change != "created"))
        if covers and (mixed := await self._repository.mixed(self.current, before.tree, covers)) != self.current:
            self.current = mixed
            await self._keep()
            return covers, uncovered
        return (), uncovered

    async def _remembered(self) -> IgnoredFiles | None:
        """As they were before the command that a dead process ran."""
        kept = await self._repository.refs(self._ignored_ref)
        return IgnoredFiles(TreeId(kept[self._ignored_ref])) if self._ignored_ref in kept else None

    def _is_left(self, path: str, left: Collection[str]) -> bool:
        """Whether it is there and merely no longer a part of what is looked at: it grew too large, or its folder."""
        is_out = any(path == each or (each.endswith("/") and path.startswith(each)) for each in left)
        return is_out and os.path.lexists(self._root / path)

    @property
    def _ignored_ref(self) -> str:
        return f"{self._ref}.ignored"

    async def put_back(self, step: FileStep, paths: Collection[str]) -> FileStep:
        """The step without what it did to `paths`."""
        return await self._step(step.before, await self._repository.put_back(self._root, step.before, paths))

    async def finish(self, step: FileStep) -> None:
        """The step stands: its tree is kept and is the current one."""
        if step.before != step.after:
            self.current = step.after
            await (self._keep() if self._keeps_all else self._keep_beside(step.before))

    async def _keep(self) -> None:
        await self._repository.keep(f"{self._ref}.{self.current[:12]}", self.current)

    async def _keep_beside(self, last: TreeId) -> None:
        """Until the log names the new tree it names the last one, and a process that dies between the two goes on
        from there: each has a ref.
        """
        names = (self._ref, f"{self._ref}.b")
        if self._kept is None:
            beside = f"{self._ref.rpartition('/')[0]}/"
            self._kept = {name: str(tree) for name, tree in (await self._repository.refs(beside)).items()}
        ref = next(name for name in names if self._kept.get(name) != last)
        await self._repository.keep(ref, self.current)
        self._kept[ref] = self.current

    async def _step(self, before: TreeId, after: TreeId) -> FileStep:
        changes = await self._repository.file_changes(before, after) if before != after else {}
        return FileStep(before, after, changes)


def kept_ref(run: RunId, session: SessionId) -> str:
    """How the refs begin that keep the newest trees of a session."""
    return f"{_kept_below(run)}{session}"


async def release(repository: Repository, run: RunId) -> None:
    """Nothing can go on from the steps of this run any more: git may have them."""
    await repository.delete_refs(tuple(await repository.refs(_kept_below(run))))


async def is_readable(repository: Repository, tree: TreeId) -> bool:
    """Whether git still has the tree. One that no ref names may be gone: its ref was deleted, or a disk lost it."""
    try:
        await repository.list_tree(tree)
    except UserError:
        return False
    return True


def _kept_below(run: RunId) -> str:
    return f"refs/equitr/keep/{run}/"
