"""A terminal small enough to read: what a person sees of the escape codes that prompt-toolkit sends inline."""

import re

from wcwidth import wcwidth

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([a-zA-Z])|\x1b[=>]|([\x00-\x1f])|([^\x00-\x1f\x1b]+)", re.DOTALL)


class Pane:
    """Grows downwards without end, so that everything ever shown stays to be read."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0

    @property
    def text(self) -> str:
        lines = ["".join(row).rstrip() for row in self._rows]
        return "\n".join(lines).rstrip("\n")

    @property
    def height(self) -> int:
        """Rows in use, blank ones too."""
        return len(self._rows)

    def feed(self, data: str) -> None:
        position = 0
        for token in _TOKEN.finditer(data):
            assert token.start() == position, f"unknown code {data[position : position + 12]!r}"
            position = token.end()
            arguments, final, control, text = token.groups()
            if final:
                self._act(final, arguments)
            elif control:
                self._control(control)
            elif text:
                for character in text:
                    self._put(character)
        assert position == len(data), f"unknown code {data[position : position + 12]!r}"

    def _act(self, final: str, arguments: str) -> None:
        count = int(arguments) if arguments.isdigit() else 1
        match final:
            case "A":
                self._row = max(0, self._row - count)
            case "B":
                self._down(count)
            case "C":
                self._column += count
            case "D":
                self._column = max(0, self._column - count)
            case "K":
                del self._line[self._column :]
            case "J" if arguments in ("", "0"):
                del self._line[self._column :]
                del self._rows[self._row + 1 :]
            case "m" | "h" | "l":
                pass  # looks and modes
            case _:
                raise AssertionError(f"unknown code {final} {arguments}")

    def _control(self, character: str) -> None:
        match character:
            case "\r":
                self._column = 0
            case "\n":
                self._down(1)
                self._column = 0
            case "\b":
                self._column = max(0, self._column - 1)
            case "\t":
                self._column = (self._column // 8 + 1) * 8
            case "\x07":
                pass
            case _:
                raise AssertionError(f"unknown control {character!r}")

    def _put(self, character: str) -> None:
        width = wcwidth(character)
        if width == 0 and self._column:
            self._line[self._column - 1] += character
            return
        if self._column + width > self._columns:
            self._down(1)
            self._column = 0
        self._line[self._column : self._column + width] = [character, *[""] * (width - 1)]
        self._column += width

    def _down(self, count: int) -> None:
        self._row += count
        while len(self._rows) <= self._row:
            self._rows.append([])

    @property
    def _line(self) -> list[str]:
        line = self._rows[self._row]
        line += [" "] * (self._column - len(line))
        return line
