"""The tasks of one command as the host sees them: its processes and threads, those included that wait to be reaped, as
RLIMIT_NPROC counts. Counts and kills; decides nothing.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from equitr_coder.adapters.local.processes import InnerPid
from equitr_coder.adapters.sandbox.priority import FIRST
from equitr_coder.domain.frozen import frozen

_PASSES = 20
"""To stop what starts others: each finds what was started before the one before it was through."""


class Tasks(Protocol):
    def find(self) -> None:
        """Have at hand what counting takes; asked again and again.

        Raises:
            OSError: not now.
        """

    def count(self, enough: int) -> int:
        """How many there are; need not go on beyond `enough`. 0 while there is nothing to count.

        Raises:
            OSError: nobody can tell now.
        """

    def kill(self) -> None: ...

    def close(self) -> None: ...


class NamespaceTasks:
    """Those of a sandbox that has a pid namespace and a /proc of its own, which lists exactly them. What runs inside
    can neither leave the one nor mount over the other.
    """

    def __init__(self, first: InnerPid) -> None:
        self._first = first
        self._opened: tuple[int, int] | None = None
        """The first process, and the sandbox's /proc: neither can be mistaken for another that gets its number."""

    def find(self) -> None:
        """Nothing is found while it is being set up: the host's /proc still stands there."""
        if self._opened is not None or (first := self._first()) is None:
            return
        with contextlib.ExitStack() as undone, contextlib.suppress(FileNotFoundError, ProcessLookupError):
            process = os.pidfd_open(first)
            undone.callback(os.close, process)
            proc = os.open(f"/proc/{first}/root/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undone.callback(os.close, proc)
            if os.fstat(proc).st_dev != Path("/proc").stat().st_dev:
                undone.pop_all()
                self._opened = (process, proc)

    def count(self, enough: int) -> int:
        if self._opened is None:
            return 0
        _, proc = self._opened
        tasks = 0
        with os.scandir(proc) as entries:
            for entry in entries:
                if entry.name.isdecimal():
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        tasks += os.stat(f"{entry.name}/task", dir_fd=proc).st_nlink - 2
                if tasks >= enough:
                    break
        return tasks

    def kill(self) -> None:
        """The first ends all others in the kernel, as soon as it comes to run."""
        if self._opened is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._opened[0], signal.SIGKILL)
            first = self._first()
            if first is not None:
                with contextlib.suppress(PermissionError):
                    os.setpriority(os.PRIO_PROCESS, first, FIRST)

    def close(self) -> None:
        for fd in self._opened or ():
            os.close(fd)
        self._opened = None


@frozen
class _Process:
    id: int
    state: str
    parent: int
    group: int
    session: int
    threads: int


class SessionTasks:
    """Those of a command without a namespace: its session, all that descend from it, and the sessions of those.

    `is_marked` knows by another sign one that has left its session and has lost its parents; without it such a one is
    not found.
    """

    def __init__(self, is_marked: Callable[[int], bool] = lambda _: False) -> None:
        self._is_marked = is_marked
        self._leader: int | None = None

    def started(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """It must lead a session, and not be reaped before this is closed."""
        self._leader = process.pid
        return process

    def find(self) -> None: ...

    def count(self, enough: int) -> int:
        """Its group stands still meanwhile: reading takes a while, in which it could start many more."""
        if self._leader is None:
            return 0
        _send({self._leader}, signal.SIGSTOP)
        tasks = 0
        try:
            tasks = sum(process.threads for process in self._members())
        finally:
            if tasks < enough:
                _send({self._leader}, signal.SIGCONT)
        return tasks

    def kill(self) -> None:
        """Stopped first, so that nothing is started meanwhile by one that has not been found."""
        groups: set[int] = set()
        for _ in range(_PASSES):
            found = {process.group for process in self._members() if process.state not in "ZX"} - groups
            if not found:
                break
            _send(found, signal.SIGSTOP)
            groups |= found
        _send(groups, signal.SIGKILL)

    def close(self) -> None:
        self._leader = None

    def _members(self) -> list[_Process]:
        if self._leader is None:
            return []
        others = list(_processes())
        members: list[_Process] = []
        sessions, parents = {self._leader}, {self._leader}
        while found := [one for one in others if one.session in sessions or one.parent in parents]:
            members += found
            sessions.update(one.session for one in found)
            parents.update(one.id for one in found)
            others = [one for one in others if one.id not in parents]
        return members + [one for one in others if self._is_marked(one.id)]


def _processes() -> Iterator[_Process]:
    with os.scandir("/proc") as entries:
        numbers = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    for number in numbers:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield _process(number)


def _process(number: int) -> _Process:
    fd = os.open(f"/proc/{number}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # The name before it is the command's to choose.
        state, parent, group, session, *more = os.read(fd, 4096).rpartition(b")")[2].split()
    finally:
        os.close(fd)
    return _Process(number, state.decode(), int(parent), int(group), int(session), int(more[13]))


def _send(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
