"""The slash commands of the interactive front ends: one list, so that help and completion never differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line


@dataclass(frozen=True)
class SlashCommand:
    name: str
    help: str
    arguments: str = ""

    @property
    def usage(self) -> str:
        return f"{self.name} {self.arguments}".rstrip()


SLASH_COMMANDS = (
    SlashCommand("/help", "list these commands"),
    SlashCommand("/status", "mode, models, messages, iterations, cost against the budget"),
    SlashCommand("/cost", "cost by model, agent, purpose and task"),
    SlashCommand("/model", "show the models, or use another for this session", "[NAME]"),
    SlashCommand("/multi-agent", "switch between one agent and supervisor with workers", "[on|off]"),
    SlashCommand("/plan", "plan with the supervisor before anything is built", "[TEXT]"),
    SlashCommand("/run", "approve the plan and start the workers"),
    SlashCommand("/diff", "what this session changed"),
    SlashCommand("/undo", "take back what the last turn wrote"),
    SlashCommand("/clear", "start a new conversation"),
    SlashCommand("/quit", "leave; an unfinished run can be resumed"),
)


def slash_help_lines(commands: Sequence[SlashCommand] = SLASH_COMMANDS, *, width: int | None = None) -> list[Line]:
    return [Line(text) for text in table([(command.usage, command.help) for command in commands], width=width)]


def find_slash(word: str, commands: Sequence[SlashCommand] = SLASH_COMMANDS) -> tuple[SlashCommand, ...]:
    """The commands `word` may mean: the exact one, or all it is a beginning of."""
    exact = tuple(command for command in commands if command.name == word)
    return exact or tuple(command for command in commands if command.name.startswith(word))
