"""The person at the keyboard: one prompt, one line of answer. Waits on the event loop, so interrupts end the wait."""

import asyncio
import os
import shutil
import termios
from collections.abc import Iterable

from equitr_coder.cli.doors import Streams
from equitr_coder.presentation.text import Line, paint


class Terminal:
    """Implements `presentation.Person`. Asks on stdout when it is a terminal, else on stderr; listens to stdin."""

    def __init__(self, streams: Streams) -> None:
        self._stdin = streams.stdin
        self._screen = streams.stdout if streams.stdout.isatty() else streams.stderr
        self._typed = b""
        self._waiting: asyncio.Future[None] | None = None
        self.is_closed = False
        """Whether the person closed the input or the wait was given up; nothing more will be answered."""

    @staticmethod
    def is_there(streams: Streams) -> bool:
        """Whether somebody can be asked: stdin is a terminal, and so is a stream to ask on."""
        return streams.stdin.isatty() and (streams.stdout.isatty() or streams.stderr.isatty())

    @property
    def width(self) -> int:
        return shutil.get_terminal_size().columns

    async def ask(self, prompt: str, *, lines: Iterable[Line] = (), fresh: bool = False) -> str | None:
        """One line, without its end; None when `is_closed`. `fresh` drops what was typed before the prompt was seen."""
        if self.is_closed:
            return None
        if fresh:
            self._typed = b""
            termios.tcflush(self._stdin.fileno(), termios.TCIFLUSH)
        self.show(lines)
        self._screen.write(prompt)
        self._screen.flush()
        line = await self._line()
        return None if line is None else line.decode("utf-8", "replace").strip()

    def show(self, lines: Iterable[Line]) -> None:
        self._screen.write("".join(f"{paint(line, colour=False)}\n" for line in lines))
        self._screen.flush()

    def give_up(self) -> None:
        """End the wait, now and for later prompts."""
        self.is_closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _line(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        descriptor = self._stdin.fileno()
        while b"\n" not in self._typed:
            self._waiting = loop.create_future()
            loop.add_reader(descriptor, self._wake)
            try:
                await self._waiting
            finally:
                loop.remove_reader(descriptor)
            if self.is_closed:
                return None
            chunk = os.read(descriptor, 4096)
            if not chunk:
                self.is_closed = True
                return None
            self._typed += chunk
        line, _, self._typed = self._typed.partition(b"\n")
        return line

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
