"""A machine in a folder: a home with secrets, EQUITR_HOME with two worktrees, a user's checkout."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.standby import Standbys
from equitr_coder.ports import CommandResult, Place

BASE_BIN = str(Path(sys.base_prefix) / "bin")
SYSTEM_PATH = f"{BASE_BIN}:/usr/local/bin:/usr/bin:/bin"
IDENTITY = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")


def git(*argv: str, cwd: Path) -> str:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *IDENTITY, *argv], cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def put(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@dataclass
class Machine:
    folder: Path
    home: Path = field(init=False)
    equitr_home: Path = field(init=False)
    checkout: Path = field(init=False)
    worktree: Path = field(init=False)
    environ: dict[str, str] = field(init=False)
    readable: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.equitr_home = self.home / ".equitr"
        self.checkout = self.home / "work" / "demo"
        self.worktree = self.equitr_home / "worktrees" / "w" / "r" / "T1"
        self.environ = {"PATH": SYSTEM_PATH, "HOME": str(self.home), "LANG": "C.UTF-8"}

    @property
    def place(self) -> Place:
        return Place(root=self.worktree, stands_for=self.checkout, git_dir=self.checkout / ".git")

    def make_checkout(self, files: Mapping[str, str]) -> None:
        """A repository with one commit, and a worktree of it."""
        self.checkout.mkdir(parents=True)
        git("init", "-q", "-b", "main", cwd=self.checkout)
        put(self.checkout, files)
        git("add", "-A", cwd=self.checkout)
        git("commit", "-q", "-m", "first", cwd=self.checkout)
        self.worktree.parent.mkdir(parents=True, exist_ok=True)
        git("worktree", "add", "-q", "--detach", str(self.worktree), cwd=self.checkout)

    async def executor(self, standbys: Standbys | None = None) -> BubblewrapExecutor:
        chosen = await choose_executor(
            mode="auto", home=self.equitr_home, readable=self.readable, environ=self.environ, standbys=standbys
        )
        if not isinstance(chosen, BubblewrapExecutor):
            pytest.skip(chosen.confinement.reason)
        return chosen

    async def ready_executor(self, standbys: Standbys) -> BubblewrapExecutor:
        """A sandbox waits for the first command in the worktree."""
        executor = await self.executor(standbys)
        await executor.run("true", self.place, timeout=30)
        await asyncio.sleep(0)  # now it is made
        return executor

    async def run(self, command: str, place: Place | None = None, *, clean: bool = False) -> CommandResult:
        return await (await self.executor()).run(command, place or self.place, timeout=30, clean=clean)

    async def says(self, command: str, place: Place | None = None) -> str:
        """What a command prints; it must end with 0."""
        result = await self.run(command, place)
        assert result.exit_code == 0, result
        return result.output.decode().strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    put(machine.home, {".ssh/id_ed25519": "PRIVATE", ".netrc": "machine x password PRIVATE", "notes.txt": "PRIVATE"})
    put(machine.equitr_home, {"config.yaml": "PRIVATE", "worktrees/w/r/T2/other.py": "PRIVATE"})
    return machine


@pytest.fixture
def demo(machine: Machine) -> Machine:
    """A machine whose checkout holds one file."""
    machine.make_checkout({"a.txt": "one\n", ".gitignore": ".venv/\nnode_modules/\n"})
    return machine


@pytest.fixture(scope="session")
def make_environment() -> Callable[[Path], Path]:
    """Make a virtual environment without pip; returns its site-packages."""

    def make(place: Path) -> Path:
        base = str(Path(BASE_BIN) / f"python{sys.version_info.major}.{sys.version_info.minor}")
        assert os.access(base, os.X_OK), f"the base interpreter is not where it should be: {base}"
        subprocess.run([base, "-m", "venv", "--without-pip", str(place)], check=True)
        return next(place.glob("lib/python3*/site-packages"))

    return make


def processes_with(marker: str) -> list[int]:
    """Ids of the processes whose command line holds `marker`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in arguments:
                found.append(int(folder.name))
    return found


async def gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(fd, ended.set)
        async with asyncio.timeout(10):
            await ended.wait()
        asyncio.get_running_loop().remove_reader(fd)
    finally:
        os.close(fd)
