"""Where lines go: progress and results on stdout, asides on stderr. Plain unless the stream is a terminal."""

import io
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from equitr_coder.cli.doors import Streams
from equitr_coder.presentation.text import Line, Tone, paint


class Console:
    def __init__(self, streams: Streams, environ: Mapping[str, str], redact: Callable[[str], str]) -> None:
        """`redact` takes keys out of everything that is written; JSON stays JSON."""
        self._redact = redact
        self._out, self._err = streams.stdout, streams.stderr
        self._environ = environ
        self.width = shutil.get_terminal_size().columns if self._out.isatty() else None
        """Columns of the terminal; None when stdout is a file or a pipe, where nothing is cut."""
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a narrow encoding must not end a run

    def say(self, lines: Iterable[Line]) -> None:
        self._write(self._out, lines)

    def aside(self, lines: Iterable[Line]) -> None:
        self._write(self._err, lines)

    def note(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        self.aside([Line(text, tone)])

    def data(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line of stdout."""
        self.record(json.dumps(value))

    def record(self, text: str) -> None:
        """One line of stdout, as it is."""
        self._out.write(f"{self._redact(text)}\n")
        self._out.flush()

    def _write(self, stream: TextIO, lines: Iterable[Line]) -> None:
        colour = stream.isatty() and not self._environ.get("NO_COLOR") and self._environ.get("TERM") != "dumb"
        text = "".join(f"{paint(line, colour=colour)}\n" for line in lines)
        if text:
            stream.write(self._redact(text))
            stream.flush()
