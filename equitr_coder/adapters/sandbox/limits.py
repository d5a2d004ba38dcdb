"""Limits that a shell sets on itself before it becomes the command."""

import os
import shlex
from collections.abc import Sequence

from equitr_coder.adapters.sandbox.priority import gives_way
from equitr_coder.domain.frozen import frozen

_MOST_BYTES = 60_000
"""Of a command that is told: less than a pipe holds, so that handing it over never waits."""


@frozen
class Limits:
    """Generous by default: they stop a runaway, not a large build."""

    processes: int | None = 8192
    """At a time, in one command; threads count. Held by the kernel where it counts per sandbox, for root by
    `process_bound`.
    """
    memory_kb: int | None = None
    """Of one process. Unset: sanitizers and language runtimes reserve far more than they use, so instead the command
    is the first to go when the machine runs out of memory."""
    file_kb: int | None = 64 * 1024 * 1024
    """Of one file that is written."""
    cpu_seconds: int | None = None
    """Of one process. Unset: the time of the whole command is limited anyhow."""


def limited_shell(
    command: str, limits: Limits, *, counts_processes: bool, beside: int = 0, is_watched: bool = False
) -> Sequence[str]:
    """`sh -c command` under the limits. `beside` are processes that the kernel counts together with the command's. One
    that `is_watched` gives way to those that watch (`priority`).
    """
    steps = _steps(limits, counts_processes=counts_processes, beside=beside)
    return (
        *(gives_way() if is_watched else ()),
        "/bin/sh",
        "-c",
        "; ".join([*steps, 'exec /bin/sh -c "$1"']),
        "sh",
        command,
    )


def waiting_shell(limits: Limits, *, counts_processes: bool, is_watched: bool = False) -> Sequence[str]:
    """The same shell before it knows its command: it prints an empty line once it is there, and then does what comes by
    its standard input (`told_to_run`), or ends with that.
    """
    steps = _steps(limits, counts_processes=counts_processes)
    return (*(gives_way() if is_watched else ()), "/bin/sh", "-c", "; ".join([*steps, "echo", ". /dev/stdin"]))


def can_be_told(command: str) -> bool:
    return "\0" not in command and len(os.fsencode(command)) < _MOST_BYTES


def told_to_run(command: str) -> bytes:
    """What a waiting shell must be given, whole and in one piece, to become `sh -c command` without input."""
    return os.fsencode(f"exec </dev/null\nexec /bin/sh -c {shlex.quote(command)}\n")


def _steps(limits: Limits, *, counts_processes: bool, beside: int = 0) -> list[str]:
    steps = ["ulimit -c 0", "echo 500 2>/dev/null >/proc/self/oom_score_adj"]
    if limits.processes is not None and counts_processes:
        # bash says -u, dash says -p.
        most = limits.processes + beside
        steps.append(f"ulimit -u {most} 2>/dev/null || ulimit -p {most} 2>/dev/null")
    if limits.memory_kb is not None:
        steps.append(f"ulimit -d {limits.memory_kb}")
    if limits.file_kb is not None:
        steps.append(f"ulimit -f {limits.file_kb * 2}")  # dash and bash's POSIX mode count in blocks of 512 bytes
    if limits.cpu_seconds is not None:
        steps.append(f"ulimit -t {limits.cpu_seconds}")
    return steps


def counts_processes_per_sandbox() -> bool:
    """Since Linux 5.14 the limit counts within a user namespace; before, all processes of the user."""
    system = os.uname()
    if system.sysname != "Linux":
        return False
    numbers = system.release.split("-")[0].split(".")[:2]
    return tuple(int(number) if number.isdigit() else 0 for number in numbers) >= (5, 14)
