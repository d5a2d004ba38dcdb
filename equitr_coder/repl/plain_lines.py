"""The keyboard on a terminal that can only print (`TERM=dumb`): its own line editing, words alone, no escape codes.

Also the calmest one for a screen reader: nothing is ever drawn twice.
"""

import asyncio
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, TextIO

from equitr_coder.presentation.text import Line, plural
from equitr_coder.repl.keyboard import Closed, Entry, Interrupted, Said, Typed
from equitr_coder.repl.screen import Screen
from equitr_coder.repl.signals import catching

_PROMPT, _MORE = "you> ", "...> "
_Happening = Literal["input", "interrupt"]


class PlainLines:
    """Implements `repl.keyboard.Keyboard`."""

    def __init__(self, *, stdin: TextIO, screen: TextIO) -> None:
        self._stdin = stdin.fileno()
        self._out = screen
        self._read = b""
        self._held: list[str] = []
        """Lines typed while no prompt was there."""
        self._status = ""
        self._take_signal: Callable[[], None] | None = None
        self.screen = Screen(self._write, colour=False, columns=lambda: _columns(screen))

    async def request(self, *, status: str, text: str = "") -> Entry:
        offered = text or self._take_held()
        if status != self._status:
            self.screen.say(f"[{status}]")
            self._status = status
        lines: list[str] = []
        while True:
            line = await self._line(_MORE if lines else _PROMPT)
            if not isinstance(line, str):
                return line
            if line.endswith("\\"):
                lines.append(line[:-1])
                continue
            typed = "\n".join([*lines, line])
            return Typed(typed if typed else offered)

    async def ask(self, prompt: str, *, fresh: bool) -> str | None:  # noqa: ARG002 - what came before never answers
        self._set_aside()
        line = await self._line(prompt)
        return line.strip() if isinstance(line, str) else None

    @contextmanager
    def listening(
        self,
        on_interrupt: Callable[[], None],
        on_said: Callable[[Said], bool],  # noqa: ARG002 - lines are read when the next prompt is there
    ) -> Iterator["_Listening"]:
        with catching(signal.SIGINT, on_interrupt) as take_signal:
            self._take_signal = take_signal
            try:
                yield _Listening()
            finally:
                self._take_signal = None
        self._set_aside()

    def give_back(self, text: str) -> None:
        self._held.insert(0, text)

    def offer(self, files: Sequence[str], words: Mapping[str, Sequence[str]]) -> None:
        """Nothing is completed here."""

    def _take_held(self) -> str:
        """What was typed ahead, shown so that Enter alone can send it."""
        text, self._held = "\n".join(self._held), []
        if text.strip():
            self.screen.show(
                [
                    Line(f"You typed {plural(text.count(chr(10)) + 1, 'line')} before this prompt:"),
                    Line(text),
                    Line("Enter alone sends it; anything else takes its place."),
                ]
            )
        return text.strip()

    def _set_aside(self) -> None:
        while select.select([self._stdin], [], [], 0)[0]:
            more = os.read(self._stdin, 65536)
            if not more:
                break  # the end is seen again by the next prompt
            self._read += more
        *lines, self._read = self._read.split(b"\n")
        self._held += [line.decode("utf-8", "replace") for line in lines]

    async def _line(self, prompt: str) -> str | Interrupted | Closed:
        self.screen.end_line()
        self._write(prompt)
        while b"\n" not in self._read:
            if await self._wait() == "interrupt":
                self._write("\n")
                thrown, self._read = self._read.decode("utf-8", "replace"), b""
                return Interrupted(thrown)
            more = os.read(self._stdin, 65536)
            if not more:
                self._write("\n")
                return Closed()
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    async def _wait(self) -> _Happening:
        loop = asyncio.get_running_loop()
        happened: asyncio.Future[_Happening] = loop.create_future()
        loop.add_reader(self._stdin, _resolve, happened, "input")
        try:
            with catching(signal.SIGINT, lambda: _resolve(happened, "interrupt")):
                return await happened
        finally:
            loop.remove_reader(self._stdin)
            if self._take_signal is not None:
                self._take_signal()  # `catching` has given it back to nobody

    def _write(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._out.flush()


class _Listening:
    @contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal is as it usually is all the time."""
        yield


def _resolve(future: "asyncio.Future[_Happening]", happening: _Happening) -> None:
    if not future.done():
        future.set_result(happening)


def _columns(screen: TextIO) -> int:
    try:
        return os.get_terminal_size(screen.fileno()).columns or 80
    except OSError:
        return 80
