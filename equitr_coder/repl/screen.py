"""The part of the terminal that is only written to: whole lines, and streamed text that comes in pieces.

Appends, never moves the cursor: what was shown stays in the terminal's own scrollback.
"""

from collections.abc import Callable, Iterable

from equitr_coder.presentation.text import Line, Tone, paint, shown_on_one_line


class Screen:
    def __init__(self, write: Callable[[str], None], *, colour: bool, columns: Callable[[], int]) -> None:
        self._write = write
        self._colour = colour
        self._columns = columns
        self._is_mid_line = False

    @property
    def width(self) -> int:
        """Columns of the terminal as it is now."""
        return self._columns()

    def show(self, lines: Iterable[Line]) -> None:
        text = "".join(f"{paint(line, colour=self._colour)}\n" for line in lines)
        if text:
            self.end_line()
            self._write(text)

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        self.show([Line(text, tone)])

    def complain(self, message: str, hint: str) -> None:
        """An error in the two lines that every error has."""
        lines = [Line(f"error: {shown_on_one_line(message)}", Tone.BAD)]
        self.show([*lines, Line(f"hint: {shown_on_one_line(hint)}")] if hint else lines)

    def stream(self, text: str) -> None:
        """A piece of text that goes on where the last one ended."""
        if text:
            self._write(paint(Line(text), colour=False))
            self._is_mid_line = not text.endswith("\n")

    def end_line(self) -> None:
        """Whatever comes next begins a line."""
        if self._is_mid_line:
            self._write("\n")
            self._is_mid_line = False
