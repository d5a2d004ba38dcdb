"""However a command ends, nothing of it goes on."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.landlock import OLDEST, landlock_version
from equitr_coder.adapters.sandbox.standby import Standbys
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import Executor, Place
from tests.adapters.sandbox.conftest import Machine, gone, processes_with, put


@pytest.fixture(params=["confined", "ready", "landlock", "unconfined"])
async def executor(request: pytest.FixtureRequest, demo: Machine) -> AsyncIterator[Executor]:
    """`ready`: confined as well, the sandbox having been made before its command."""
    with contextlib.closing(Standbys()) as standbys:
        match request.param:
            case "confined":
                yield await demo.executor()
            case "ready":
                yield await demo.ready_executor(standbys)
            case "landlock":
                yield await choose_executor(mode="landlock", home=demo.equitr_home, readable=[], environ=demo.environ)
            case _:
                yield UnconfinedExecutor(reason="test", environ=demo.environ)


@pytest.fixture
def marker() -> str:
    return uuid.uuid4().hex


def sleeper(marker: str, *, how: str = "") -> str:
    """In the background, with the marker in its arguments; says when it is there."""
    return f"{how} sh -c 'echo ready; sleep 300; exit' {marker} & "


async def test_exit_codes_are_the_shells(executor: Executor, demo: Machine) -> None:
    codes = [
        (await executor.run(command, demo.place, timeout=10)).exit_code
        for command in ("true", "exit 7", "no-such-program-here", "kill -9 $$", "kill -TERM $$")
    ]

    assert codes == [0, 7, 127, 137, 143]


async def test_output_comes_in_order_and_as_it_is_written(executor: Executor, demo: Machine) -> None:
    chunks: list[bytes] = []

    result = await executor.run("echo one; echo two >&2; echo three", demo.place, timeout=10, on_output=chunks.append)

    assert result.output == b"one\ntwo\nthree\n"
    assert b"".join(chunks) == result.output


async def test_a_command_starts_at_the_root_of_the_tree(executor: Executor, demo: Machine) -> None:
    assert (await executor.run("pwd", demo.place, timeout=10)).output.decode().strip() == str(demo.worktree)


async def test_a_command_has_no_input(executor: Executor, demo: Machine) -> None:
    assert (await executor.run("cat; echo end", demo.place, timeout=10)).output == b"end\n"


async def test_quotes_and_lines_reach_the_shell_as_they_are(executor: Executor, demo: Machine) -> None:
    command = "x='a  b'\necho \"$x\" '$x' \"$(printf '%s' \\\"q\\\")\"\n"

    assert (await executor.run(command, demo.place, timeout=10)).output == b'a  b $x "q"\n'


async def test_a_time_out_kills_the_whole_group(executor: Executor, demo: Machine, marker: str) -> None:
    result = await executor.run(sleeper(marker) + sleeper(marker) + "wait", demo.place, timeout=0.5)

    assert (result.exit_code, result.timed_out, result.output) == (-1, True, b"ready\nready\n")
    assert processes_with(marker) == []


async def test_a_command_that_ignores_sigterm_is_killed_all_the_same(
    executor: Executor, demo: Machine, marker: str
) -> None:
    result = await executor.run(f"trap '' TERM; {sleeper(marker)} while :; do wait; done", demo.place, timeout=0.3)

    assert result.timed_out
    assert processes_with(marker) == []


async def test_a_command_may_say_goodbye_on_sigterm(executor: Executor, demo: Machine) -> None:
    result = await executor.run("trap 'echo bye; exit' TERM; sleep 300 & wait", demo.place, timeout=0.3)

    assert result.timed_out
    assert result.output == b"bye\n"


async def test_a_cancelled_command_is_gone_before_the_cancellation_is(
    executor: Executor, demo: Machine, marker: str
) -> None:
    ready = asyncio.Event()

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            executor.run(
                f"trap '' TERM; {sleeper(marker)} wait; wait",
                demo.place,
                timeout=60,
                on_output=lambda _: ready.set(),
            )
        )
        await ready.wait()
        assert processes_with(marker) != []
        running.cancel()

    assert running.cancelled()
    assert processes_with(marker) == []


async def test_a_second_cancellation_cuts_the_grace_short(executor: Executor, demo: Machine, marker: str) -> None:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            executor.run(
                f"trap '' TERM; {sleeper(marker)} while :; do wait; done",
                demo.place,
                timeout=60,
                on_output=lambda _: ready.set(),
            )
        )
        await ready.wait()
        running.cancel()
        loop.call_later(0.05, running.cancel)
        started = loop.time()

    assert loop.time() - started < 0.9
    assert processes_with(marker) == []


async def test_what_a_command_leaves_in_the_background_ends_with_it(
    executor: Executor, demo: Machine, marker: str
) -> None:
    result = await executor.run(sleeper(marker) + "sleep 0.1", demo.place, timeout=30)

    assert (result.exit_code, result.output) == (0, b"ready\n")
    assert processes_with(marker) == []


async def test_what_is_left_in_the_background_may_say_goodbye(demo: Machine) -> None:
    executor = UnconfinedExecutor(reason="test", environ=demo.environ)

    result = await executor.run(
        "mkfifo f; (trap 'echo bye; exit' TERM; echo ready; echo go > f; sleep 300 & wait) & read line < f",
        demo.place,
        timeout=30,
    )

    assert result.output == b"ready\nbye\n"


async def test_what_left_its_group_ends_as_well_in_the_sandbox(demo: Machine, marker: str) -> None:
    result = await demo.run(sleeper(marker, how="setsid nohup") + "sleep 0.1")

    assert (result.exit_code, result.output) == (0, b"ready\n")
    assert processes_with(marker) == []


async def test_long_output_keeps_head_and_tail(executor: Executor, demo: Machine) -> None:
    result = await executor.run("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo last", demo.place, timeout=30)

    assert result.truncated
    assert result.output.startswith(b"first\n")
    assert result.output.endswith(b"last\n")
    assert len(result.output) < 1_000_100
    assert b"bytes left out" in result.output


async def test_a_command_that_cannot_be_started_is_a_result(executor: Executor, demo: Machine) -> None:
    for command in ("true \0", "x" * 200_000):
        result = await executor.run(command, demo.place, timeout=5)

        assert result.exit_code == 126
        assert b"cannot start" in result.output


async def test_many_commands_in_one_tree_share_its_mount_points(
    demo: Machine, make_environment: Callable[[Path], Path]
) -> None:
    make_environment(demo.checkout / ".venv")
    demo.environ["PATH"] = f"{demo.checkout}/.venv/bin:{demo.environ['PATH']}"
    executor = await demo.executor()

    async with asyncio.TaskGroup() as tasks:
        runs = [
            tasks.create_task(executor.run(f"sleep 0.{n}; command -v python3; ls .venv", demo.place, timeout=10))
            for n in range(5)
        ]

    assert {run.result().output.splitlines()[0] for run in runs} == {f"{demo.checkout}/.venv/bin/python3".encode()}
    assert not (demo.worktree / ".venv").exists()


async def test_a_sandbox_that_cannot_be_set_up_is_no_red_check(demo: Machine) -> None:
    fake = demo.folder / "bwrap"
    fake.write_text('#!/bin/sh\necho "bwrap: Can\'t mkdir /x: No space left on device" >&2; exit 1\n')
    fake.chmod(0o755)
    executor = BubblewrapExecutor(
        program=str(fake), version="0", home=demo.equitr_home, readable=[], environ=demo.environ
    )

    with pytest.raises(UserError, match=r"sandbox could not be set up.*No space left"):
        await executor.run("true", demo.place, timeout=5)


async def test_a_tree_that_is_not_there_is_said_so_and_not_made(demo: Machine) -> None:
    executor = await demo.executor()

    with pytest.raises(UserError, match="does not exist"):
        await executor.run("true", Place(root=demo.folder / "missing"), timeout=5)
    assert not (demo.folder / "missing").exists()


_HOST = """
import asyncio, pathlib, sys
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.ports import Place

async def main():
    environ = {"PATH": "/usr/bin:/bin"}
    executor = await choose_executor(mode="auto", home=pathlib.Path("/x"), readable=[], environ=environ)
    place = Place(root=pathlib.Path(sys.argv[2]))
    await executor.run(sys.argv[1], place, timeout=60, on_output=lambda data: print(data.decode(), end="", flush=True))

asyncio.run(main())
"""


async def test_nothing_outlives_a_killed_host(demo: Machine, marker: str) -> None:
    await demo.executor()
    host = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _HOST,
        sleeper(marker, how="setsid") + sleeper(marker) + "wait",
        str(demo.folder),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert host.stdout is not None
    assert [await host.stdout.readline(), await host.stdout.readline()] == [b"ready\n", b"ready\n"]
    running = processes_with(marker)
    assert len(running) >= 2

    host.kill()
    await host.wait()

    for pid in running:
        await gone(pid)
    assert processes_with(marker) == []


_HELD_UP = {
    "before bubblewrap has begun": 'read x <{gate}; exec {bwrap} "$@"',
    "while bubblewrap mounts": 'exec {bwrap} --file 9 /held "$@" 9<{gate}',
}
_MORE_THAN_A_PIPE_HOLDS = 1 << 17


@pytest.mark.parametrize("when", _HELD_UP)
async def test_a_command_whose_host_is_killed_while_its_sandbox_is_made_never_runs(
    demo: Machine, tmp_path: Path, when: str
) -> None:
    await demo.executor()
    gate, program, root = tmp_path / "gate", tmp_path / "bin" / "bwrap", str(demo.folder)
    os.mkfifo(gate)
    held_up = _HELD_UP[when].format(gate=gate, bwrap=shutil.which("bwrap"))
    put(tmp_path, {"bin/bwrap": f'#!/bin/sh\ncase "$*" in *"--chdir {root} "*) {held_up};; esac\nexec bwrap "$@"\n'})
    program.chmod(0o755)
    host = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _HOST.replace("/usr/bin:/bin", f"{program.parent}:/usr/bin:/bin"),
        "echo it ran >ran",
        root,
        cwd=Path(__file__).parents[3],
    )
    holding = await asyncio.to_thread(os.open, gate, os.O_WRONLY)
    if "mounts" in when:  # it has begun to read, which it does for its first mount
        await asyncio.to_thread(os.write, holding, b"x" * _MORE_THAN_A_PIPE_HOLDS)

    host.kill()
    await host.wait()
    os.close(holding)

    while left := processes_with(root):
        for pid in left:
            await gone(pid)
    assert not (demo.folder / "ran").exists()


async def test_the_sandbox_can_be_turned_off_and_says_so(demo: Machine) -> None:
    executor = await choose_executor(mode="off", home=demo.equitr_home, readable=[], environ=demo.environ)

    assert executor.confinement.kind == "none"
    assert executor.confinement.reason == "sandbox.mode is off"
    assert not executor.confinement.is_confined


async def test_a_machine_without_bubblewrap_is_told_what_is_missing(demo: Machine, tmp_path: Path) -> None:
    executor = await choose_executor(
        mode="bubblewrap", home=demo.equitr_home, readable=[], environ={"PATH": str(tmp_path), "HOME": str(demo.home)}
    )

    assert executor.confinement.kind == "none"
    assert "bubblewrap is not installed" in executor.confinement.reason


async def test_a_kernel_that_forbids_namespaces_is_named(demo: Machine, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1\n")
    fake.chmod(0o755)

    executor = await choose_executor(
        mode="bubblewrap", home=demo.equitr_home, readable=[], environ={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )

    assert executor.confinement.kind == "none"
    assert "setting up uid map: Permission denied" in executor.confinement.reason
    assert "forbids user namespaces" in executor.confinement.reason


@pytest.mark.skipif(landlock_version() < OLDEST, reason="this kernel has no Landlock that is new enough")
async def test_landlock_takes_the_place_of_bubblewrap_and_says_why(demo: Machine, tmp_path: Path) -> None:
    executor = await choose_executor(
        mode="auto", home=demo.equitr_home, readable=[], environ={"PATH": str(tmp_path), "HOME": str(demo.home)}
    )

    assert executor.confinement.kind == "landlock"
    assert "bubblewrap is not installed" in executor.confinement.reason
    assert executor.confinement.holds(in_place=False)
    assert not executor.confinement.holds(in_place=True)


async def test_the_sandbox_names_its_version(demo: Machine) -> None:
    assert (await demo.executor()).confinement.reason.startswith("bubblewrap ")
