"""Which executor this machine gets. The sandbox is tried once, and never dropped without a reason being given."""

import asyncio
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor, bubblewrap
from equitr_coder.adapters.sandbox.landlock import OLDEST, landlock_version
from equitr_coder.adapters.sandbox.landlocked import LandlockExecutor
from equitr_coder.adapters.sandbox.limits import Limits
from equitr_coder.adapters.sandbox.seatbelt import PROGRAM as SEATBELT
from equitr_coder.adapters.sandbox.seatbelt import SeatbeltExecutor
from equitr_coder.adapters.sandbox.seatbelt_profile import Sights, seatbelt_profile
from equitr_coder.adapters.sandbox.seccomp import is_known_machine
from equitr_coder.adapters.sandbox.sight import TMP
from equitr_coder.adapters.sandbox.standby import Standbys
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import CommandResult, Executor

_PROBE_SECONDS = 10.0


async def choose_executor(
    *,
    mode: str,
    home: Path,
    readable: Sequence[Path],
    environ: Mapping[str, str],
    network: Sequence[str] = (),
    limits: Limits | None = None,
    standbys: Standbys | None = None,
    system: str = sys.platform,
) -> Executor:
    """`mode` is `auto`, `bubblewrap`, `landlock`, `seatbelt` or `off`; `home` is EQUITR_HOME.

    `readable` are further host paths to show inside; `network` are hosts that commands may reach, not under Landlock;
    `standbys`, closed by the caller, let commands start sooner in bubblewrap.
    """
    if mode == "off":
        return UnconfinedExecutor(reason="sandbox.mode is off", environ=environ, limits=limits)
    if system == "darwin" or mode == "seatbelt":
        found_there = await _seatbelt(environ, mode, system)
        if isinstance(found_there, _Found):
            return SeatbeltExecutor(
                program=found_there.program,
                home=home,
                readable=readable,
                environ=environ,
                is_accepted=mode == "seatbelt",
                network=network,
                limits=limits,
            )
        return UnconfinedExecutor(reason=found_there, environ=environ, limits=limits)
    reasons: list[str] = []
    if mode != "landlock":
        found = await _bubblewrap(environ)
        if isinstance(found, _Found):
            return BubblewrapExecutor(
                program=found.program,
                version=found.version,
                home=home,
                readable=readable,
                environ=environ,
                network=network,
                limits=limits,
                standbys=standbys,
            )
        reasons.append(found)
    if mode != "bubblewrap":
        missing = why_no_landlock()
        if not missing:
            return LandlockExecutor(
                home=home, readable=readable, environ=environ, limits=limits, reason="; ".join(reasons)
            )
        reasons.append(missing)
    return UnconfinedExecutor(reason="; ".join(reasons), environ=environ, limits=limits)


@frozen
class _Found:
    program: str
    version: str


async def _bubblewrap(environ: Mapping[str, str]) -> _Found | str:
    """The program, tried once; else why not, in words."""
    program = shutil.which("bwrap", path=environ.get("PATH"))
    if program is None:
        return "bubblewrap is not installed (`bwrap` is not on PATH; most systems call the package bubblewrap)"
    async with asyncio.TaskGroup() as tasks:
        probe = tasks.create_task(_run(*bubblewrap(program, ("--tmpfs", TMP)), "true"))
        version = tasks.create_task(_run(program, "--version"))
    if probe.result().exit_code != 0:
        return _why_not(probe.result())
    return _Found(program, version.result().output.decode(errors="replace").strip() or "bubblewrap")


async def _seatbelt(environ: Mapping[str, str], mode: str, system: str) -> _Found | str:
    """The program, tried once; else why not, in words."""
    if system != "darwin":
        return "Seatbelt is the sandbox of macOS, and this is not"
    if mode not in ("auto", "seatbelt"):
        return f"{mode} is a sandbox of Linux, and this is macOS"
    program = shutil.which(SEATBELT, path=environ.get("PATH"))
    if program is None:
        return f"`{SEATBELT}` is not on PATH"
    probe = await _run(program, "-p", seatbelt_profile(Sights((), (), (), (), ())), "/usr/bin/true")
    if probe.exit_code != 0:
        said = probe.output.decode(errors="replace").strip().splitlines()
        return f"{SEATBELT} cannot run here: {said[-1] if said else f'it ended with {probe.exit_code}'}"
    return _Found(program, "unverified")


def why_no_landlock() -> str:
    """Empty where it can be used."""
    version = landlock_version()
    if version == 0:
        return "this kernel has no Landlock, or it is not switched on (`lsm=` on its command line)"
    if version < OLDEST:
        return f"Landlock version {version} of this kernel holds too little: Linux 6.2 brings version {OLDEST}"
    if not is_known_machine():
        return f"no filter of system calls for {platform.machine()}"
    return ""


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
