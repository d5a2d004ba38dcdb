"""What the session asks of the person's side of the terminal. Two things implement it: `line_editor` and `plain_lines`.

While a run works, what is typed is never lost and never taken as an answer. In a chat a line is said to the agent:
Enter queues it for the next turn, Alt-S says it before the next step, Alt-Up takes it back. Otherwise it is set aside
and stands at the next prompt to be looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from equitr_coder.domain.frozen import frozen
from equitr_coder.repl.screen import Screen


@frozen
class Typed:
    """A whole request or command, possibly of several lines."""

    text: str
    is_pasted: bool = False
    """Its beginning came from the clipboard rather than from the keys."""


@frozen
class Interrupted:
    """Ctrl-C at the prompt."""

    text: str
    """What stood there and was thrown away."""


@frozen
class Closed:
    """Ctrl-D on an empty prompt, or the terminal is gone."""


Entry = Typed | Interrupted | Closed


@frozen
class Queued:
    """A line for the agent at work, when its turn has ended."""

    text: str


@frozen
class Steering:
    """A line for the agent at work, before its next step; without a text, the last one that was queued."""

    text: str


@frozen
class TakenBack:
    """The last line that was queued is to be edited again."""


Said = Queued | Steering | TakenBack


class Listening(Protocol):
    def paused(self) -> AbstractContextManager[None]:
        """The terminal as it usually is, for prompts and for programs such as an editor."""
        ...


class Keyboard(Protocol):
    @property
    def screen(self) -> Screen: ...

    async def request(self, *, status: str, text: str = "") -> Entry:
        """What the person wants next. `status` is shown with the prompt; `text` stands there to be edited."""
        ...

    async def ask(self, prompt: str, *, fresh: bool) -> str | None:
        """One answer; None after Ctrl-C or at the end of input. `fresh` offers nothing that was typed before."""
        ...

    def listening(
        self, on_interrupt: Callable[[], None], on_said: Callable[[Said], bool]
    ) -> AbstractContextManager[Listening]:
        """While a run works: sets aside what is typed, and calls back for each Ctrl-C and for what the agent is told.
        `on_said` says whether there is one who can hear it now; a keyboard that sees no keys meanwhile never asks.
        """
        ...

    def give_back(self, text: str) -> None:
        """It stands at the next prompt, as if it had been typed ahead."""
        ...

    def offer(self, files: Sequence[str], words: Mapping[str, Sequence[str]]) -> None:
        """What `@` completes from now on, and which words a slash command takes."""
        ...
