"""Commands in bubblewrap: only the tree is writable, home and network are gone, the tree stands for the checkout."""

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from equitr_coder.adapters.local.processes import run_process, start_process
from equitr_coder.adapters.sandbox.environment import environment_digest
from equitr_coder.adapters.sandbox.gate import way_out
from equitr_coder.adapters.sandbox.hosts import Hosts
from equitr_coder.adapters.sandbox.interpreters import PRINT_EXECUTABLE, interpreter_facts
from equitr_coder.adapters.sandbox.limits import (
    Limits,
    can_be_told,
    counts_processes_per_sandbox,
    limited_shell,
    told_to_run,
    waiting_shell,
)
from equitr_coder.adapters.sandbox.mount_points import MountPoints
from equitr_coder.adapters.sandbox.mounts import Arrangement, Mount
from equitr_coder.adapters.sandbox.priority import started_behind
from equitr_coder.adapters.sandbox.process_bound import bounded, most_to_hold
from equitr_coder.adapters.sandbox.seccomp import filter_program, is_known_machine
from equitr_coder.adapters.sandbox.sight import TMP, Sight, real
from equitr_coder.adapters.sandbox.standby import Standby, Standbys, Waiting, Wanted
from equitr_coder.adapters.sandbox.task_counts import NamespaceTasks
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import CommandResult, Confinement, Place

_ISOLATION = (
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    # Root keeps its capabilities otherwise, and with them can make every mount writable again.
    "--cap-drop",
    "ALL",
)
_KERNEL_SWITCHES = ("sys", "sysrq-trigger", "fs", "acpi", "scsi", "mtrr")
"""Below /proc: what root may write even without capabilities, and what then acts on the whole machine."""
_OPTIONS = {"hide": "--tmpfs", "empty": "--tmpfs", "read": "--ro-bind", "write": "--bind", "link": "--symlink"}
_INTERPRETER_SECONDS = 20.0
_HIDDEN_BYTES = 16 * 1024 * 1024


def bubblewrap(program: str, options: Sequence[str] = ()) -> list[str]:
    """The command line up to the command: the host read-only, everything else its own."""
    guarded = [f"/proc/{name}" for name in _KERNEL_SWITCHES] if os.geteuid() == 0 else []
    kernel = [word for path in guarded if Path(path).exists() for word in ("--ro-bind", path, path)]
    return [program, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *kernel, *options, *_ISOLATION, "--"]


class BubblewrapExecutor:
    """A `ports.Executor`. Files, links and programs outside the place are read-only or out of sight."""

    def __init__(
        self,
        *,
        program: str,
        version: str,
        home: Path,
        readable: Sequence[Path],
        environ: Mapping[str, str],
        limits: Limits | None = None,
        network: Sequence[str] = (),
        standbys: Standbys | None = None,
    ) -> None:
        """`network` are the hosts that commands, but not checks, may reach. Without `standbys` none is made ready."""
        self._standbys = standbys
        self._hosts = Hosts(tuple(network))
        self._program = program
        self._has_sizes = _sizes(version)
        self._confinement = Confinement("bubblewrap", version)
        self._sight = Sight(environ=environ, equitr_home=home, readable=readable)
        self._limits = limits or Limits()
        self._filter = filter_program(has_network_namespace=True) if is_known_machine() else None
        self._counts_processes = counts_processes_per_sandbox()
        self._most = most_to_hold(self._limits)
        self._points = MountPoints()
        self._interpreters: dict[tuple[str, ...], str] = {}

    @property
    def confinement(self) -> Confinement:
        return self._confinement

    async def run(
        self,
        command: str,
        place: Place,
        *,
        timeout: float,
        clean: bool = False,
        on_output: Callable[[bytes], None] | None = None,
    ) -> CommandResult:
        """See `ports.Executor`.

        Raises:
            UserError: the sandbox could not be set up; the command was not started.
        """
        await self._sight.look()
        seen = real(place)
        arrangement = self._sight.arrangement(place, seen)
        environment = {**self._sight.environment(seen, clean=clean), **place.variables}
        hosts = Hosts() if clean else self._hosts
        # A check's tree is used once, and the way out is made for one command.
        if clean or self._standbys is None or hosts.entries:
            return await self._run_anew(
                command, seen.root, arrangement, environment, hosts=hosts, timeout=timeout, on_output=on_output
            )
        wanted = Wanted(seen.root, _identity(seen.root), arrangement, environment)
        waiting = await self._standbys.take(wanted, command)
        try:
            if waiting is None:
                return await self._run_anew(
                    command, seen.root, arrangement, environment, hosts=hosts, timeout=timeout, on_output=on_output
                )
            return await self._run_waiting(waiting, timeout=timeout, on_output=on_output)
        finally:
            self._have_ready(self._standbys, wanted, place)

    async def _run_anew(
        self,
        command: str,
        root: Path,
        arrangement: Arrangement,
        environment: Mapping[str, str],
        *,
        hosts: Hosts,
        timeout: float,
        on_output: Callable[[bytes], None] | None,
    ) -> CommandResult:
        with self._set_up(arrangement, environment) as made:
            async with way_out(hosts, made.announcement.first) as gate:
                shell, told = self._shell(command)
                result = await bounded(
                    self._most,
                    NamespaceTasks(made.announcement.pid),
                    lambda: run_process(
                        [*bubblewrap(self._program, [*made.options, *gate.options, "--chdir", str(root)]), *shell],
                        cwd=Path("/"),
                        env={**environment, **gate.variables},
                        timeout=timeout,
                        on_output=on_output,
                        pass_fds=[*made.fds, *gate.fds],
                        inner=made.announcement.pid,
                        start_in=self._start,
                        told=told,
                    ),
                )
        if result.exit_code == 1 and result.output.startswith(b"bwrap: "):
            raise UserError(
                f"The sandbox could not be set up: {result.output.decode(errors='replace').strip()}",
                hint="See `equitrcoder doctor`; with sandbox.mode set to off each command asks instead.",
            )
        return result

    def _shell(self, command: str) -> tuple[Sequence[str], bytes | None]:
        """What bubblewrap starts, and what that is told once it is there.

        Until bubblewrap has started something, the process that mounts for it is not bound to this one: it would go on,
        and run what it was started with, should this one be killed meanwhile. A shell that waits for its command ends.
        """
        watched, counts = self._most is not None, self._counts_processes
        if can_be_told(command):
            shell = waiting_shell(self._limits, counts_processes=counts, is_watched=watched)
            return shell, told_to_run(command)
        return limited_shell(command, self._limits, counts_processes=counts, is_watched=watched), None

    def _start(self, start: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
        return start() if self._most is None else started_behind(start)

    async def _run_waiting(
        self, standby: Standby, *, timeout: float, on_output: Callable[[bytes], None] | None
    ) -> CommandResult:
        try:
            return await bounded(
                self._most,
                NamespaceTasks(standby.inner),
                lambda: run_process(
                    (),
                    cwd=Path("/"),
                    env={},
                    timeout=timeout,
                    on_output=on_output,
                    inner=standby.inner,
                    start_in=lambda _: standby.process,
                ),
            )
        finally:
            standby.let_go()

    @contextlib.contextmanager
    def _set_up(self, arrangement: Arrangement, environment: Mapping[str, str]) -> Iterator["_Made"]:
        with (
            self._points.folders(arrangement.points),
            _options(arrangement.mounts, home=environment["HOME"] if self._has_sizes else None) as (options, fds),
            _Announcement() as announcement,
            _filter_option(self._filter) as (filtering, filters),
        ):
            yield _Made((*options, *announcement.options, *filtering), (*fds, *filters, announcement.fd), announcement)

    def _have_ready(self, standbys: Standbys, wanted: Wanted, place: Place) -> None:
        """A sandbox for the next command, made after the caller has gone on."""
        if wanted.arrangement.points and place.stands_for is None:
            return  # what is mounted on would be seen in the user's checkout meanwhile

        def start() -> Waiting:
            held = contextlib.ExitStack()
            try:
                made = held.enter_context(self._set_up(wanted.arrangement, wanted.environment))
                shell = waiting_shell(
                    self._limits, counts_processes=self._counts_processes, is_watched=self._most is not None
                )
                process = self._start(
                    lambda: start_process(
                        [*bubblewrap(self._program, [*made.options, "--chdir", str(wanted.root)]), *shell],
                        cwd=Path("/"),
                        env=wanted.environment,
                        pass_fds=made.fds,
                        has_input=True,
                    )
                )
            except BaseException:
                held.close()
                raise
            return Waiting(process, made.announcement.pid, held)

        asyncio.get_running_loop().call_soon(standbys.prepare, wanted, start)

    async def interpreter(self, place: Place) -> str:
        await self._sight.look()
        # Version managers look for their pins in the folders above as well; siblings have those in common.
        facts = (str(place.root.parent), *self._facts(place))
        if facts not in self._interpreters:
            answer = await self.run(PRINT_EXECUTABLE, place, timeout=_INTERPRETER_SECONDS, clean=True)
            found = answer.output.decode(errors="replace").strip() if answer.exit_code == 0 else ""
            self._interpreters[facts] = found
        return self._interpreters[facts]

    def environment_hash(self, place: Place) -> str:
        environment = self._sight.environment(real(place), clean=True)
        return environment_digest(environment, *interpreter_facts(place.root, environment))

    def leads_back(self, place: Place) -> str:
        """What leads to the checkout leads to the tree in here; what remains is a tree that brings its own tools."""
        return self._sight.brought_along(place)

    def _facts(self, place: Place) -> tuple[str, ...]:
        return interpreter_facts(place.root, self._sight.environment(real(place), clean=True))


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return (found.st_dev, found.st_ino)


@frozen
class _Made:
    """What bubblewrap is started with for one command."""

    options: tuple[str, ...]
    fds: tuple[int, ...]
    announcement: "_Announcement"


class _Announcement:
    """The first process of the sandbox, as bubblewrap tells it."""

    def __enter__(self) -> Self:
        self._reading, writing = os.pipe()
        # Bubblewrap can read what it writes: with this process dead, and with it the only other reader, SIGPIPE would
        # end its first process, and its second would wait for that one's word (on an eventfd) for ever.
        self.fd = os.open(f"/proc/self/fd/{writing}", os.O_RDWR | os.O_CLOEXEC)
        os.close(writing)
        os.set_blocking(self._reading, False)
        self._text = b""
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reading)
        os.close(self.fd)

    @property
    def options(self) -> tuple[str, str]:
        return ("--info-fd", str(self.fd))

    def pid(self) -> int | None:
        with contextlib.suppress(BlockingIOError):
            self._text += os.read(self._reading, 4096)
        found = re.search(rb'"child-pid": *(\d+)\D', self._text)
        return int(found[1]) if found is not None else None

    async def first(self) -> int:
        """Waits for it to be told."""
        loop = asyncio.get_running_loop()
        while (pid := self.pid()) is None:
            told = asyncio.Event()
            loop.add_reader(self._reading, told.set)
            try:
                await told.wait()
            finally:
                loop.remove_reader(self._reading)
        return pid


def _sizes(version: str) -> bool:
    """Whether this bubblewrap can bound a private folder; else the kernel does, at half of the memory for each."""
    numbers = re.findall(r"\d+", version)[:2]
    return tuple(map(int, numbers)) >= (0, 8)


def _most_bytes(at: str, home: str) -> int:
    """Private folders lie in memory: a quarter of it for those that are worked in, little for what is only hidden."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return memory // 4 if at in (TMP, home) else min(_HIDDEN_BYTES, memory // 4)


@contextlib.contextmanager
def _options(mounts: Sequence[Mount], *, home: str | None) -> Iterator[tuple[list[str], list[int]]]:
    """Mounts as options; the texts among them are read from open files. Without a `home` nothing is bounded."""
    options: list[str] = []
    fds: list[int] = []
    try:
        for mount in mounts[1:]:  # the first is the root, which is there already
            if mount.kind == "text":
                fds.append(_file_holding(mount.source.encode("utf-8", "surrogateescape")))
                options += ["--ro-bind-data", str(fds[-1]), mount.at]
            elif mount.kind in ("hide", "empty"):
                if home is not None:
                    options += ["--size", str(_most_bytes(mount.at, home))]
                options += [_OPTIONS[mount.kind], mount.at]
                options += ["--remount-ro", mount.at] if mount.kind == "empty" else []
            else:
                options += [_OPTIONS[mount.kind], mount.source, mount.at]
        yield options, fds
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def _filter_option(program: bytes | None) -> Iterator[tuple[list[str], list[int]]]:
    """The filter of system calls, where there is one for this machine."""
    if program is None:
        yield [], []
        return
    fd = _file_holding(program)
    try:
        yield ["--seccomp", str(fd)], [fd]
    finally:
        os.close(fd)


def _file_holding(content: bytes) -> int:
    fd = os.memfd_create("equitr")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
