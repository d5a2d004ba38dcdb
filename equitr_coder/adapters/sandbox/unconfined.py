"""Commands without a sandbox: still no key in the environment, killed whole, and honest about what they prove."""

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.sandbox.environment import command_environment, environment_digest
from equitr_coder.adapters.sandbox.interpreters import (
    PRINT_EXECUTABLE,
    Interpreter,
    describe_interpreter,
    interpreter_facts,
    ways_back,
)
from equitr_coder.adapters.sandbox.limits import Limits, limited_shell
from equitr_coder.adapters.sandbox.mount_points import MountPoints
from equitr_coder.adapters.sandbox.priority import started_behind
from equitr_coder.adapters.sandbox.process_bound import bounded, most_to_hold
from equitr_coder.adapters.sandbox.task_counts import SessionTasks
from equitr_coder.adapters.sandbox.toolchains import Toolchains, find_toolchains
from equitr_coder.ports import CommandResult, Confinement, Place

_INTERPRETER_SECONDS = 20.0
_WAYS_NAMED = 3


class UnconfinedExecutor:
    """A `ports.Executor` for a machine without bubblewrap, or for who turned it off."""

    _under = "without a sandbox"

    def __init__(self, *, reason: str, environ: Mapping[str, str], limits: Limits | None = None) -> None:
        self._confinement = Confinement("none", reason)
        self._environ = environ
        self._home = environ.get("HOME") or str(Path.home())
        self._limits = limits or Limits()
        self._most = most_to_hold(self._limits)
        self._points = MountPoints()
        self._found_toolchains: Toolchains | None = None
        self._interpreters: dict[tuple[str, ...], Interpreter | None] = {}

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
        """See `ports.Executor`."""
        await asyncio.to_thread(self._toolchains)
        with self._points.links(place.root, place.links), self._environment(clean=clean) as env:
            tasks = SessionTasks()
            return await bounded(
                self._most,
                tasks,
                lambda: run_process(
                    limited_shell(command, self._limits, counts_processes=False, is_watched=self._most is not None),
                    cwd=place.root,
                    env={**env, **place.variables},
                    timeout=timeout,
                    on_output=on_output,
                    start_in=lambda start: tasks.started(self._start(start)),
                ),
            )

    def _start(self, start: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
        return start() if self._most is None else started_behind(start)

    async def interpreter(self, place: Place) -> str:
        answer = await self.run(PRINT_EXECUTABLE, place, timeout=_INTERPRETER_SECONDS)
        return answer.output.decode(errors="replace").strip() if answer.exit_code == 0 else ""

    def environment_hash(self, place: Place) -> str:
        env = self._variables(home="", tmp="", clean=True)
        return environment_digest(env, *interpreter_facts(place.root, env))

    def leads_back(self, place: Place) -> str:
        """Blocks for one start of the interpreter, the first time."""
        if place.stands_for is None or os.path.realpath(place.stands_for) == os.path.realpath(place.root):
            return ""
        env = self._variables(home=self._home, tmp=tempfile.gettempdir(), clean=True)
        facts = (str(place.root), *interpreter_facts(place.root, env))
        if facts not in self._interpreters:
            self._interpreters[facts] = describe_interpreter(place.root, env)
        ways = list(ways_back(place, self._interpreters[facts], env))
        if not ways:
            return ""
        more = f", and {len(ways) - _WAYS_NAMED} more" if len(ways) > _WAYS_NAMED else ""
        return (
            f"{self._under}, code under test could come from {place.stands_for}: {'; '.join(ways[:_WAYS_NAMED])}{more}"
        )

    @contextlib.contextmanager
    def _environment(self, *, clean: bool) -> Iterator[dict[str, str]]:
        if not clean:
            yield self._variables(home=self._home, tmp=tempfile.gettempdir(), clean=False)
            return
        with tempfile.TemporaryDirectory(prefix="equitr-", ignore_cleanup_errors=True) as private:
            home, tmp = Path(private, "home"), Path(private, "tmp")
            home.mkdir()
            tmp.mkdir()
            yield self._variables(home=str(home), tmp=str(tmp), clean=True)

    def _variables(self, *, home: str, tmp: str, clean: bool) -> dict[str, str]:
        variables = self._toolchains().variables
        return command_environment(self._environ, home=home, tmp=tmp, toolchains=variables, clean=clean)

    def _toolchains(self) -> Toolchains:
        if self._found_toolchains is None:
            self._found_toolchains = find_toolchains(self._environ, home=Path(self._home))
        return self._found_toolchains
