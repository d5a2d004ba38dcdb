"""Sandboxes made before their command is known: most of the price of one is mounting, which need not be waited for.

One waits for each place in which a command ran, for one command. It is used only when it is what a new one would be:
the same mounts and environment are wanted, and the kernel says that those are what stands there, as when it was made.
"""

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from equitr_coder.adapters.local.processes import InnerPid, end_process
from equitr_coder.adapters.sandbox.limits import can_be_told, told_to_run
from equitr_coder.adapters.sandbox.mounts import Arrangement
from equitr_coder.domain.frozen import frozen

_SECONDS = 5.0
"""To be ready; it takes some hundredths of one."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


@frozen
class Wanted:
    """What decides what a command finds: two that are equal can stand in for each other."""

    root: Path
    identity: tuple[int, int]
    """Device and number of the root: another folder may have taken its name."""
    arrangement: Arrangement
    environment: Mapping[str, str]


@frozen
class Waiting:
    """A sandbox whose shell waits for its command, and what must be let go of when it has ended."""

    process: subprocess.Popen[bytes]
    inner: InnerPid
    held: contextlib.ExitStack


class Standby:
    def __init__(self, wanted: Wanted, waiting: Waiting) -> None:
        self.wanted = wanted
        self._waiting = waiting
        self._loop = asyncio.get_running_loop()
        self._mounts: asyncio.Future[str] = self._loop.create_future()
        """What the kernel said when the shell was there; empty when it never will be."""
        assert waiting.process.stdout is not None
        self._output = waiting.process.stdout.fileno()
        self._loop.add_reader(self._output, self._look)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._waiting.process

    @property
    def inner(self) -> InnerPid:
        return self._waiting.inner

    async def is_as_wanted(self, wanted: Wanted) -> bool:
        """Whether a new one for `wanted` would be the same."""
        if wanted != self.wanted:
            return False
        try:
            async with asyncio.timeout(_SECONDS):
                before = await self._mounts
        except TimeoutError:
            return False
        # What was mounted on and has been renamed or replaced since took its mount along, or lost it.
        now = self._mounted()
        return bool(before) and now == before and _mount_points(now) >= _points_of(wanted.arrangement)

    def hand_over(self, command: str) -> bool:
        """Whether its shell has the command now; else it did not run at all."""
        assert self.process.stdin is not None
        # Not `poll`, which would give its id to somebody else before its group is ended.
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return False
        with contextlib.suppress(OSError):  # it has ended just now
            os.write(self.process.stdin.fileno(), told_to_run(command))
            self.process.stdin.close()
            return True
        return False

    def discard(self) -> None:
        """End it unused."""
        try:
            end_process(self.process, self.inner)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Once it has ended."""
        if not self._loop.is_closed():
            self._loop.remove_reader(self._output)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self._waiting.held.close()

    def _look(self) -> None:
        self._loop.remove_reader(self._output)
        is_there = os.read(self._output, 1) == b"\n"
        if not self._mounts.done():
            self._mounts.set_result(self._mounted() if is_there else "")

    def _mounted(self) -> str:
        try:
            return Path(f"/proc/{self.inner()}/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""


class Standbys:
    """Those that wait. Whoever makes this closes it."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._by_root: dict[Path, Standby] = {}
        self._is_closed = False

    async def take(self, wanted: Wanted, command: str) -> Standby | None:
        """One that has been given the command; whoever takes it lets go of it."""
        found = self._by_root.pop(wanted.root, None)
        if found is None:
            return None
        is_taken = False
        try:
            is_taken = can_be_told(command) and await found.is_as_wanted(wanted) and found.hand_over(command)
        finally:
            if not is_taken:
                found.discard()
        return found if is_taken else None

    def prepare(self, wanted: Wanted, start: Callable[[], Waiting]) -> None:
        """Have one for the next command there, unless one waits already."""
        if self._is_closed or wanted.root in self._by_root:
            return
        try:
            self._by_root[wanted.root] = Standby(wanted, start())
        except OSError:  # the next command will say what is wrong
            return
        while len(self._by_root) > self._most:
            self._by_root.pop(next(iter(self._by_root))).discard()

    def close(self) -> None:
        self._is_closed = True
        while self._by_root:
            self._by_root.popitem()[1].discard()


def _points_of(arrangement: Arrangement) -> set[str]:
    return {mount.at for mount in arrangement.mounts if mount.kind != "link"}


def _mount_points(mountinfo: str) -> set[str]:
    points = (line.split(" ", 5)[4] for line in mountinfo.splitlines())
    return {_ESCAPED.sub(lambda found: chr(int(found[1], 8)), point) for point in points}
