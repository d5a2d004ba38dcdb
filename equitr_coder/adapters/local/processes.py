"""One process and everything it started: run, watched, and killed whole.

Each runs in a session of its own. Whatever way the run ends (exit, time-out, cancellation), its group is gone before
the caller goes on.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from equitr_coder.adapters.local.capture import OUTPUT_CAP, Capture
from equitr_coder.adapters.local.readiness import read_all, until
from equitr_coder.ports import CommandResult

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL."""
_DRAIN = 1.0
"""Seconds to wait for the end of the output once the group is gone; only an escaped process can hold it open."""
_STUCK = 2.0
"""Seconds to wait for a killed process to be gone."""
_CANNOT_START = 126

Sink = Callable[[bytes], None]
InnerPid = Callable[[], int | None]
"""Tells the id once it is known."""
Started = Callable[[Callable[[], "subprocess.Popen[bytes]"]], "subprocess.Popen[bytes]"]
"""Calls what it is given, which starts the process, wherever that is to be done."""


def _here(start: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    return start()


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    on_output: Sink | None = None,
    on_errors: Sink | None = None,
    cap: int = OUTPUT_CAP,
    pass_fds: Sequence[int] = (),
    inner: InnerPid | None = None,
    start_in: Started = _here,
    told: bytes | None = None,
) -> CommandResult:
    """Run `argv` without a terminal or input. Stderr joins stdout unless `on_errors` takes it. What is `told` goes
    to its input once it has written an empty line, which is no output then; with that the input ends.

    With `inner` the process only waits for another that leads a session and a pid namespace (bubblewrap): signals then
    go to that one. `start_in` may start it in a thread that is restricted, or answer with one that waits already.
    Never raises for what the process does; one that cannot be started has exit code 126.
    """
    started = time.monotonic()
    capture = Capture(cap)

    def keep(data: bytes) -> None:
        capture.add(data)
        if on_output is not None:
            on_output(data)

    try:
        # Not in a thread: bubblewrap dies with the *thread* that started it.
        process = start_in(
            lambda: start_process(
                argv,
                cwd=cwd,
                env=env,
                pass_fds=pass_fds,
                joins_stderr=on_errors is None,
                has_input=told is not None,
            )
        )
    except (OSError, ValueError) as error:
        return CommandResult(exit_code=_CANNOT_START, output=f"cannot start {argv[0]}: {error}\n".encode())
    leader = _Leader(process, inner)
    handover = _Handover(process, told, keep) if told is not None else None
    timed_out = False
    try:
        async with asyncio.TaskGroup() as tasks:
            pumps = [tasks.create_task(_pump(process.stdout, handover.take if handover is not None else keep))]
            if on_errors is not None:
                pumps.append(tasks.create_task(_pump(process.stderr, on_errors)))
            try:
                async with asyncio.timeout(timeout):
                    await leader.exited()
            except TimeoutError:
                timed_out = True
            finally:
                await leader.end(pumps)
            await asyncio.wait(pumps, timeout=_DRAIN)
            for pump in pumps:
                pump.cancel()
    finally:
        if handover is not None:
            handover.close()
        leader.close()
    return CommandResult(
        exit_code=-1 if timed_out else _shell_code(process.returncode),
        output=capture.output(),
        timed_out=timed_out,
        truncated=capture.is_truncated,
        duration_ms=round((time.monotonic() - started) * 1000),
    )


def start_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int],
    joins_stderr: bool = True,
    has_input: bool = False,
) -> subprocess.Popen[bytes]:
    """First of a session of its own.

    Raises:
        OSError, ValueError: it cannot be started.
    """
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joins_stderr else subprocess.PIPE,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def end_process(process: subprocess.Popen[bytes], inner: InnerPid | None) -> None:
    """Kill it with all that it started, at once, and see it gone."""
    leader = _Leader(process, inner)
    try:
        leader.kill()
    finally:
        leader.close()


def begin_to_end(process: subprocess.Popen[bytes], inner: InnerPid) -> None:
    """Kill the namespace that `inner` leads, or the process where none is known. Nobody waits: `end_process` sees it
    gone.
    """
    leader = _Leader(process, inner)
    try:
        leader.kill_soon()
    finally:
        leader.forget()


class _Handover:
    """Between the output of a process and its `sink`, until the process is there and has been told what to do."""

    def __init__(self, process: subprocess.Popen[bytes], told: bytes, sink: Sink) -> None:
        assert process.stdin is not None
        self._input = process.stdin
        self._told = told
        self._sink = sink
        self._before = b""
        """What came before the empty line: as a rule nothing, or why there will be none."""

    def take(self, data: bytes) -> None:
        if self._input.closed:
            self._sink(data)
            return
        self._before += data
        at = 0 if self._before.startswith(b"\n") else self._before.find(b"\n\n") + 1
        if at or self._before.startswith(b"\n"):
            output, self._before = self._before[:at] + self._before[at + 1 :], b""
            with contextlib.suppress(OSError):  # it has ended just now
                os.write(self._input.fileno(), self._told)
            self._input.close()
            if output:
                self._sink(output)

    def close(self) -> None:
        """Once nothing more comes."""
        if not self._input.closed:
            self._input.close()
        if self._before:
            self._sink(self._before)
            self._before = b""


async def _pump(pipe: IO[bytes] | None, sink: Sink) -> None:
    assert pipe is not None
    await read_all(pipe.fileno(), sink)


class _Leader:
    """The started process, first of its group.

    It is reaped last of all: while it is a zombie its id cannot be given to another process, so that no signal meant
    for its group can hit a stranger.
    """

    def __init__(self, process: subprocess.Popen[bytes], inner: InnerPid | None) -> None:
        self._process = process
        self._inner = inner
        self._pidfd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None

    async def exited(self) -> None:
        if self._pidfd is None:  # not Linux
            await asyncio.to_thread(self._process.wait)
            return
        await until(self._pidfd, lambda: True)

    async def end(self, pumps: Sequence[asyncio.Task[None]]) -> None:
        """Leave no process of the group. A second cancellation cuts the grace short, never the kill."""
        try:
            if not self._has_exited():
                self._signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GRACE):
                        await self.exited()
            elif self._inner is None:
                await self._end_leftovers(pumps)
            if self._inner is not None:
                await self._end_namespace(self._inner())
        finally:
            self.kill()

    async def _end_leftovers(self, pumps: Sequence[asyncio.Task[None]]) -> None:
        """The leader is gone; what it left in the background may still hold the output open."""
        _, still_open = await asyncio.wait(pumps, timeout=0.02)
        if still_open:
            self._signal(signal.SIGTERM)
            await asyncio.wait(still_open, timeout=GRACE)

    def _has_exited(self) -> bool:
        if self._pidfd is None:
            return self._process.poll() is not None
        return _wait_readable(self._pidfd, seconds=0)

    def _signal(self, number: signal.Signals) -> None:
        group = self._process.pid if self._inner is None else self._inner()
        if group is not None:
            _send(group, number)

    def kill(self) -> None:
        """Kill, reap and see it gone: a matter of milliseconds. The limits are for a process stuck in the kernel."""
        if self._inner is not None:
            self._kill_namespace(self._inner())
        if self._process.returncode is None:
            _send(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_STUCK)
        if self._inner is None:
            deadline = time.monotonic() + _STUCK
            while _is_alive(self._process.pid) and time.monotonic() < deadline:
                time.sleep(0.001)

    async def _end_namespace(self, first: int | None) -> None:
        """As `kill` does it, and nobody else waits meanwhile: the kernel takes some milliseconds for it."""
        with self._killed(first) as fd, contextlib.suppress(TimeoutError):
            if fd is not None:
                async with asyncio.timeout(_STUCK):
                    await until(fd, lambda: True)

    def kill_soon(self) -> None:
        with self._killed(self._inner() if self._inner is not None else None) as first:
            if first is None:
                _send(self._process.pid, signal.SIGKILL)

    def _kill_namespace(self, first: int | None) -> None:
        with self._killed(first) as fd:
            if fd is not None:
                _wait_readable(fd, seconds=_STUCK)

    @contextlib.contextmanager
    def _killed(self, first: int | None) -> Iterator[int | None]:
        """The first process of a pid namespace, which takes all others with it and ends only after them; None when
        there is none any more.
        """
        try:
            fd = os.pidfd_open(first) if first is not None else None
        except ProcessLookupError:
            fd = None
        if fd is None:
            yield None
            return
        try:
            if not self._has_exited():  # else it is ending already, and by now the id might be another's
                with contextlib.suppress(ProcessLookupError):  # it has just been reaped
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            yield fd
        finally:
            os.close(fd)

    def forget(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)

    def close(self) -> None:
        self.forget()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _send(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _wait_readable(fd: int, *, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _is_alive(group: int) -> bool:
    """Whether a process of the group has not ended; one that only waits to be reaped has."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = status.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if process_group == str(group) and state not in "ZX":
            return True
    return False


def _shell_code(returncode: int | None) -> int:
    if returncode is None:
        return 128 + signal.SIGKILL
    return returncode if returncode >= 0 else 128 - returncode
