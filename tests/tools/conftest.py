import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.ids import AgentName, CallId, SessionId, TaskId
from equitr_coder.ports import (
    CommandResult,
    Confinement,
    FileText,
    Place,
    Tool,
    ToolContext,
    ToolResult,
)


class Workspace(LocalWorkspace):
    """The real one, on a disk that can be told to fail: `failing` and `interrupting` hold paths."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.failing: set[str] = set()
        self.interrupting: set[str] = set()

    async def write(self, path: str, text: str, *, expected: str | None, like: FileText | None = None) -> str:
        self._maybe_fail(path)
        return await super().write(path, text, expected=expected, like=like)

    async def delete(self, path: str, *, expected: str) -> None:
        self._maybe_fail(path)
        await super().delete(path, expected=expected)

    def _maybe_fail(self, path: str) -> None:
        if path in self.interrupting:
            self.interrupting.discard(path)
            raise asyncio.CancelledError
        if path in self.failing:
            raise ToolFailure(f"{path}: No space left on device.")


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
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def outputs() -> KeptTexts:
    return KeptTexts()


@pytest.fixture
def executor() -> ShellExecutor:
    return ShellExecutor()
