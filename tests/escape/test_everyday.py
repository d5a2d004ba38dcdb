"""What everybody types all day ends inside the sandbox as it does outside, unasked and unchanged."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.ports import Executor, Place
from tests.escape.machine import git, put

# Of the virtual environment as well: that is where a project's tools are.
PATH = f"{Path(sys.prefix) / 'bin'}:{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}"

FILES = {
    "a.txt": "one\n",
    "b.txt": "two\n",
    "sum.py": "def total(items):\n    return sum(items)\n",
    "test_sum.py": "import unittest\nimport sum as s\n\n\nclass T(unittest.TestCase):\n"
    "    def test_total(self):\n        self.assertEqual(s.total([1, 2]), 3)\n",
    "sum.test.js": "const t = require('node:test');\nt('adds', () => {});\n",
    "package.json": '{"name": "x", "version": "1.0.0", "scripts": {"test": "node -p 1", "build": "node -p 2"}}\n',
    "Makefile": "all:\n\t@echo all\ntest:\n\t@echo test\n",
    "hello.c": '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n',
    "run.sh": "#!/bin/sh\necho ran\n",
}


@dataclass
class Everyday:
    id: str
    command: str
    landlock: str
    needs: str = ""


def read_everyday() -> list[Everyday]:
    text = Path(__file__).with_name("everyday.yaml").read_text(encoding="utf-8")
    return [Everyday(**row) for row in yaml.safe_load(text)]


EVERYDAY = read_everyday()
PRESENT = [one for one in EVERYDAY if not one.needs or shutil.which(one.needs, path=PATH)]


@pytest.fixture(scope="session")
def project() -> Iterator[Path]:
    """A worktree as a task has it, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="equitr-everyday-") as folder:
        home = Path(os.path.realpath(folder)) / "home"
        checkout = home / "demo"
        for name, text in FILES.items():
            put(checkout / name, text)
        git("init", "-q", "-b", "main", cwd=checkout)
        git("add", "-A", cwd=checkout)
        git("commit", "-q", "-m", "first", cwd=checkout)
        git("worktree", "add", "-q", "-b", "work", str(home / ".equitr" / "worktrees" / "T1"), cwd=checkout)
        yield home


def put_back(root: Path) -> None:
    for path in root.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, text in FILES.items():
        put(root / name, text)


@pytest.fixture(scope="session")
def expected() -> dict[str, tuple[int, bytes]]:
    """What each said outside, asked once."""
    return {}


@pytest.fixture(scope="session")
def executors(project: Path) -> dict[str, Executor]:
    async def choose(mode: str) -> Executor:
        environ = {"PATH": PATH, "HOME": str(project), "LANG": "C.UTF-8"}
        return await choose_executor(mode=mode, home=project / ".equitr", readable=[], environ=environ)

    return {mode: asyncio.run(choose(mode)) for mode in ("bubblewrap", "landlock")}


def outside(command: str, root: Path, home: Path) -> tuple[int, bytes]:
    with tempfile.TemporaryDirectory() as tmp:
        env = {"PATH": PATH, "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": tmp, "CI": "true", "NO_COLOR": "1"}
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=root, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("mode", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("one", PRESENT, ids=lambda one: one.id)
async def test_it_works_inside_as_outside(
    one: Everyday, mode: str, project: Path, executors: dict[str, Executor], expected: dict[str, tuple[int, bytes]]
) -> None:
    executor = executors[mode]
    if executor.confinement.kind != mode:
        pytest.skip(executor.confinement.reason)
    if mode == "landlock" and one.landlock == "cannot":
        return
    root = project / ".equitr" / "worktrees" / "T1"
    if one.id not in expected:
        put_back(root)
        expected[one.id] = outside(one.command, root, project)
    put_back(root)

    result = await executor.run(
        one.command, Place(root=root, stands_for=project / "demo", git_dir=project / "demo/.git"), timeout=60
    )

    assert (result.exit_code, result.output) == expected[one.id]


def test_there_are_enough_of_them() -> None:
    assert len({one.id for one in EVERYDAY}) == len(EVERYDAY) >= 40
    assert len(PRESENT) >= 40
