"""The number of processes of a command, where the kernel does not hold it."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.limits import Limits
from equitr_coder.adapters.sandbox.process_bound import bounded, may_be_exempt, most_to_hold
from equitr_coder.adapters.sandbox.standby import Standbys
from equitr_coder.adapters.sandbox.task_counts import SessionTasks
from equitr_coder.ports import CommandResult, Executor
from tests.adapters.sandbox.conftest import Machine, processes_with

MOST = 60
MANY = 400
"""What is started: enough to be found above the limit, few enough for the machine should nobody hold it."""
ROOT = "0 0 4294967295"
MODES = {"confined": "bubblewrap", "ready": "bubblewrap", "landlock": "landlock", "unconfined": "off"}


@pytest.fixture(params=MODES)
async def executor(request: pytest.FixtureRequest, demo: Machine) -> AsyncIterator[Executor]:
    """One whose commands the kernel does not hold. `ready`: the sandbox was made before its command."""
    if os.getuid() != 0:
        pytest.skip("the kernel holds everybody else")
    mode, is_ready = MODES[request.param], request.param == "ready"
    with contextlib.closing(Standbys()) as standbys:
        made = await choose_executor(
            mode=mode, home=demo.equitr_home, readable=[], environ=demo.environ, limits=Limits(processes=MOST),
            standbys=standbys if is_ready else None,
        )  # fmt: skip
        if made.confinement.kind != ("none" if mode == "off" else mode):
            pytest.skip(made.confinement.reason)
        if is_ready:
            await made.run("true", demo.place, timeout=30)
            await asyncio.sleep(0)  # now the next one is made
        yield made


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Of this process: for the machine, another program that grows."""
    ended = threading.Event()
    all_of_them = [threading.Thread(target=ended.wait) for _ in range(number)]
    for one in all_of_them:
        one.start()
    try:
        yield
    finally:
        ended.set()
        for one in all_of_them:
            one.join()


def sleepers(marker: str, number: int = MANY, *, how: str = "{one} &") -> str:
    """One after another, with the marker in their arguments."""
    one = f"sh -c 'sleep 300; exit' {marker}"
    return f"n=0; while [ $n -lt {number} ]; do n=$((n+1)); {how.format(one=one)} done; "


async def test_more_processes_than_allowed_are_killed_and_that_is_said(executor: Executor, demo: Machine) -> None:
    marker = uuid.uuid4().hex

    result = await executor.run(f"echo begun; {sleepers(marker)} wait", demo.place, timeout=20)

    # One of them may find that it cannot fork while all are killed, and say so under its own name.
    first, killed, what_to_do = (line for line in result.output.decode().splitlines() if marker not in line)
    assert first == "begun"
    assert (result.exit_code, result.timed_out) == (137, False)
    assert result.killed_for.endswith(f"processes and threads at once, {MOST} are allowed")
    assert killed == f"[killed: {result.killed_for}]"
    assert "sandbox.limits.processes" in what_to_do
    assert processes_with(marker) == []


async def test_a_command_that_is_watched_comes_behind_who_watches(executor: Executor, demo: Machine) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    result = await executor.run("nice", demo.place, timeout=20)

    assert int(result.output) == min(ours + 10, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


async def test_threads_count_as_processes(executor: Executor, demo: Machine) -> None:
    program = (
        f"import threading\nfor _ in range({MANY}): threading.Thread(target=threading.Event().wait).start()\n"
        "print('all there')"
    )

    result = await executor.run(f'python3 -c "{program}"', demo.place, timeout=20)

    assert result.killed_for, result


async def test_as_many_as_are_allowed_go_on(executor: Executor, demo: Machine) -> None:
    command = f"n=0; while [ $n -lt {MOST - 20} ]; do n=$((n+1)); sleep 0.5 & done; wait; echo done"

    result = await executor.run(command, demo.place, timeout=20)

    assert (result.exit_code, result.output, result.killed_for) == (0, b"done\n", "")


async def test_what_others_start_meanwhile_is_not_the_commands(executor: Executor, demo: Machine) -> None:
    with contextlib.ExitStack() as others:
        result = await executor.run(
            "echo ready; sleep 0.5; echo done",
            demo.place,
            timeout=20,
            on_output=lambda data: others.enter_context(threads(MANY)) if data == b"ready\n" else None,
        )

    assert (result.exit_code, result.output) == (0, b"ready\ndone\n")


async def test_a_command_is_held_though_others_have_grown(executor: Executor, demo: Machine) -> None:
    marker = uuid.uuid4().hex
    with contextlib.ExitStack() as others:
        result = await executor.run(
            f"echo ready; sleep 0.3; {sleepers(marker)} wait",
            demo.place,
            timeout=20,
            on_output=lambda data: others.enter_context(threads(MANY)) if data == b"ready\n" else None,
        )

    assert result.killed_for, result
    assert processes_with(marker) == []


async def test_a_command_is_held_though_others_have_ended(executor: Executor, demo: Machine) -> None:
    marker = uuid.uuid4().hex
    with contextlib.ExitStack() as others:
        others.enter_context(threads(MANY))
        result = await executor.run(
            f"echo ready; sleep 0.3; {sleepers(marker)} wait",
            demo.place,
            timeout=20,
            on_output=lambda _: others.close(),
        )

    assert result.killed_for, result
    assert processes_with(marker) == []


@pytest.mark.parametrize("how", ["setsid {one} &", "(setsid {one} &);"], ids=["own sessions", "orphans"])
async def test_those_that_left_the_session_count(executor: Executor, demo: Machine, how: str) -> None:
    if executor.confinement.kind == "none" and "(" in how:
        pytest.skip("without any sandbox an orphan in a session of its own cannot be told from a stranger")
    marker = uuid.uuid4().hex

    result = await executor.run(f"{sleepers(marker, how=how)} sleep 300", demo.place, timeout=20)

    assert result.killed_for, result
    assert processes_with(marker) == []


async def test_a_command_that_the_kernel_holds_is_not_looked_at() -> None:
    done = CommandResult(exit_code=0, output=b"")

    async def run() -> CommandResult:
        return done

    assert await bounded(None, SessionTasks(), run) is done
    assert most_to_hold(Limits(processes=None)) is None


async def test_no_descriptor_need_be_left_to_hold_a_command() -> None:
    marker = uuid.uuid4().hex
    tasks = SessionTasks()
    ended = asyncio.Event()

    async def run() -> CommandResult:
        process = tasks.started(
            subprocess.Popen(["/bin/sh", "-c", f"{sleepers(marker)} wait"], start_new_session=True)  # noqa: ASYNC220
        )
        pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(pidfd, ended.set)
        try:
            with no_descriptor_left():
                async with asyncio.timeout(20):
                    await ended.wait()
        finally:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)
            os.killpg(process.pid, signal.SIGKILL)
        return CommandResult(exit_code=process.wait(), output=b"")

    result = await bounded(MOST, tasks, run)

    assert result.killed_for
    async with asyncio.timeout(5):  # they have been killed, and the kernel is at it
        while processes_with(marker):  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(0)


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        with contextlib.suppress(OSError):
            while True:
                opened.append(os.dup(0))
        yield
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("user", "uid_map", "expected"),
    [
        (0, ROOT, True),
        (1000, ROOT, False),
        (0, "0 100000 65536", True),  # who made it might be user 0 under another number
        (1000, "1000 0 1", True),
        (1000, "0 100000 65536", False),
        (1000, "0 100000 1000\n1000 0 1\n1001 101000 10", True),
    ],
)
def test_whom_the_kernel_may_exempt(user: int, uid_map: str, expected: bool) -> None:
    assert may_be_exempt(user, uid_map) is expected


def test_the_kernel_does_exempt_root() -> None:
    if os.getuid() != 0 or Path("/proc/self/uid_map").read_text().split() != ROOT.split():
        pytest.skip("needs user 0 of the machine")

    done = subprocess.run(["/bin/sh", "-c", "ulimit -u 1 || ulimit -p 1; (exit 7)"], capture_output=True, check=False)

    assert done.returncode == 7
