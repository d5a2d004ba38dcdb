"""A person at a terminal: the command runs on a pty; waits are for text that appears, never for time."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_ESCAPES = re.compile(r"\x1b\][^\x07]*\x07|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78cM]|\r")


class Terminal:
    """`expect` goes forward: it looks only at what came after the last match."""

    def __init__(self, *arguments: str, cwd: Path, environ: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (50, 160))
        self._raw = b""
        self._matched = 0
        self.process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "equitr_coder", *arguments],
            cwd=cwd,
            # a terminal that answers no position requests, told so that nobody waits for the answer
            env={**environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "160", "LINES": "50"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    @property
    def screen(self) -> str:
        """Everything shown so far, without escape sequences."""
        return _ESCAPES.sub("", self._raw.decode(errors="replace"))

    def expect(self, text: str, *, timeout: float = 60.0) -> str:
        """Wait for `text` after the last match; what was shown up to it. Case does not count."""
        ends = time.monotonic() + timeout
        while True:
            shown = self.screen
            found = shown.lower().find(text.lower(), self._matched)
            if found >= 0:
                before = shown[self._matched : found]
                self._matched = found + len(text)
                return before
            left = ends - time.monotonic()
            if left <= 0 or not self._pump(left):
                raise AssertionError(f"never shown: {text!r}\n--- after the last match\n{shown[self._matched :]}")

    def answer(self, line: str, *, prompt: str = ">") -> None:
        """Wait for the prompt, then type a line. What is typed before the prompt is there belongs to nobody."""
        self.expect(prompt)
        os.write(self._master, f"{line}\r".encode())

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait(self, *, timeout: float = 60.0) -> int:
        """Read to the end; the exit code."""
        ends = time.monotonic() + timeout
        while self._pump(max(0.0, ends - time.monotonic())):
            pass
        return self.process.wait(max(1.0, ends - time.monotonic()))

    def _pump(self, timeout: float) -> bool:
        """Take what comes; False when nothing came in time or ever will."""
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self._raw += data
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)
