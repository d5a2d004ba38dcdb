"""Who owns a run: an advisory file lock that the kernel frees when its process dies, with the owner's pid inside."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId


class RunLocks:
    def __init__(self, root: Path) -> None:
        self._root = root

    @asynccontextmanager
    async def hold(self, run: RunId) -> AsyncIterator[None]:
        """Own `run`; the file descriptor is not inherited by commands that are started meanwhile."""
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path(run), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserError(
                f"cannot write under {self._root}: {error.strerror}",
                hint="make it writable, or set EQUITR_HOME to a folder that is",
            ) from error
        try:
            if not await _take(handle):
                owner = os.pread(handle, 64, 0).decode(errors="replace").strip()
                raise UserError(
                    f"{run} is running in another process (pid {owner or 'unknown'})",
                    hint=f"watch it there, or stop that process first: kill {owner or 'PID'}",
                )
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)

    def is_held(self, run: RunId) -> bool:
        try:
            handle = os.open(self._path(run), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def _path(self, run: RunId) -> Path:
        return self._root / f"{run}.lock"


async def _take(handle: int) -> bool:
    """A short second and third try, because `is_held` of another process takes the lock for an instant."""
    for _ in range(3):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(0.02)
        else:
            return True
    return False
