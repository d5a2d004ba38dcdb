"""A lock between processes that the kernel frees when its holder dies.

Git commands started under it get the file descriptor too (`GitProcess.run(hold=...)`): a git that outlives a killed
EQUITR Coder keeps the lock until it ends, so nobody takes its lock files for leftovers.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_PAUSE = 0.005


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[int]:
    """Wait for the lock at `path`; yields its file descriptor. Also excludes tasks of the same process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            if _taken(descriptor):
                break
            await asyncio.sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
