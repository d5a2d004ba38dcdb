"""Waiting for a file descriptor on the event loop, with nothing in between: a transport and a stream for each of the
hundreds of processes of a run cost more than reading them.
"""

import asyncio
import os
from collections.abc import Callable

_CHUNK = 1 << 16
_CHUNKS = 16
"""Read at once; then the others have their turn."""


async def until(descriptor: int, is_done: Callable[[], bool]) -> None:
    """Ask whenever there is something to read, until it is done; what `is_done` raises is raised here."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def look() -> None:
        if done.done():
            return
        try:
            if is_done():
                done.set_result(None)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    loop.add_reader(descriptor, look)
    try:
        await done
    finally:
        loop.remove_reader(descriptor)


async def read_all(descriptor: int, sink: Callable[[bytes], object]) -> None:
    """Hand on what comes until nobody holds the other end of the pipe any more."""
    os.set_blocking(descriptor, False)

    def take() -> bool:
        for _ in range(_CHUNKS):
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return False
            if not data:
                return True
            sink(data)
        return False

    await until(descriptor, take)
