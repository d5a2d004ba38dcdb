"""Keys pressed while no prompt was there, as the text they would have made, or as words for the agent at work."""

from collections.abc import Callable, Iterable

from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

from equitr_coder.presentation.slash import is_slash
from equitr_coder.repl.keyboard import Queued, Said, Steering, TakenBack

Take = Callable[[Said], bool]
"""Whether there is an agent to whom it can be said now."""


class TypeAhead:
    def __init__(self) -> None:
        self._text = ""
        self._is_alt = False

    def press(self, keys: Iterable[KeyPress], said: Take | None = None) -> int:
        """Add the keys; returns how often Ctrl-C was among them. With `said` Enter, Alt-S and Alt-Up speak to the
        agent; without, and where nobody takes it, the text stays here.
        """
        interrupts = 0
        for press in keys:
            is_alt, self._is_alt = self._is_alt, press.key is Keys.Escape
            if press.key is Keys.ControlC:
                interrupts += 1
            elif said is None or not self._say(press, said, is_alt=is_alt):
                self._text = _after(self._text, press)
        return interrupts

    def take(self) -> str:
        """The text so far, which is then no longer here; line ends after it are dropped."""
        text, self._text = self._text.rstrip("\n"), ""
        return text

    def give_back(self, text: str) -> None:
        """Stands before what was typed since."""
        self._text = f"{text}\n{self._text}" if self._text else text

    def _say(self, press: KeyPress, said: Take, *, is_alt: bool) -> bool:
        """Whether the key meant that, and is used up."""
        text = self._text.strip("\n")
        if is_alt and press.key == "s":
            what: Said = Steering(text)
        elif is_alt and press.key is Keys.Up:
            said(TakenBack())
            return True
        elif press.key is Keys.ControlM and not is_alt and text.strip() and not is_slash(text):
            what = Queued(text)
        else:
            return False
        if said(what):
            self._text = ""
            return True
        return is_alt


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
