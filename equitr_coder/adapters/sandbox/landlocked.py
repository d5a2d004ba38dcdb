"""Commands under Landlock and seccomp, where bubblewrap cannot run: nothing is hidden by standing elsewhere, it just
cannot be opened; no socket at all can be made.
"""

import contextlib
import os
import platform
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.sandbox.environment import command_environment
from equitr_coder.adapters.sandbox.grants import grants_for
from equitr_coder.adapters.sandbox.landlock import Grant, landlock_version, restrict_thread
from equitr_coder.adapters.sandbox.limits import Limits, limited_shell
from equitr_coder.adapters.sandbox.process_bound import bounded
from equitr_coder.adapters.sandbox.seccomp import filter_program
from equitr_coder.adapters.sandbox.sight import Sight
from equitr_coder.adapters.sandbox.task_counts import SessionTasks
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import CommandResult, Confinement, Place

_MARK = "EQUITR_COMMAND"
"""In the environment of a command and of what it starts: what left its group is found by it."""


class LandlockExecutor(UnconfinedExecutor):
    """A `ports.Executor`. The tree does not stand for the checkout here: what leads there is refused as evidence, as
    without a sandbox.
    """

    _under = "under Landlock"

    def __init__(
        self,
        *,
        home: Path,
        readable: Sequence[Path],
        environ: Mapping[str, str],
        reason: str = "",
        limits: Limits | None = None,
    ) -> None:
        version = f"Landlock version {landlock_version()} with seccomp"
        super().__init__(reason="", environ=environ, limits=limits)
        self._confinement = Confinement("landlock", f"{version}; {reason}" if reason else version)
        self._sight = Sight(environ=environ, equitr_home=home, readable=readable)
        self._machine = platform.machine()
        self._filter = filter_program(has_network_namespace=False, machine=self._machine)

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
            UserError: the place cannot be confined, or the kernel refused; the command was not started.
        """
        await self._sight.look()
        with (
            self._points.links(place.root, place.links),
            _private_folder() as private,
            _kept(place.root / ".git"),
            _ended_after() as mark,
        ):
            grants = grants_for(place, self._sight, private=private)
            env = command_environment(
                self._environ,
                home=str(private / "home"),
                tmp=str(private / "tmp"),
                toolchains=self._sight.toolchains.variables,
                clean=clean,
            )
            tasks = SessionTasks(lambda pid: _carries(pid, mark))
            return await bounded(
                self._most,
                tasks,
                lambda: run_process(
                    limited_shell(
                        command,
                        self._limits,
                        counts_processes=True,
                        beside=_tasks_on_the_machine(),
                        is_watched=self._most is not None,
                    ),
                    cwd=place.root,
                    env={**env, **place.variables, _MARK: mark},
                    timeout=timeout,
                    on_output=on_output,
                    start_in=lambda start: tasks.started(self._start_restricted(grants, start)),
                ),
            )

    def _start_restricted(
        self, grants: Sequence[Grant], start: Callable[[], "subprocess.Popen[bytes]"]
    ) -> "subprocess.Popen[bytes]":
        def work() -> "subprocess.Popen[bytes]":
            try:
                restrict_thread(grants, self._filter, machine=self._machine)
            except OSError as error:
                raise UserError(
                    f"The sandbox could not be set up: {error.strerror}.",
                    hint="See `equitrcoder doctor`; with sandbox.mode set to off each command asks instead.",
                ) from error
            return self._start(start)

        with ThreadPoolExecutor(1, "equitr-restricted") as thread:  # never used again: it stays restricted
            return thread.submit(work).result()


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="equitr-", ignore_cleanup_errors=True) as folder:
        private = Path(os.path.realpath(folder))
        for name in ("home", "tmp"):
            (private / name).mkdir()
        yield private


@contextlib.contextmanager
def _kept(pointer: Path) -> Iterator[None]:
    """The pointer of a worktree is put back: the host does not follow it, but the user's own git would."""
    try:
        before = pointer.read_bytes() if pointer.is_file() and not pointer.is_symlink() else None
        times = (0, 0) if before is None else (pointer.stat().st_atime_ns, pointer.stat().st_mtime_ns)
    except OSError:
        before = None
    try:
        yield
    finally:
        if before is not None and (pointer.is_symlink() or not pointer.is_file() or pointer.read_bytes() != before):
            _take_away(pointer)
            pointer.write_bytes(before)
            os.utime(pointer, ns=times)


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.was-{secrets.token_hex(4)}"))
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _ended_after() -> Iterator[str]:
    """A mark for the environment; at the end no process that carries it goes on, whatever group it is in."""
    mark = secrets.token_hex(8)
    before = {entry.name for entry in os.scandir("/proc")}
    try:
        yield mark
    finally:
        while found := [pid for pid in _numbers(before) if _carries(pid, mark)]:
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _numbers(before: set[str]) -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name not in before and entry.name.isdigit())


def _carries(pid: int, mark: str) -> bool:
    """False for one that has ended and waits to be reaped: its environment is gone."""
    try:
        return f"{_MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _tasks_on_the_machine() -> int:
    """The kernel counts a user's processes wherever they run: at most these are there already."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 0
