"""A secret, typed at the terminal without being shown. Asks on the controlling terminal, whatever stdin is."""

import os
import signal
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 65_536


class HiddenPrompt:
    """Can be closed for good: from then on a full-screen program or a line editor has the terminal."""

    def __init__(self) -> None:
        self._is_closed = False

    def ask(self, prompt: str) -> str | None:
        """One line, without its end; None when nobody can be asked, or the person gave none (Ctrl-D)."""
        if self._is_closed or threading.current_thread() is not threading.main_thread():
            return None
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if os.tcgetpgrp(terminal) != os.getpgrp():
                return None  # in the background: reading would stop the process
            with _without_echo(terminal), _interruptible():
                os.write(terminal, prompt.encode())
                return _line(terminal)
        except OSError:
            return None
        finally:
            os.close(terminal)

    def close(self) -> None:
        self._is_closed = True


@contextmanager
def _without_echo(terminal: int) -> Iterator[None]:
    """What was typed before the prompt was seen is dropped; the line end, which is not shown either, is made up for."""
    before = termios.tcgetattr(terminal)
    hidden = [*before]
    hidden[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        os.write(terminal, b"\n")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the wait: the event loop's own handler would only note it, and the read go on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _line(terminal: int) -> str | None:
    typed = b""
    while not typed.endswith(b"\n") and len(typed) < _LONGEST:
        piece = os.read(terminal, 4096)
        if not piece:
            break
        typed += piece
    return typed.rstrip(b"\r\n").decode("utf-8", errors="surrogateescape") if typed else None
