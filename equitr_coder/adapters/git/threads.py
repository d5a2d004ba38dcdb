"""Work on files beside the event loop."""

import asyncio
from collections.abc import Callable


async def unbroken(work: Callable[[], None]) -> None:
    """In a thread and to its end, also when the caller is cancelled: half of it would be seen by nobody again."""
    running, cancelled = asyncio.get_running_loop().run_in_executor(None, work), None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    running.result()
    if cancelled is not None:
        raise cancelled
