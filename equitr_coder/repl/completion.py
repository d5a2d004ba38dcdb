"""What Tab offers: slash commands and their words at the start of the line, file names after `@`, best match first."""

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from equitr_coder.presentation.slash import SLASH_COMMANDS, is_slash

_MOST_FILES = 50
_MENTION = re.compile(r"""(?:^|[\s("'\[{,;:=])(@(?:"[^"\n]*|[^\s"']*))$""")


class FileNames:
    """The files that `@` may name; a path is ranked by where it holds what was typed."""

    def __init__(self, paths: Sequence[str] = ()) -> None:
        known = [path for path in paths if ".git" not in path.split("/")]
        self._files = [(path, path.lower(), path.lower().rsplit("/", 1)[-1]) for path in known]

    def best(self, typed: str, count: int = _MOST_FILES) -> list[str]:
        """Name is it, begins with it, contains it; path contains it; has its letters in order. Shorter paths first."""
        wanted = typed.lower()
        in_order = re.compile(".*?".join(re.escape(letter) for letter in wanted), re.DOTALL)

        def ranked() -> Iterator[tuple[int, int, str]]:
            for path, lower, name in self._files:
                found = _rank(wanted, lower, name)
                if found is not None or in_order.search(lower):
                    yield (5 if found is None else found, len(path), path)

        return [path for _, _, path in heapq.nsmallest(count, ranked())]


def _rank(wanted: str, path: str, name: str) -> int | None:
    if wanted in (name, path):
        return 0
    if name.startswith(wanted):
        return 1
    if path.startswith(wanted):
        return 2
    if wanted in name:
        return 3
    return 4 if wanted in path else None


class PromptCompleter(Completer):
    def __init__(self, *, commands: bool) -> None:
        """Without `commands` only file names are offered: the prompt of an answer."""
        self._commands = commands
        self.files = FileNames()
        self.words: Mapping[str, Sequence[str]] = {}
        """Command name -> the words it takes."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        if self._commands and _is_command(document):
            yield from self._for_command(document.text_before_cursor)
            return
        mention = _MENTION.search(document.text_before_cursor)
        if mention is not None:
            written = mention.group(1)
            for path in self.files.best(written[1:].removeprefix('"')):
                yield Completion(_mention(path), -len(written), display=path)

    def has_something(self, document: Document) -> bool:
        """Whether completing makes sense here; elsewhere no menu opens and no room is kept for one."""
        is_command = self._commands and _is_command(document)
        return is_command or _MENTION.search(document.text_before_cursor) is not None

    def _for_command(self, text: str) -> Iterator[Completion]:
        name, space, rest = text.partition(" ")
        if not space:
            for command in SLASH_COMMANDS:
                if command.name.startswith(name.lower()):
                    yield Completion(command.name, -len(text), display=command.usage, display_meta=command.help)
            return
        for word in self.words.get(name, ()):
            if word.startswith(rest.lstrip()):
                yield Completion(word, -len(rest.lstrip()))


def _is_command(document: Document) -> bool:
    return document.text == document.text_before_cursor and is_slash(document.text)


def _mention(path: str) -> str:
    return f'@"{path}"' if re.search(r"\s", path) else f"@{path}"
