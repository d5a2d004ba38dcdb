"""The keyboard on a capable terminal: prompt-toolkit's line editing, inline, without alternate screen or mouse."""

import atexit
import signal
import termios
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.input.typeahead import get_typeahead
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.styles import Style

from equitr_coder.domain.redaction import without_shapes
from equitr_coder.repl.completion import PromptCompleter
from equitr_coder.repl.history import open_history
from equitr_coder.repl.keyboard import Closed, Entry, Interrupted, Said, Typed
from equitr_coder.repl.keys import prompt_keys
from equitr_coder.repl.screen import Screen
from equitr_coder.repl.signals import catching
from equitr_coder.repl.type_ahead import Take, TypeAhead

_PROMPT = "you> "
_STYLE = Style.from_dict({"bottom-toolbar": "noreverse"})


def _keep_enter(descriptor: int) -> None:
    """Until the process ends, Enter that is pressed between two prompts stays Enter: a terminal as it usually is makes
    of it what Ctrl-J sends, which in a prompt begins a new line.
    """
    try:
        before = termios.tcgetattr(descriptor)
    except termios.error:  # no terminal
        return
    without = [before[0] & ~termios.ICRNL, *before[1:]]
    termios.tcsetattr(descriptor, termios.TCSANOW, without)
    atexit.register(termios.tcsetattr, descriptor, termios.TCSANOW, before)


class LineEditor:
    """Implements `repl.keyboard.Keyboard`."""

    def __init__(
        self,
        *,
        history: Path | None,
        terminal: tuple[Input, Output] | None = None,
        redact: Callable[[str], str] = without_shapes,
    ) -> None:
        """`redact` takes keys out of what the history's file keeps. `terminal` is the process's own unless given."""
        self._input, self._output = terminal or (create_input(), create_output(always_prefer_tty=True))
        _keep_enter(self._input.fileno())
        self._ahead = TypeAhead()
        self._pasted = ""
        self._take_signal: Callable[[], None] | None = None
        self._completer, self._file_completer = PromptCompleter(commands=True), PromptCompleter(commands=False)
        self._requests = self._session(open_history(history, redact), self._completer)
        self._answers = self._session(InMemoryHistory(), self._file_completer)
        self.screen = Screen(
            self._write,
            colour=self._output.get_default_color_depth() is not ColorDepth.DEPTH_1_BIT,
            columns=lambda: self._output.get_size().columns,
        )

    async def request(self, *, status: str, text: str = "") -> Entry:
        self.screen.end_line()
        self._pasted = ""
        toolbar = FormattedText([("", status)])
        try:
            typed = await self._requests.prompt_async(
                _PROMPT, default=text or self._ahead.take(), bottom_toolbar=toolbar
            )
        except EOFError:
            return Closed()
        except KeyboardInterrupt:
            return Interrupted(self._requests.default_buffer.text)
        return Typed(typed, is_pasted=bool(self._pasted) and typed.startswith(self._pasted))

    async def ask(self, prompt: str, *, fresh: bool) -> str | None:
        self.screen.end_line()
        if self._set_aside():
            return None
        try:
            answer = await self._answers.prompt_async(prompt, default="" if fresh else self._ahead.take())
        except (EOFError, KeyboardInterrupt):
            return None
        finally:
            if self._take_signal is not None:
                self._take_signal()  # the prompt has given it back to nobody
        return answer.strip()

    @contextmanager
    def listening(self, on_interrupt: Callable[[], None], on_said: Callable[[Said], bool]) -> Iterator["_Listening"]:
        def hear(keys: Iterable[KeyPress], said: Take | None = None) -> None:
            for _ in range(self._ahead.press(keys, said)):
                on_interrupt()

        def hear_prompt() -> None:
            hear(get_typeahead(self._input))  # what came in one piece with the line that a prompt took

        def hear_keys() -> None:
            hear(self._input.read_keys(), on_said)

        with (
            catching(signal.SIGINT, on_interrupt) as take_signal,
            self._input.raw_mode(),
            self._input.attach(hear_keys),
        ):
            self._take_signal = take_signal
            hear_prompt()
            try:
                yield _Listening(self._input, hear_prompt)
            finally:
                self._take_signal = None
        hear(self._input.flush_keys())

    def give_back(self, text: str) -> None:
        self._ahead.give_back(text)

    def offer(self, files: Sequence[str], words: Mapping[str, Sequence[str]]) -> None:
        for completer in (self._completer, self._file_completer):
            completer.offer(files, words)

    def _set_aside(self) -> int:
        """Keep for later what was typed until now; returns how often Ctrl-C was among it."""
        keys = get_typeahead(self._input)
        with self._input.raw_mode():  # only then an unfinished line can be read
            while more := self._input.read_keys():
                keys += more
        return self._ahead.press([*keys, *self._input.flush_keys()])

    def _session(self, history: History, completer: PromptCompleter) -> PromptSession[str]:
        return PromptSession(
            history=history,
            completer=completer,
            complete_while_typing=Condition(lambda: completer.has_something(get_app().current_buffer.document)),
            multiline=True,
            key_bindings=prompt_keys(self._note_paste),
            prompt_continuation=lambda width, _line, _wrapped: " " * width,
            style=_STYLE,
            enable_suspend=True,
            enable_open_in_editor=True,
            tempfile_suffix=".md",
            input=self._input,
            output=self._output,
        )

    def _note_paste(self, text: str) -> None:
        self._pasted = text

    def _write(self, text: str) -> None:
        self._output.write_raw(text)
        self._output.flush()


class _Listening:
    def __init__(self, terminal: Input, resumed: Callable[[], None]) -> None:
        self._input = terminal
        self._resumed = resumed

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self._input.detach(), self._input.cooked_mode():
            yield
        self._resumed()
