"""The files of a session as trees, step by step: what a step changed, what of it must be put back, and a ref for the
newest tree, so that no garbage collection takes what only the log names.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId, SessionId, TreeId
from equitr_coder.ports import Repository


@frozen
class FileStep:
    """What one step did to the files."""

    before: TreeId
    after: TreeId
    changes: Mapping[str, tuple[str, int, int]]
    """Path -> created, modified or deleted; lines added and removed."""


class TreeWatch:
    """The tree of the session's files after each step that may have written."""

    def __init__(self, repository: Repository, root: Path, *, ref: str, current: TreeId) -> None:
        """`ref` keeps the newest tree; `current` is the one the session starts from, which something keeps already."""
        self._repository = repository
        self._root = root
        self._ref = ref
        self.current = current

    async def look(self) -> FileStep:
        return await self._step(self.current, await self._repository.snapshot(self._root))

    async def put_back(self, step: FileStep, paths: Collection[str]) -> FileStep:
        """The step without what it did to `paths`."""
        return await self._step(step.before, await self._repository.put_back(self._root, step.before, paths))

    async def finish(self, step: FileStep) -> None:
        """The step stands: its tree is kept and is the current one."""
        if step.before != step.after:
            await self._repository.keep(self._ref, step.after)
            self.current = step.after

    async def _step(self, before: TreeId, after: TreeId) -> FileStep:
        changes = await self._repository.file_changes(before, after) if before != after else {}
        return FileStep(before, after, changes)


def kept_ref(run: RunId, session: SessionId) -> str:
    """The ref that keeps the newest tree of a session."""
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
