"""Commands under macOS's Seatbelt, by `sandbox-exec`. Never run on a Mac: see docs/security.md."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.sandbox.environment import command_environment
from equitr_coder.adapters.sandbox.grants import seen_by
from equitr_coder.adapters.sandbox.hosts import Hosts
from equitr_coder.adapters.sandbox.limits import Limits, limited_shell
from equitr_coder.adapters.sandbox.proxy import serve_proxy
from equitr_coder.adapters.sandbox.seatbelt_profile import HIDDEN, Sights, seatbelt_profile
from equitr_coder.adapters.sandbox.sight import Sight
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.ports import CommandResult, Confinement, Place

PROGRAM = "sandbox-exec"


class SeatbeltExecutor(UnconfinedExecutor):
    """A `ports.Executor`. As under Landlock the tree does not stand for the checkout."""

    _under = "under Seatbelt"

    def __init__(
        self,
        *,
        program: str,
        home: Path,
        readable: Sequence[Path],
        environ: Mapping[str, str],
        is_accepted: bool,
        limits: Limits | None = None,
        network: Sequence[str] = (),
    ) -> None:
        """`is_accepted`: the user asked for it by name, unverified as it is."""
        super().__init__(reason="", environ=environ, limits=limits)
        self._confinement = Confinement("seatbelt", "sandbox-exec, unverified", is_accepted=is_accepted)
        self._program = program
        self._sight = Sight(environ=environ, equitr_home=home, readable=readable)
        self._hosts = Hosts(tuple(network))

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
            UserError: the place cannot be confined; the command was not started.
        """
        await self._sight.look()
        hosts = Hosts() if clean else self._hosts
        with self._points.links(place.root, place.links), _private_folder() as private:
            async with _proxy_to(hosts) as port:
                profile = seatbelt_profile(self._sights(place, private), proxy_port=port)
                env = command_environment(
                    self._environ,
                    home=str(private / "home"),
                    tmp=str(private / "tmp"),
                    toolchains=self._sight.toolchains.variables,
                    clean=clean,
                )
                return await run_process(
                    (self._program, "-p", profile, *limited_shell(command, self._limits, counts_processes=False)),
                    cwd=place.root,
                    env={**env, **_proxy_variables(port), **place.variables},
                    timeout=timeout,
                    on_output=on_output,
                )

    def _sights(self, place: Place, private: Path) -> Sights:
        seen = seen_by(place, self._sight)
        return Sights(
            hidden=tuple(dict.fromkeys((*HIDDEN, *self._sight.hidden))),
            shown=seen.paths,
            written=(seen.root, str(private)),
            kept=(f"{seen.root}/.git", f"{seen.root}/.equitr"),
            secrets=seen.secrets,
        )


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="equitr-", ignore_cleanup_errors=True) as folder:
        private = Path(os.path.realpath(folder))
        for name in ("home", "tmp"):
            (private / name).mkdir()
        yield private


@contextlib.asynccontextmanager
async def _proxy_to(hosts: Hosts) -> AsyncIterator[int | None]:
    """Its port on this machine while it serves; None where no host is listed."""
    if not hosts.entries:
        yield None
        return
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    is_there = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_proxy(listener, hosts, is_there.set))
        await is_there.wait()
        try:
            yield port
        finally:
            serving.cancel()


def _proxy_variables(port: int | None) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {} if port is None else dict.fromkeys(names, f"http://127.0.0.1:{port}")
