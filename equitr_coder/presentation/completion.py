"""What an interactive prompt offers: slash commands and their words at the start, file names after `@`, best first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.ranking import FileNames
from equitr_coder.presentation.slash import SLASH_COMMANDS, SlashCommand, is_slash

_MENTION = re.compile(r"""(?:^|[\s("'\[{,;:=])(@(?:"[^"\n]*|[^\s"']*))$""")


class Kind(Enum):
    COMMAND = auto()
    WORD = auto()
    FILE = auto()


@frozen
class Offer:
    text: str
    """What stands there when the offer is taken."""
    replaces: int
    """How many characters before the cursor it replaces."""
    kind: Kind
    shown: str
    note: str = ""
    """What the command does, or how the file stands in git."""

    @property
    def takes_argument(self) -> bool:
        return self.kind is Kind.COMMAND and self.shown != self.text


class Offers:
    def __init__(self, *, commands: Sequence[SlashCommand] = SLASH_COMMANDS) -> None:
        """Without commands only file names are offered: the prompt of an answer."""
        self.commands = commands
        self.files = FileNames()
        self.marks: Mapping[str, str] = {}
        """Path -> how it stands in git, where it has changed."""
        self.words: Mapping[str, Sequence[str]] = {}
        """Command name -> the words it takes."""

    def at(self, before: str, after: str = "") -> Iterator[Offer]:
        """The offers between the text before the cursor and the text after it. Files are ranked when they are asked
        for.
        """
        if self.commands and not after and is_slash(before):
            yield from self._for_command(before)
            return
        mention = _MENTION.search(before)
        if mention is not None:
            written = mention.group(1)
            for path in self.files.best(written[1:].removeprefix('"')):
                yield Offer(_mention(path), len(written), Kind.FILE, path, self.marks.get(path, ""))

    def make_sense(self, before: str, after: str = "") -> bool:
        """Whether completing makes sense here; elsewhere no menu opens and no room is kept for one."""
        return bool(self.commands and not after and is_slash(before)) or _MENTION.search(before) is not None

    def _for_command(self, text: str) -> Iterator[Offer]:
        name, space, rest = text.partition(" ")
        if not space:
            for command in _best(name.lower(), self.commands):
                yield Offer(command.name, len(text), Kind.COMMAND, command.usage, command.help)
            return
        for word in self.words.get(name, ()):
            if word.startswith(rest.lstrip()):
                yield Offer(word, len(rest.lstrip()), Kind.WORD, word)


def _best(typed: str, commands: Sequence[SlashCommand]) -> list[SlashCommand]:
    """The commands that begin so, then those whose names have the letters in order."""
    in_order = re.compile(".*?".join(re.escape(letter) for letter in typed))
    begin = [command for command in commands if command.name.startswith(typed)]
    return begin + [each for each in commands if each not in begin and in_order.match(each.name)]


def _mention(path: str) -> str:
    return f'@"{path}"' if re.search(r"\s", path) else f"@{path}"
