"""Keys pressed while no prompt was there, as the text they would have made. Nothing here sends anything."""

from collections.abc import Iterable

from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys


class TypeAhead:
    def __init__(self) -> None:
        self._text = ""

    def press(self, keys: Iterable[KeyPress]) -> int:
        """Add the keys; returns how often Ctrl-C was among them."""
        interrupts = 0
        for press in keys:
            if press.key is Keys.ControlC:
                interrupts += 1
            else:
                self._text = _after(self._text, press)
        return interrupts

    def take(self) -> str:
        """The text so far, which is then no longer here; line ends after it are dropped."""
        text, self._text = self._text.rstrip("\n"), ""
        return text


def _after(text: str, press: KeyPress) -> str:
    match press.key:
        case Keys.ControlM | Keys.ControlJ:
            return f"{text}\n"
        case Keys.ControlH:
            return text[:-1]
        case Keys.ControlU:
            return text[: text.rfind("\n") + 1]
        case Keys.ControlW:
            line_start = text.rfind("\n") + 1
            line = text[line_start:].rstrip()
            return text[:line_start] + line[: line.rfind(" ") + 1]
        case Keys.ControlI:
            return f"{text}\t"
        case Keys.BracketedPaste:
            return text + press.data.replace("\r\n", "\n").replace("\r", "\n")
        case Keys():
            return text  # arrows and the like move in a text that nobody sees
        case character:
            return text + character
