"""What the product has left on this machine outside the user's own files, and its removal. Branches always stay."""

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from equitr_coder.adapters.git.repository import GitRepository, open_repository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import UninstallAnswer, UninstalledState, UninstalledWorkspace
from equitr_coder.ports import EventStore

_OWN_FILES = frozenset({"config.yaml", "profiles", "teams", "workflows", "knowledge"})
"""In EQUITR_HOME, written by the person."""


def is_own_file(name: str) -> bool:
    """Whether the person wrote it; copies of the configuration count."""
    return name in _OWN_FILES or name.startswith("config.yaml.")


async def uninstall(home: Path, store: EventStore, *, delete: bool) -> UninstallAnswer:
    """What would go; with `delete` it goes, and the answer is what went.

    Raises:
        UserError: a run is at work, or something cannot be removed.
    """
    rows = await store.runs()
    alive = [row.run for row in rows if store.is_owned(row.run)]
    if alive:
        raise UserError(f"{alive[0]} is at work", hint="let it end, or interrupt it, and ask again")
    places = list(dict.fromkeys(row.workspace for row in rows))
    workspaces = [await _workspace(Path(place), home, store, delete=delete) for place in places]
    state = tuple(_state(home))
    left = tuple(str(home / name) for name in _names(home) if is_own_file(name))
    if delete:
        await asyncio.to_thread(_remove_all, home, state)
    return UninstallAnswer(home=str(home), workspaces=tuple(workspaces), state=state, left=left, deleted=delete)


async def _workspace(root: Path, home: Path, store: EventStore, *, delete: bool) -> UninstalledWorkspace:
    worktrees = [place for place in _worktrees(home, root) if place.is_dir()]
    shown = tuple(str(place) for place in worktrees)
    if not await asyncio.to_thread(root.is_dir):
        return UninstalledWorkspace(path=str(root), worktrees=shown, refs=(), branches=(), note="the folder is gone")
    try:
        repository = await open_repository(root, home=home, store=store, shadow_ok=False)
    except UserError as error:
        return UninstalledWorkspace(path=str(root), worktrees=shown, refs=(), branches=(), note=str(error))
    try:
        refs = tuple(sorted(await repository.refs("refs/equitr/")))
        branches = sorted(await repository.refs("refs/heads/equitr/"))
        if delete:
            await _clear(repository, worktrees, refs)
    finally:
        repository.close()
    names = tuple(branch.removeprefix("refs/heads/") for branch in branches)
    return UninstalledWorkspace(path=str(root), worktrees=shown, refs=refs, branches=names)


async def _clear(repository: GitRepository, worktrees: list[Path], refs: tuple[str, ...]) -> None:
    for place in worktrees:
        await repository.remove_worktree(place)
    await repository.delete_refs(refs)


def _worktrees(home: Path, workspace: Path) -> Iterator[Path]:
    """Of its runs, and those that wait for their next use."""
    folder = home / "worktrees" / sha256(str(workspace).encode()).hexdigest()[:12]
    for run in sorted(folder.iterdir()) if folder.is_dir() else ():
        yield from sorted(run.iterdir()) if run.is_dir() else ()


def _state(home: Path) -> Iterator[UninstalledState]:
    for name in _names(home):
        if not is_own_file(name):
            yield UninstalledState(path=str(home / name), size=_size(home / name))


def _names(home: Path) -> list[str]:
    return sorted(entry.name for entry in home.iterdir()) if home.is_dir() else []


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_symlink() or not file.is_dir())


def _remove_all(home: Path, state: Iterable[UninstalledState]) -> None:
    for entry in state:
        _remove(Path(entry.path))
    if home.is_dir() and not any(home.iterdir()):
        home.rmdir()


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot remove {path}: {error.strerror}", hint="make it writable and ask again") from error
