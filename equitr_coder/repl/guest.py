"""The person as the questions of one run see them. Closing it ends that run's questions, not the session."""

from collections.abc import Iterable

from equitr_coder.presentation.text import Line
from equitr_coder.repl.keyboard import Keyboard


class Guest:
    """Implements `presentation.Person`."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self.is_closed = False
        self.has_quit = False
        """Answered a question with `/quit`: the session ends after the run."""

    @property
    def width(self) -> int:
        return self._keyboard.screen.width

    async def ask(self, prompt: str, *, lines: Iterable[Line] = (), fresh: bool = False) -> str | None:
        if self.has_quit:
            self.is_closed = True
        if self.is_closed:
            return None
        self.show(lines)
        answer = await self._keyboard.ask(prompt, fresh=fresh)
        self.is_closed = answer is None
        self.has_quit = answer == "/quit"
        return answer

    def show(self, lines: Iterable[Line]) -> None:
        self._keyboard.screen.show(lines)
