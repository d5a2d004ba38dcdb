import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.ids import AgentName, CallId, SessionId, TaskId
from equitr_coder.ports import (
    CommandResult,
    Confinement,
    FileText,
    Place,
    SearchHit,
    SearchResult,
    Tool,
    ToolContext,
    ToolResult,
    Workspace,
)


class FolderWorkspace:
    """A folder on disk as `ports.Workspace`; writes to `failing` paths fail like a full disk."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.failing: set[str] = set()
        self.interrupting: set[str] = set()

    @property
    def root(self) -> Path:
        return self._root

    def relative(self, path: str) -> str:
        full = (self._root / path).resolve()
        if not full.is_relative_to(self._root):
            raise ToolFailure(f"{path} is outside the workspace")
        return full.relative_to(self._root).as_posix()

    async def read(self, path: str) -> FileText:
        try:
            data = (self._root / path).read_bytes()
        except FileNotFoundError as error:
            raise ToolFailure(f"there is no file {path}") from error
        encoding = "utf-8"
        try:
            text = data.decode()
        except UnicodeDecodeError:
            encoding = "latin-1"
            text = data.decode("latin-1")
        bom = text.startswith("\ufeff")
        newline: Any = "\r\n" if "\r\n" in text else "\n"
        plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
        return FileText(path, plain, sha256(data).hexdigest(), newline, encoding, bom)

    async def write(self, path: str, text: str, *, expected: str | None, like: FileText | None = None) -> str:
        self._maybe_fail(path)
        await self._expect(path, expected)
        newline, encoding, bom = (like.newline, like.encoding, like.bom) if like else ("\n", "utf-8", False)
        data = (("\ufeff" if bom else "") + text.replace("\n", newline)).encode(encoding)
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return sha256(data).hexdigest()

    async def delete(self, path: str, *, expected: str) -> None:
        self._maybe_fail(path)
        await self._expect(path, expected)
        (self._root / path).unlink()

    async def digest(self, path: str) -> str | None:
        try:
            return sha256((self._root / path).read_bytes()).hexdigest()
        except FileNotFoundError:
            return None

    async def list(self, path: str = ".", pattern: str | None = None, *, limit: int = 1000) -> Sequence[str]:
        files = sorted(f.relative_to(self._root).as_posix() for f in (self._root / path).rglob("*") if f.is_file())
        return [file for file in files if pattern is None or fnmatch(file, pattern)][:limit]

    async def search(self, pattern: str, path: str = ".", glob: str | None = None, *, limit: int = 200) -> SearchResult:
        hits = [
            SearchHit(file, number, line)
            for file in await self.list(path, glob)
            for number, line in enumerate((await self.read(file)).text.split("\n"), 1)
            if re.search(pattern, line)
        ]
        counts: dict[str, int] = {}
        for hit in hits:
            counts[hit.path] = counts.get(hit.path, 0) + 1
        return SearchResult(tuple(hits[:limit]), counts, len(hits) <= limit)

    def _maybe_fail(self, path: str) -> None:
        if path in self.interrupting:
            self.interrupting.discard(path)
            raise asyncio.CancelledError
        if path in self.failing:
            raise OSError(28, "No space left on device")

    async def _expect(self, path: str, expected: str | None) -> None:
        if await self.digest(path) != expected:
            raise ToolFailure(f"{path} is not as expected")


class ShellExecutor:
    """`ports.Executor` without a sandbox: really runs `sh -c`."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    @property
    def confinement(self) -> Confinement:
        return Confinement("none", "a test")

    async def run(
        self,
        command: str,
        place: Place,
        *,
        timeout: float,
        clean: bool = False,
        on_output: Callable[[bytes], None] | None = None,
    ) -> CommandResult:
        self.timeouts.append(timeout)
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            cwd=place.root,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = False
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            timed_out, output = True, b""
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        code = -1 if timed_out else process.returncode or 0
        duration = round((time.monotonic() - started) * 1000)
        return CommandResult(128 - code if code < -1 else code, output, timed_out=timed_out, duration_ms=duration)

    async def interpreter(self, place: Place) -> str:
        return ""

    def environment_hash(self, place: Place) -> str:
        return ""

    def leads_back(self, place: Place) -> str:
        return ""


class KeptTexts:
    """`ports.Outputs` in memory."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def keep(self, text: str) -> str:
        name = sha256(text.encode()).hexdigest()[:12]
        self.texts[name] = text
        return name

    async def open(self, output: str) -> str | None:
        return self.texts.get(output)


@dataclass
class Session:
    """Runs tools as a session does: what a call has seen is known to the next."""

    seen: dict[str, str] = field(default_factory=dict)

    async def call(self, tool: Tool, arguments: Mapping[str, Any]) -> ToolResult:
        parsed = tool.parse(arguments)
        tool.touches(parsed)
        context = ToolContext(
            session=SessionId("T1.1"),
            agent=AgentName("worker"),
            task=TaskId("T1"),
            call=CallId("call_1"),
            seen=dict(self.seen),
        )
        result = await tool.run(parsed, context)
        self.seen.update(result.seen)
        return result

    async def failure(self, tool: Tool, arguments: Mapping[str, Any]) -> str:
        with pytest.raises(ToolFailure) as caught:
            await self.call(tool, arguments)
        return str(caught.value)


@pytest.fixture
def workspace(tmp_path: Path) -> FolderWorkspace:
    return FolderWorkspace(tmp_path)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def outputs() -> KeptTexts:
    return KeptTexts()


@pytest.fixture
def executor() -> ShellExecutor:
    return ShellExecutor()


def fits(workspace: FolderWorkspace) -> Workspace:
    """Checked by mypy: the fake has the shape of the port."""
    return workspace
