"""Which executor this machine gets. The sandbox is tried once, and never dropped without a reason being given."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor, bubblewrap
from equitr_coder.adapters.sandbox.sight import TMP
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.ports import CommandResult, Executor

_PROBE_SECONDS = 10.0


async def choose_executor(*, mode: str, home: Path, readable: Sequence[Path], environ: Mapping[str, str]) -> Executor:
    """`mode` is `auto` or `off`; `home` is EQUITR_HOME; `readable` are further host paths to show inside."""
    if mode == "off":
        return UnconfinedExecutor(reason="sandbox.mode is off", environ=environ)
    program = shutil.which("bwrap", path=environ.get("PATH"))
    if program is None:
        reason = "bubblewrap is not installed (`bwrap` is not on PATH; most systems call the package bubblewrap)"
        return UnconfinedExecutor(reason=reason, environ=environ)
    async with asyncio.TaskGroup() as tasks:
        probe = tasks.create_task(_run(*bubblewrap(program, ("--tmpfs", TMP)), "true"))
        version = tasks.create_task(_run(program, "--version"))
    if probe.result().exit_code != 0:
        return UnconfinedExecutor(reason=_why_not(probe.result()), environ=environ)
    name = version.result().output.decode(errors="replace").strip() or "bubblewrap"
    return BubblewrapExecutor(program=program, version=name, home=home, readable=readable, environ=environ)


async def _run(*argv: str) -> CommandResult:
    return await run_process(argv, cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}, timeout=_PROBE_SECONDS)


def _why_not(probe: CommandResult) -> str:
    said = probe.output.decode(errors="replace").strip().splitlines()
    words = said[-1].removeprefix("bwrap: ") if said else f"it ended with {probe.exit_code}"
    lowered = words.lower()
    if probe.timed_out:
        words = "it did not answer"
    elif "namespace" in lowered or "uid map" in lowered or "not permitted" in lowered or "loopback" in lowered:
        words += (
            " (this kernel or container forbids user namespaces: see kernel.apparmor_restrict_unprivileged_userns, "
            "kernel.unprivileged_userns_clone, or the container's security options)"
        )
    return f"bubblewrap cannot run here: {words}"
