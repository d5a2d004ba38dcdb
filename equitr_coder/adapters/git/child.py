"""A child process and everything it writes. Hundreds are started in a run, and the loop is woken for each as rarely as
can be: input and errors go through files in memory, and its end is seen by the end of its output.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from equitr_coder.adapters.local.readiness import read_all, until

_PATIENCE = 2.0
"""Seconds a cancelled child has to remove its lock files before it is killed."""
_STUCK = 2.0
"""Seconds to wait for a killed child to be gone."""


async def run_child(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[bytes, bytes], stdin: bytes, hold: Sequence[int]
) -> tuple[int, bytes, bytes]:
    """Exit code, stdout, stderr. Cancelled, it ends the child and all that the child started before it returns."""
    with ExitStack() as stack:
        given = stack.enter_context(_memory_file()) if stdin else None
        if given is not None:
            _fill(given, stdin)
        errors = stack.enter_context(_memory_file())
        process = _start(arguments, cwd=cwd, env=env, stdin=given, stderr=errors, hold=hold)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        stdout = bytearray()
        try:
            await read_all(process.stdout.fileno(), stdout.extend)
            await _exited(process)
        except BaseException:
            await _end(process)
            raise
        return process.wait(), bytes(stdout), _content(errors)


def _start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[bytes, bytes],
    stdin: int | None,
    stderr: int,
    hold: Sequence[int],
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        arguments,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,  # Ctrl-C in the terminal is for us, not for a git in the middle of its work
        pass_fds=tuple(hold),
    )


@contextmanager
def _memory_file() -> Iterator[int]:
    if sys.platform == "linux":
        descriptor = os.memfd_create("equitr")
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryFile(buffering=0) as file:
            yield file.fileno()


def _fill(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.lseek(descriptor, 0, os.SEEK_SET)


def _content(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0) if size else b""


async def _exited(process: "subprocess.Popen[bytes]") -> None:
    """It has closed its output, and is gone in a moment; not reaped, so that its id is nobody else's."""
    if not hasattr(os, "pidfd_open"):  # not Linux
        await asyncio.to_thread(process.wait)
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        await until(descriptor, lambda: True)
    finally:
        os.close(descriptor)


async def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM lets git remove its lock files; SIGKILL for what does not listen, also when git itself did."""
    _signal_group(process, signal.SIGTERM)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await _exited(process)
    finally:
        _signal_group(process, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STUCK)


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
