"""Which programs are installed."""

import asyncio
import shutil


async def version_of(program: str) -> str | None:
    """First line of `PROGRAM --version`; None when it is not on PATH or does not answer within 5 seconds."""
    path = shutil.which(program)
    if path is None:
        return None
    child = await asyncio.create_subprocess_exec(
        path,
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(5):
            output, _ = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        return None
    lines = output.decode(errors="replace").splitlines()
    return lines[0] if lines else None
