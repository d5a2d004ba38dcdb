"""The person in front of a line-based front end: can be shown lines and asked for one."""

from collections.abc import Iterable
from typing import Protocol

from equitr_coder.presentation.text import Line


class Person(Protocol):
    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be answered."""
        ...

    @property
    def width(self) -> int | None:
        """Columns of the screen; None when nothing is to be cut."""
        ...

    async def ask(self, prompt: str, *, lines: Iterable[Line] = (), fresh: bool = False) -> str | None:
        """One line of answer; None when it `is_closed`. `fresh` drops what was typed before the prompt was seen."""
        ...

    def show(self, lines: Iterable[Line]) -> None: ...
