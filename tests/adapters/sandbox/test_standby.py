"""A sandbox that was made before its command is used only when it is what a new one would be."""

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor
from equitr_coder.adapters.sandbox.standby import Standby, Standbys, Wanted
from equitr_coder.ports import CommandResult, Place
from tests.adapters.sandbox.conftest import Machine, git, processes_with, put


class Counted(Standbys):
    """Remembers whether each command found one."""

    def __init__(self) -> None:
        super().__init__(most=2)
        self.taken: list[bool] = []

    @property
    def all(self) -> list[Standby]:
        return list(self._by_root.values())

    async def take(self, wanted: Wanted, command: str) -> Standby | None:
        found = await super().take(wanted, command)
        self.taken.append(found is not None)
        return found


class Session:
    def __init__(self, demo: Machine, executor: BubblewrapExecutor, standbys: Counted) -> None:
        self.demo, self.executor, self.standbys = demo, executor, standbys

    async def run(self, command: str, place: Place | None = None, *, timeout: float = 30) -> CommandResult:
        result = await self.executor.run(command, place or self.demo.place, timeout=timeout)
        await asyncio.sleep(0)  # the next one is started
        for waiting in self.standbys.all:
            assert await waiting.is_as_wanted(waiting.wanted)
        return result

    async def says(self, command: str) -> str:
        return (await self.run(command)).output.decode()


@pytest.fixture
async def session(demo: Machine) -> AsyncIterator[Session]:
    with contextlib.closing(Counted()) as standbys:
        yield Session(demo, await demo.executor(standbys), standbys)


async def test_each_command_after_the_first_finds_one(session: Session) -> None:
    said = [await session.says(f"echo {number}; exit") for number in range(3)]

    assert said == ["0\n", "1\n", "2\n"]
    assert session.standbys.taken == [False, True, True]


async def test_nothing_private_of_a_command_is_left_for_the_next(session: Session) -> None:
    await session.run("echo x > ~/left; echo x > /tmp/left; echo x > /dev/shm/left; export LEFT=x")

    said = await session.says("ls -A ~ /tmp/left /dev/shm; echo $LEFT; ls /proc | grep -c '^[0-9]'; cat")

    assert session.standbys.taken[-1]
    assert "left" not in said.replace("/tmp/left'", "")
    assert said.splitlines()[-1] in ("3", "4", "5", "6")  # bwrap, the shell, and what of the pipeline is there


async def test_it_is_the_same_shell_as_a_new_one(session: Session) -> None:
    command = "x='a  b'; echo \"$x\" '$x' $0 $#; pwd; ulimit -a; env | sort; readlink /proc/self/fd/0; kill -TERM $$\n"

    first, second = await session.run(command), await session.run(command)

    assert session.standbys.taken == [False, True]
    assert second.output.decode().splitlines() == first.output.decode().splitlines()
    assert second.exit_code == first.exit_code == 143


async def test_what_cannot_be_handed_over_is_started_anew(session: Session) -> None:
    await session.run("true")
    long = await session.run(f"echo {'x' * 70_000} | wc -c")
    with_nul = await session.run("echo a\0b")

    assert long.output == b"70001\n"
    assert with_nul.exit_code == 126
    assert session.standbys.taken == [False, False, False]


async def test_a_pointer_that_was_replaced_meanwhile_is_guarded_again(session: Session) -> None:
    pointer = session.demo.worktree / ".git"
    await session.run("true")
    put(pointer.parent, {"new": pointer.read_text(encoding="utf-8")})
    # As any editor and git itself write: what was mounted on the old file goes with it.
    (pointer.parent / "new").replace(pointer)
    before = pointer.read_bytes()

    said = await session.says("echo 'gitdir: /elsewhere' > .git; echo $?")

    assert pointer.read_bytes() == before
    assert said.splitlines()[-1] != "0"
    assert session.standbys.taken == [False, False]


async def test_a_configuration_that_was_written_meanwhile_hides_its_password_again(session: Session) -> None:
    config = "remote.origin.url"
    git("config", config, "https://ann:PRIVATE@example.org/x.git", cwd=session.demo.checkout)
    await session.run("true")
    git("config", "user.name", "Ann", cwd=session.demo.checkout)
    git("config", "--unset", "user.name", cwd=session.demo.checkout)

    said = await session.says(f"git config {config}")

    assert said == "https://example.org/x.git\n"


async def test_settings_that_appear_meanwhile_cannot_be_changed(session: Session) -> None:
    await session.run("true")
    put(session.demo.worktree, {".equitr/config.yaml": "a: 1\n"})

    await session.run("echo b > .equitr/config.yaml")

    assert (session.demo.worktree / ".equitr/config.yaml").read_text(encoding="utf-8") == "a: 1\n"
    assert session.standbys.taken == [False, False]


async def test_a_tree_that_takes_the_name_of_another_is_the_one_that_is_written(session: Session) -> None:
    root = session.demo.worktree
    await session.run("true")
    moved = root.rename(root.with_name("old"))
    root.mkdir()
    (root / ".git").write_bytes((moved / ".git").read_bytes())

    await session.run("echo x > made")

    assert (root / "made").exists()
    assert not (moved / "made").exists()


async def test_another_environment_gets_another_one(session: Session) -> None:
    place = session.demo.place
    await session.run("true")

    result = await session.run("echo $PORT", replace(place, variables={"PORT": "4000"}))

    assert result.output == b"4000\n"
    assert session.standbys.taken == [False, False]


async def test_one_that_died_while_it_waited_does_not_matter(session: Session) -> None:
    await session.run("true")
    (waiting,) = session.standbys.all
    os.kill(waiting.process.pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, waiting.process.pid, os.WEXITED | os.WNOWAIT)

    assert await session.says("echo here") == "here\n"


async def test_a_time_out_kills_what_it_started(session: Session) -> None:
    marker = uuid.uuid4().hex
    await session.run("true")

    result = await session.run(f"sh -c 'sleep 300; exit' {marker} & trap '' TERM; wait; wait", timeout=0.3)

    assert session.standbys.taken == [False, True]
    assert result.timed_out
    assert processes_with(marker) == []


async def test_none_waits_any_more_once_they_are_closed(session: Session) -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text()
    await session.run("true")
    assert children.read_text() != before

    session.standbys.close()
    await session.run("true")

    assert children.read_text() == before


async def test_the_oldest_goes_when_there_are_too_many(session: Session) -> None:
    demo = session.demo
    for name in ("T7", "T8", "T9"):
        git("worktree", "add", "-q", "--detach", str(demo.worktree.with_name(name)), cwd=demo.checkout)
        await session.run("true", replace(demo.place, root=demo.worktree.with_name(name)))

    for name in ("T9", "T8", "T7"):
        await session.run("true", replace(demo.place, root=demo.worktree.with_name(name)))

    assert session.standbys.taken == [False, False, False, True, True, False]


async def test_one_that_goes_is_gone_in_a_moment_though_nobody_waits_for_it(session: Session) -> None:
    demo, children = session.demo, Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    for name in ("T7", "T8", "T9", "T10"):
        git("worktree", "add", "-q", "--detach", str(demo.worktree.with_name(name)), cwd=demo.checkout)
        await session.run("true", replace(demo.place, root=demo.worktree.with_name(name)))
    waiting = {str(standby.process.pid) for standby in session.standbys.all}

    async with asyncio.timeout(10):
        while set(children.read_text().split()) - before - waiting:  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(0)

    assert len(waiting) == 2
    await session.run("true", replace(demo.place, root=demo.worktree.with_name("T10")))
    assert session.standbys.taken[-1]


async def test_nothing_stands_in_the_users_checkout_meanwhile(session: Session) -> None:
    folder = session.demo.home / "plain"
    put(folder, {"a.txt": "one\n"})

    await session.run("true", Place(root=folder))
    await session.run("true", Place(root=folder))

    assert sorted(path.name for path in folder.iterdir()) == ["a.txt"]
    assert session.standbys.taken == [False, False]


async def test_two_at_once_do_not_share_one(session: Session) -> None:
    await session.run("true")

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(session.run(f"echo {number} > /tmp/x; cat /tmp/x")) for number in range(2)]

    assert sorted(task.result().output for task in running) == [b"0\n", b"1\n"]
    assert sorted(session.standbys.taken) == [False, False, True]
