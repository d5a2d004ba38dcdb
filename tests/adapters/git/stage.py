"""What the tests of the git adapter stand on: a repository driven by the real git, and a journal in a file."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equitr_coder.domain.ids import CommitId


class FileJournal:
    """The three journal methods of `ports.EventStore` over one JSON file; it outlives the process, as the real one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def write_journal(self, key: str, body: Mapping[str, Any]) -> None:
        self._put(self._read() | {key: dict(body)})

    async def clear_journal(self, key: str) -> None:
        self._put({name: body for name, body in self._read().items() if name != key})

    async def open_journals(self, prefix: str) -> Mapping[str, Mapping[str, Any]]:
        return {name: body for name, body in self._read().items() if name.startswith(prefix)}

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    def _put(self, bodies: Mapping[str, Any]) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as writing:
            json.dump(bodies, writing)
            writing.flush()
            os.fsync(writing.fileno())
        fresh.replace(self._path)


class Checkout:
    """A folder and the real git in it, as the user would drive it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr.decode()}")
        return os.fsdecode(done.stdout).rstrip("\n")

    def shell(self, command: str) -> None:
        subprocess.run(command, shell=True, check=True, cwd=self.root, capture_output=True)

    def empty(self) -> None:
        """Remove every file and folder, `.git` excepted."""
        for path in self.root.iterdir():
            if path.name != ".git":
                path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)

    def write(self, path: str, content: str | bytes, *, executable: bool = False) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        if executable:
            target.chmod(0o755)
        return target

    def link(self, path: str, to: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(to)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def commit(self, message: str = "work") -> CommitId:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> CommitId:
        return CommitId(self.git("rev-parse", "HEAD"))

    @property
    def tree(self) -> str:
        return self.git("rev-parse", "HEAD^{tree}")

    def status(self) -> str:
        return self.git("status", "--porcelain")

    def listed(self, tree: str) -> dict[str, str]:
        """Path -> mode of everything in a tree."""
        records = self.git("ls-tree", "-r", "-z", tree).split("\0")
        return {record.partition("\t")[2]: record.split(" ")[0] for record in records if record}

    def files(self) -> dict[str, str]:
        """Every file on disk outside `.git`: what it holds, where a link leads, and whether it can be executed."""
        found: dict[str, str] = {}
        for where, folders, names in os.walk(self.root):
            if ".git" in folders:
                folders.remove(".git")
            for name in (*names, *folders):
                path = Path(where) / name
                shown = path.relative_to(self.root).as_posix()
                if path.is_symlink():
                    found[shown] = f"-> {path.readlink()}"
                elif path.is_file() and name != ".git":
                    mark = "x " if os.access(path, os.X_OK) and path.stat().st_mode & 0o111 else "  "
                    found[shown] = mark + path.read_bytes().decode("utf-8", "replace")
        return found
