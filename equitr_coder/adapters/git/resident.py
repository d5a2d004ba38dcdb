"""A git that stays: started once and asked again and again, where a process for each question would cost more than the
answer.

It reads from a pipe that only we hold, and ends when that closes: however we die, it does not outlive us. One that has
died is replaced by the next question.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from equitr_coder.adapters.git.meter import one_question

LONGEST = 60_000
"""Bytes of a request: the pipe takes so many at once, so that writing never waits."""
_CHUNK = 1 << 16
_PATIENCE = 2.0
"""Seconds one that is ended in the middle of something has to remove its lock files."""

Start = Callable[[IO[bytes]], "subprocess.Popen[bytes]"]
"""Starts the process with pipes for stdin and stdout; stderr goes to the given file."""


class Answer(Protocol):
    def add(self, data: bytes) -> bool:
        """What came next; True when nothing more is to come."""
        ...


class EndedError(Exception):
    """The process ended instead of answering. Whether it did what it was asked, nobody knows."""

    def __init__(self, code: int, stderr: bytes) -> None:
        super().__init__(f"ended with {code}: {stderr.decode('utf-8', 'replace').strip()}")
        self.code = code
        self.stderr = stderr


class Resident:
    def __init__(self, start: Start) -> None:
        self._start = start
        self._turn = asyncio.Lock()
        self._running: _Running | None = None

    async def ask(self, request: bytes, answer: Answer) -> None:
        """Send `request` (at most `LONGEST` bytes) and hand what comes back to `answer` until that is whole.

        Cancelled, it ends the process before it returns, as a single command is ended.

        Raises:
            EndedError: it died over the question.
        """
        async with self._turn:
            with one_question():
                await self._ask(request, answer)

    async def _ask(self, request: bytes, answer: Answer) -> None:
        running = self._send(request)
        try:
            while data := await running.read():
                if answer.add(data):
                    return
        except BaseException:
            self._running = None
            await running.end()
            raise
        self._running = None
        raise await running.ended()

    def _send(self, request: bytes) -> "_Running":
        assert len(request) <= LONGEST
        if self._running is not None:
            try:
                self._running.write(request)
            except BrokenPipeError:
                self._running.close()  # it died while nobody looked, and has read nothing of this
                self._running = None
            else:
                return self._running
        self._running = _Running(self._start)
        with suppress(BrokenPipeError):  # what it said instead of starting is read in a moment
            self._running.write(request)
        return self._running

    def close(self) -> None:
        """End it; the next question would start another."""
        if self._running is not None:
            self._running.close()
            self._running = None


class _Running:
    def __init__(self, start: Start) -> None:
        self._errors = _file_for_errors()
        self._process = start(self._errors)
        self.close = weakref.finalize(self, _end_now, self._process, self._errors)

    def write(self, request: bytes) -> None:
        assert self._process.stdin is not None
        sent = os.write(self._process.stdin.fileno(), request)
        assert sent == len(request), "an empty pipe takes it whole"

    async def read(self) -> bytes:
        """What there is; empty at the end."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        await _readable(descriptor)
        return os.read(descriptor, _CHUNK)

    async def end(self) -> None:
        """In the middle of its work: it may still remove its lock files."""
        _signal(self._process, signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, _PATIENCE)
        finally:
            self.close()

    async def ended(self) -> EndedError:
        """It has closed its output."""
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _PATIENCE)
        self._errors.seek(0)
        said = self._errors.read()
        code = self._process.poll()
        self.close()
        return EndedError(-signal.SIGKILL if code is None else code, said)


def _file_for_errors() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return Path(os.devnull).open("w+b")  # a full disk; the command that is run instead will say so


def _end_now(process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
    """It waits for a question, or has ended, or had its time."""
    for pipe in (process.stdin, process.stdout, errors):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, tell)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
