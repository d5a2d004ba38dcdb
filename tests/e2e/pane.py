"""The real program full screen in a real terminal (tmux). Waits are for what stands on the pane, never for time."""

import io
import os
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.ansi import AnsiDecoder
from rich.console import Console

_WAIT = 60.0
_SIZE = (160, 30)
_PROGRAM = (sys.executable, "-m", "equitr_coder")


class Pane:
    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        environ: Mapping[str, str],
        size: tuple[int, int] = _SIZE,
        program: Sequence[str] = _PROGRAM,
    ) -> None:
        """Runs the program with these arguments; after it the pane tells the exit code and waits."""
        self._base = ["tmux", "-L", f"equitr-{uuid.uuid4().hex[:12]}", "-f", "/dev/null"]
        self._cwd, self._environ = cwd, environ
        self._program = shlex.join([*program, *arguments])
        columns, rows = size
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(cwd), "cat")
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self.start()

    def start(self) -> None:
        """Run it, again if it has run before."""
        given = shlex.join(f"{name}={value}" for name, value in self._environ.items())
        command = f"env -i TERM=$TERM {given} {self._program}"
        self._tmux("respawn-pane", "-k", "-c", str(self._cwd), f"{command}; echo left with $?; cat")

    def types(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def presses(self, *keys: str) -> None:
        """By tmux's names: `Enter`, `C-c`, `M-Up`."""
        self._tmux("send-keys", *keys)

    def pastes(self, text: str) -> None:
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p", "-r")

    @property
    def shown(self) -> str:
        return self._tmux("capture-pane", "-p")

    @property
    def coded(self) -> str:
        """What is shown, with the codes of its colours."""
        return self._tmux("capture-pane", "-p", "-e")

    def keep_picture(self, name: str) -> None:
        """As SVG in the folder that EQUITR_PICTURES names, if it does: those of the README are made so."""
        if folder := os.environ.get("EQUITR_PICTURES"):
            width = int(self.ask("#{pane_width}"))
            console = Console(
                record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
            )
            for row in AnsiDecoder().decode(self._tmux("capture-pane", "-p", "-e", "-N")):
                console.print(row, no_wrap=True, crop=True)
            Path(folder, f"{name}-{width}.svg").write_text(console.export_svg(title="EQUITR Coder"))

    def sees(self, *texts: str) -> str:
        """Wait until all of them are shown; what is shown then."""
        return self.until(lambda shown: all(text in shown for text in texts), f"never saw {texts}")

    def until(self, holds: Callable[[str], bool], complaint: str) -> str:
        ends = time.monotonic() + _WAIT
        while not holds(shown := self.shown):
            assert time.monotonic() < ends, f"{complaint}:\n{shown}"
            time.sleep(0.03)  # the pane tells nobody that it has changed
        return shown

    @property
    def prompt(self) -> list[str]:
        """What stands in the prompt."""
        rows = self.shown.splitlines()
        tops = [number for number, row in enumerate(rows) if re.match(r"[╭+][─-]", row)]
        ends = [number for number, row in enumerate(rows) if re.match(r"[╰+][─-]", row)]
        return [row[1:-1].strip() for row in rows[tops[-1] + 1 : ends[-1]]] if tops and ends else []

    def prompts(self, text: str) -> None:
        """Wait until this stands in the prompt's first row."""
        self.until(
            lambda _: bool(self.prompt) and self.prompt[0] == f"> {text}".strip(), f"the prompt never was {text!r}"
        )

    def ask(self, what: str) -> str:
        """A format of tmux, filled in."""
        return self._tmux("display-message", "-p", what).strip()

    def kill_program(self) -> None:
        """As `kill -9` of the program itself; the pane tells that it is gone."""
        shell = self.ask("#{pane_pid}")
        listed = subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True, check=True)
        subprocess.run(["kill", "-9", *listed.stdout.split()], check=True)
        self.sees("left with 137")

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run([*self._base, *arguments], capture_output=True, text=True, check=True).stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([*self._base, "kill-server"], capture_output=True, check=False)
