"""Holds the number of processes of a command where the kernel does not: for root.

`copy_process()` in Linux's kernel/fork.c refuses a task beyond RLIMIT_NPROC, unless its real user is INIT_USER: user 0
of the machine, in a user namespace as well. So the host looks on: at the number of tasks on the machine, which is one
small read, and only when that has grown by more than the limit at those of the command. It needs no thread, no process,
and no file descriptor that it does not have already. It needs the processor: the command comes behind it (`priority`).

A command can be above its limit by as many as the processors start between two looks, and by as many as ended elsewhere
on the machine while its own grew.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

from equitr_coder.adapters.sandbox.limits import Limits
from equitr_coder.adapters.sandbox.priority import ahead
from equitr_coder.adapters.sandbox.task_counts import Tasks
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import CommandResult

_SECONDS = 0.02
"""From one look to the next; most commands have ended before the first."""
_SHARE = 10
"""Counting gets one part in so many of the time, should others on the machine make it necessary again and again."""
_TASKS = "/proc/loadavg"
_KILLED = 128 + 9


def most_to_hold(limits: Limits) -> int | None:
    """How many tasks of a command the host must hold itself; None where the kernel does, or nobody is to."""
    if not sys.platform.startswith("linux"):
        return None
    return limits.processes if may_be_exempt(os.getuid(), Path("/proc/self/uid_map").read_text("ascii")) else None


def may_be_exempt(user: int, uid_map: str) -> bool:
    """Whether the kernel may let `user` pass: one that is 0 here, or where this user namespace was made."""
    if user == 0:
        return True
    rows = (tuple(map(int, line.split())) for line in uid_map.splitlines())
    return any(inside <= user < inside + count and user - inside + outside == 0 for inside, outside, count in rows)


async def bounded(most: int | None, tasks: Tasks, run: Callable[[], Awaitable[CommandResult]]) -> CommandResult:
    """What `run` answers, whose command is killed when it has more than `most` tasks; the result says so then.

    Raises:
        UserError: nobody could look on; nothing was started.
    """
    if most is None:
        return await run()
    with _Bound(most, tasks) as bound:
        result = await run()
    return _told(result, bound.found, most) if bound.found else result


class _Bound:
    def __init__(self, most: int, tasks: Tasks) -> None:
        self._most = most
        self._tasks = tasks
        self.found = 0
        """How many there were when they were killed; 0 while they are not."""
        self._not_before = 0.0
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as held:
            held.callback(self._tasks.close)
            try:
                self._file = _open(held)
                self._spare: int | None = os.open(_TASKS, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise UserError(
                    f"The processes of a command cannot be counted: {_TASKS}: {error.strerror}.",
                    hint="Set sandbox.limits.processes to 0 to run commands without that limit.",
                ) from error
            held.callback(self._give_up_spare)
            self._others = self._on_the_machine()
            """The most that can have been there without the command."""
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(_SECONDS, self._look)
            held.callback(self._look_no_more)
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _look(self) -> None:
        self._timer = self._loop.call_later(_SECONDS, self._look)
        if self.found:
            self._count()  # one that was started while the others were killed
            return
        with contextlib.suppress(OSError):  # next time
            self._tasks.find()
        now = self._on_the_machine()
        self._others = min(self._others, now)
        if now - self._others > self._most and time.monotonic() >= self._not_before:
            self._others = now - self._count()

    def _count(self) -> int:
        started = time.monotonic()
        self._give_up_spare()
        try:
            with ahead():  # it takes longer than others give way for
                count = self._tasks.count(self._most + 1)
                if count > self._most or self.found:
                    self.found = max(count, self.found)
                    self._tasks.kill()
        except OSError:  # next time; what cannot be counted is not killed
            count = 0
        finally:
            with contextlib.suppress(OSError):
                self._spare = os.open(_TASKS, os.O_RDONLY | os.O_CLOEXEC)
        ended = time.monotonic()
        self._not_before = ended + (ended - started) * _SHARE
        return count

    def _on_the_machine(self) -> int:
        return int(os.pread(self._file, 128, 0).split()[3].partition(b"/")[2])

    def _look_no_more(self) -> None:
        self._timer.cancel()

    def _give_up_spare(self) -> None:
        """Its number is free then for what counting opens, though all others be taken."""
        if self._spare is not None:
            os.close(self._spare)
        self._spare = None


def _open(held: contextlib.ExitStack) -> int:
    file = os.open(_TASKS, os.O_RDONLY | os.O_CLOEXEC)
    held.callback(os.close, file)
    return file


def _told(result: CommandResult, found: int, most: int) -> CommandResult:
    why = f"{found} processes and threads at once, {most} are allowed"
    lines = (
        f"[killed: {why}]",
        "[start fewer at once; only the user can allow more, by sandbox.limits.processes]",
    )
    gap = b"\n" if result.output and not result.output.endswith(b"\n") else b""
    return replace(
        result,
        exit_code=result.exit_code if result.timed_out else _KILLED,
        output=result.output + gap + "".join(f"{line}\n" for line in lines).encode(),
        killed_for=why,
    )
