"""A child process and everything it writes. Public asyncio only, and no flow control: whoever waits for the end of a
process whose output nobody reads any more would wait for ever.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

_PATIENCE = 2.0
"""Seconds a cancelled child has to remove its lock files before it is killed."""


class Child(asyncio.SubprocessProtocol):
    """Collects what comes; `finished` when the process has ended and nothing holds its output any more."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exited = asyncio.Event()
        self.finished = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self.stdout if fd == 1 else self.stderr).extend(data)

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.finished.set()


async def run_child(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes, hold: Sequence[int]
) -> tuple[int, bytes, bytes]:
    """Exit code, stdout, stderr. Cancelled, it ends the child and all that the child started before it returns."""
    child = Child()
    transport, cancelled = await _start(child, arguments, cwd=cwd, env=env, has_stdin=bool(stdin), hold=hold)
    try:
        if cancelled:
            raise cancelled
        if stdin:
            feed = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
            feed.write(stdin)
            feed.write_eof()
        await child.finished.wait()
    except BaseException:
        await _end(transport.get_pid(), child)
        raise
    finally:
        transport.close()
    code = transport.get_returncode()
    assert code is not None
    return code, bytes(child.stdout), bytes(child.stderr)


async def _start(
    child: Child, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], has_stdin: bool, hold: Sequence[int]
) -> tuple[asyncio.SubprocessTransport, asyncio.CancelledError | None]:
    """The running child, and a cancellation that came while it started.

    Asyncio, cancelled in the middle of a start, kills the child but not what that has started, and then waits for it.
    """
    starting = asyncio.gather(
        asyncio.get_running_loop().subprocess_exec(
            lambda: child,
            *arguments,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.PIPE if has_stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for a git in the middle of its work
            pass_fds=tuple(hold),
        )
    )
    cancelled = None
    while not starting.done():
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError as error:
            cancelled = error
    [(transport, _)] = starting.result()
    return transport, cancelled


async def _end(pid: int, child: Child) -> None:
    """SIGTERM lets git remove its lock files; SIGKILL for what does not listen, also when git itself did."""
    _signal_group(pid, signal.SIGTERM)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await child.exited.wait()
    finally:
        _signal_group(pid, signal.SIGKILL)
    await child.exited.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
