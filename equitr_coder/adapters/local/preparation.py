"""Puts into a worktree what git does not carry: copied files, and what one cached set-up command makes."""

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.ports import Executor, Place

_SETUP_SECONDS = 1800.0
_MARK = ".equitr-prepared"


@dataclass(frozen=True)
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
        source, target = self._checkout / name, root / name
        if target.exists():
            return
        if not source.is_file():
            raise UserError(
                f".equitr/worktree.yaml copies {name}, and there is no such file in {self._checkout}",
                hint=f"create {name}, or take it out of `copies`",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)

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
                    hint="run it in a fresh clone to see why; it has no network in the sandbox",
                )
            made = sorted(await _others(place.root) - before)
            await asyncio.to_thread(self._keep, made, place.root, kept)
            return
        await asyncio.to_thread(_copy_tree, kept, place.root)

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
            _copy_entry(root / name, draft / name)
        (draft / _MARK).touch()
        try:
            draft.rename(kept)
        except OSError:
            shutil.rmtree(draft)
            if not (kept / _MARK).exists():
                raise


async def _others(root: Path) -> set[str]:
    """Untracked paths, ignored ones included; a folder that is untracked as a whole counts as one."""
    child = await asyncio.create_subprocess_exec(
        "git",
        "ls-files",
        "--others",
        "--directory",
        "-z",
        cwd=root,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await child.communicate()
    return {name.rstrip("/") for name in output.decode(errors="surrogateescape").split("\0") if name}


def _copy_tree(kept: Path, root: Path) -> None:
    for folder, _, names in os.walk(kept):
        for name in names:
            path = Path(folder) / name
            inside = path.relative_to(kept)
            if inside.as_posix() != _MARK:
                _copy_entry(path, root / inside)
    for path in kept.rglob("*"):
        if path.is_symlink() and path.is_dir():
            _copy_entry(path, root / path.relative_to(kept))


def _copy_entry(source: Path, target: Path) -> None:
    if os.path.lexists(target) and not target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
