"""A process that dies at a chosen step: every change a landing makes goes through one of these."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.process import GitOutput, GitProcess
from equitr_coder.adapters.git.repository import GitRepository
from tests.adapters.git.stage import FileJournal

CHANGING = {"update-ref", "update-index", "read-tree", "checkout-index"}


class Killed(BaseException):
    """The process is gone: nothing it meant to do afterwards happens."""


class Fuse:
    """Burns before step number `at`, or before the step called `before`, and stays burnt."""

    def __init__(self, at: int | None = None, *, before: str = "") -> None:
        self._at = at
        self._before = before
        self._is_burnt = False
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self._is_burnt |= len(self.steps) == self._at or name == self._before
        if self._is_burnt:
            self.die(name)
        self.steps.append(name)

    def die(self, name: str) -> None:
        raise Killed(name)


class FusedJournal(FileJournal):
    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self._fuse = fuse

    async def write_journal(self, key: str, body: Mapping[str, Any]) -> None:
        self._fuse.step("write journal")
        await super().write_journal(key, body)

    async def clear_journal(self, key: str) -> None:
        self._fuse.step("clear journal")
        await super().clear_journal(key)


class FusedGit(GitProcess):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    async def run(
        self,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        config: Sequence[tuple[str, str]] = (),
        stdin: bytes = b"",
        accept: Sequence[int] = (0,),
        hold: Sequence[int] = (),
    ) -> GitOutput:
        if arguments[0] in CHANGING:
            self._fuse.step(f"git {arguments[0]}")
        return await super().run(*arguments, cwd=cwd, env=env, config=config, stdin=stdin, accept=accept, hold=hold)


class FusedFiles(FileOps):
    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def write_new(self, path: Path, content: bytes) -> None:
        self._fuse.step(f"write {path.suffix}")
        super().write_new(path, content)

    def claim(self, source: Path, target: Path) -> bool:
        self._fuse.step(f"claim {target.name}")
        return super().claim(source, target)

    def copy(self, source: Path, target: Path) -> None:
        self._fuse.step(f"copy {source.name}")
        super().copy(source, target)

    def replace(self, source: Path, target: Path) -> None:
        self._fuse.step(f"replace {target.name}")
        super().replace(source, target)

    def put(self, source: Path, target: Path) -> None:
        self._fuse.step(f"put {target.name}")
        super().put(source, target)

    def delete(self, path: Path) -> None:
        self._fuse.step(f"delete {path.name}")
        super().delete(path)

    def delete_tracked(self, path: Path, *, below: Path) -> None:
        self._fuse.step(f"take away {path.name}")
        super().delete_tracked(path, below=below)

    def make_empty(self, folder: Path) -> None:
        self._fuse.step("make folder")
        super().make_empty(folder)

    def clear(self, *paths: Path) -> None:
        self._fuse.step("clear")
        super().clear(*paths)


def fused_repository(root: Path, *, home: Path, journal: Path, fuse: Fuse) -> GitRepository:
    return GitRepository(root, home=home, store=FusedJournal(journal, fuse), git=FusedGit(fuse), files=FusedFiles(fuse))
