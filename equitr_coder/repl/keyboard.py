"""Line editing: history, several lines, completion of slash commands and of `@file` names."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from equitr_coder.presentation.slash import SLASH_COMMANDS
from equitr_coder.presentation.text import Line, paint

_MOST_FILES = 50


class PromptCompleter(Completer):
    """Slash commands at the start of the line; `@` completes paths that contain what was typed, best match first."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        text = document.text_before_cursor
        if text.startswith("/") and " " not in text and "\n" not in text:
            for command in SLASH_COMMANDS:
                if command.name.startswith(text):
                    yield Completion(command.name, -len(text), display=command.usage, display_meta=command.help)
            return
        word = document.get_word_before_cursor(WORD=True)
        if word.startswith("@"):
            for path in rank_files(self._files, word[1:])[:_MOST_FILES]:
                yield Completion(f"@{path}", -len(word), display=path)


def rank_files(files: Sequence[str], typed: str) -> list[str]:
    """Paths that match `typed`: name begins with it, name contains it, path contains it, letters occur in order."""
    wanted = typed.lower()

    def rank(path: str) -> int | None:
        lower = path.lower()
        name = lower.rsplit("/", 1)[-1]
        if name.startswith(wanted):
            return 0
        if wanted in name:
            return 1
        if wanted in lower:
            return 2
        letters = iter(lower)
        return 3 if all(letter in letters for letter in wanted) else None

    ranked = [(found, len(path), path) for path in files if (found := rank(path)) is not None]
    return [path for _, _, path in sorted(ranked)]


class Keyboard:
    """Implements `presentation.Person` on prompt-toolkit, and reads whole requests with history."""

    def __init__(
        self,
        *,
        history: Path | None,
        files: Sequence[str],
        input: Input | None = None,  # noqa: A002 - prompt-toolkit's own name
        output: Output | None = None,
    ) -> None:
        self.is_closed = False
        kept: History = InMemoryHistory()
        if history is not None:
            try:
                history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                kept = FileHistory(str(history))
            except OSError:
                kept = InMemoryHistory()  # a home that cannot be written costs the history, not the session
        self._requests: PromptSession[str] = PromptSession(
            history=kept,
            completer=PromptCompleter(files),
            complete_while_typing=True,
            multiline=True,
            key_bindings=_keys(),
            prompt_continuation=lambda width, *_: "." * (width - 1) + " ",
            input=input,
            output=output,
        )
        self._answers: PromptSession[str] = PromptSession(history=InMemoryHistory(), input=input, output=output)

    async def request(self, prompt: str, *, status: str) -> str:
        """What the person wants, possibly on several lines.

        Raises:
            KeyboardInterrupt, EOFError: Ctrl-C, and Ctrl-D on an empty prompt.
        """
        toolbar = FormattedText([("", status)])
        return await self._requests.prompt_async(prompt, bottom_toolbar=toolbar)

    async def ask(self, prompt: str, *, lines: Iterable[Line] = (), fresh: bool = False) -> str | None:
        if self.is_closed:
            return None
        self.show(lines)
        if fresh:
            self._answers.app.input.flush_keys()
        try:
            return (await self._answers.prompt_async(prompt)).strip()
        except (EOFError, KeyboardInterrupt):
            self.is_closed = True
            return None

    def show(self, lines: Iterable[Line]) -> None:
        output = self._requests.app.output
        output.write_raw("".join(f"{paint(line, colour=False)}\r\n" for line in lines).replace("\t", "    "))
        output.flush()

    def stream(self, text: str) -> None:
        """Text as it comes, without a line end of its own."""
        output = self._requests.app.output
        output.write_raw(paint(Line(text), colour=False).replace("\n", "\r\n"))
        output.flush()


def _keys() -> KeyBindings:
    """Enter sends; Alt-Enter and Ctrl-J begin a new line; a backslash before Enter does too."""
    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None
        elif buffer.document.char_before_cursor == "\\":
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
