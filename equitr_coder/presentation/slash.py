"""The slash commands of the interactive front ends: one list, so that help, completion and reading never differ."""

import difflib
import re
from collections.abc import Sequence
from textwrap import wrap

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, shown_on_one_line


@frozen
class SlashCommand:
    name: str
    help: str
    arguments: str = ""

    @property
    def usage(self) -> str:
        return f"{self.name} {self.arguments}".rstrip()


SLASH_COMMANDS = (
    SlashCommand("/help", "list these commands and the keys"),
    SlashCommand("/status", "mode, models, messages, iterations, cost against the budget"),
    SlashCommand("/cost", "cost by model, agent, purpose and task"),
    SlashCommand("/model", "show the models, or use another for this session", "[NAME|default]"),
    SlashCommand("/multi-agent", "switch between one agent and supervisor with workers", "[on|off]"),
    SlashCommand("/plan", "plan with the supervisor before anything is built", "[TEXT]"),
    SlashCommand("/run", "approve the plan that waits, or go on with a stopped run", "[EPIC]"),
    SlashCommand("/diff", "what the conversation or the last run changed, or one step of it", "[N]"),
    SlashCommand("/undo", "take back what the last turn wrote; again, the turn before"),
    SlashCommand("/redo", "bring back what /undo or /rewind took"),
    SlashCommand("/rewind", "list the steps that changed files, or go to one of them", "[N]"),
    SlashCommand("/trust", "what .equitr of this project would change; yes trusts exactly what was shown", "[yes]"),
    SlashCommand("/clear", "start a new conversation"),
    SlashCommand("/quit", "leave; an unfinished run can be resumed"),
)

_MARGIN = "  "
_LEAST = 12
_COMMAND = re.compile(r"/[^\s/]*(?:[ \t]+[^\n]*)?")


def is_slash(text: str) -> bool:
    """Whether the text is meant as a command: one line whose first word is `/` and a name, and not a path."""
    return _COMMAND.fullmatch(text.rstrip()) is not None


def read_slash(text: str, commands: Sequence[SlashCommand] = SLASH_COMMANDS) -> tuple[SlashCommand, str]:
    """The command that `text` names, whole or by an unmistakable beginning, and its argument.

    Raises:
        UserError: it names none, or several.
    """
    word, _, rest = text.strip().partition(" ")
    found = find_slash(word.lower(), commands)
    if len(found) == 1:
        return found[0], rest.strip()
    near = [command.name for command in found]
    near = near or difflib.get_close_matches(word.lower(), [command.name for command in commands], n=1)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise UserError(
        f"there is no command {shown_on_one_line(word)}",
        hint=f"{guess}/help lists the commands; a space before the slash sends the text as it is",
    )


def slash_help_lines(commands: Sequence[SlashCommand] = SLASH_COMMANDS, *, width: int | None = None) -> list[Line]:
    """Explanations that do not fit beside their commands go on below."""
    column = max(len(command.usage) for command in commands)
    room = None if width is None else max(_LEAST, width - column - len(_MARGIN) - 2)
    rows = [
        (command.usage if number == 0 else "", text)
        for command in commands
        for number, text in enumerate([command.help] if room is None else wrap(command.help, room))
    ]
    return [Line(text) for text in table(rows, margin=_MARGIN)]


def find_slash(word: str, commands: Sequence[SlashCommand] = SLASH_COMMANDS) -> tuple[SlashCommand, ...]:
    """The commands `word` may mean: the exact one, or all it is a beginning of."""
    exact = tuple(command for command in commands if command.name == word)
    return exact or tuple(command for command in commands if command.name.startswith(word))
