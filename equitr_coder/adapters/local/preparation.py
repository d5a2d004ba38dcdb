"""Puts into a worktree what git does not carry: copied files, and what one cached set-up command makes."""

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from equitr_coder.adapters.local.listing import GIT_OPTIONS
from equitr_coder.adapters.local.paths import folder_of
from equitr_coder.adapters.local.processes import run_process
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import Executor, Place

_SETUP_SECONDS = 1800.0
_LISTING_SECONDS = 120.0
_MARK = ".equitr-prepared"


@frozen
class PreparationPlan:
    """What `.equitr/worktree.yaml` asks for; paths are relative to the repository's root."""

    copies: Sequence[str] = ()
    setup: str | None = None
    setup_inputs: Sequence[str] = ()


class WorktreePreparation:
    """Implements `ports.Preparation`. The set-up command runs once for each content of its inputs; what it made is kept
    under EQUITR_HOME and copied from there into every other worktree.
    """

    def __init__(self, *, plan: PreparationPlan, checkout: Path, cache: Path, executor: Executor) -> None:
        self._plan = plan
        self._checkout = checkout
        self._cache = cache
        self._executor = executor
        self._turn = asyncio.Lock()

    async def prepare(self, place: Place) -> None:
        for name in self._plan.copies:
            await asyncio.to_thread(self._copy, name, place.root)
        if self._plan.setup is not None:
            async with self._turn:
                await self._set_up(self._plan.setup, place)

    def _copy(self, name: str, root: Path) -> None:
        source = self._checkout / name
        if not source.is_file():
            raise UserError(
                f".equitr/worktree.yaml copies {name}, and there is no such file in {self._checkout}",
                hint=f"create {name}, or take it out of `copies`",
            )
        put(source, root, name)

    async def _set_up(self, command: str, place: Place) -> None:
        key = await asyncio.to_thread(self._key, command, place.root)
        kept = self._cache / key
        if not (kept / _MARK).exists():
            before = await _others(place.root)
            ran = await self._executor.run(command, place, timeout=_SETUP_SECONDS)
            if ran.exit_code != 0:
                tail = ran.output.decode(errors="replace").strip()[-2000:]
                raise UserError(
                    f"the set-up command of .equitr/worktree.yaml ended with {ran.exit_code}: {command}\n{tail}",
                    hint="run it in a fresh clone to see why; here it reaches only the hosts of sandbox.network",
                )
            made = sorted(await _others(place.root) - before)
            await asyncio.to_thread(self._keep, made, place.root, kept)
            return
        await asyncio.to_thread(_put_tree, kept, place.root)

    def _key(self, command: str, root: Path) -> str:
        digest = hashlib.sha256(command.encode())
        for name in self._plan.setup_inputs:
            path = root / name
            digest.update(f"\0{name}\0".encode())
            digest.update(path.read_bytes() if path.is_file() else b"\0absent")
        return digest.hexdigest()[:24]

    def _keep(self, made: Sequence[str], root: Path, kept: Path) -> None:
        draft = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}")
        draft.mkdir(parents=True)
        for name in made:
            _keep_entry(root / name, draft / name)
        (draft / _MARK).touch()
        try:
            draft.rename(kept)
        except OSError:
            shutil.rmtree(draft)
            if not (kept / _MARK).exists():
                raise


async def _others(root: Path) -> set[str]:
    """Untracked paths, ignored ones included; a folder that is untracked as a whole counts as one."""
    listed = await run_process(
        ["git", *GIT_OPTIONS, "ls-files", "--others", "--directory", "-z"],
        cwd=root,
        env={"PATH": os.environ.get("PATH", os.defpath), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        timeout=_LISTING_SECONDS,
    )
    return {os.fsdecode(name).rstrip("/") for name in listed.output.split(b"\0") if name}


def _put_tree(kept: Path, root: Path) -> None:
    for folder, inner, names in os.walk(kept):
        links = [name for name in inner if (Path(folder) / name).is_symlink()]
        for name in [*names, *links]:
            path = Path(folder) / name
            inside = path.relative_to(kept).as_posix()
            if inside != _MARK:
                put(path, root, inside)


def put(source: Path, root: Path, name: str) -> None:
    """Copy one file or link to `name` below `root`, unless something stands there already.

    The tree below `root` is a worker's: no link of it is followed, so nothing outside can be written.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    try:
        with folder_of(root, parts, create=True) as folder:
            if source.is_symlink():
                os.symlink(source.readlink(), parts[-1], dir_fd=folder)
                return
            status = source.stat()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(parts[-1], flags, status.st_mode & 0o777, dir_fd=folder)
            with os.fdopen(handle, "wb") as target, source.open("rb") as content:
                shutil.copyfileobj(content, target)
            os.utime(parts[-1], ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return  # a link or a file of the tree stands in the way of the folder
        raise UserError(
            f"cannot copy {name} into {root}: {error.strerror}", hint="free some space or make the folder writable"
        ) from error


def _keep_entry(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
