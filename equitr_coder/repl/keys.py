"""The keys of the prompts that differ from the line editor's own."""

from collections.abc import Callable

from prompt_toolkit.buffer import CompletionState
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

_in_text = has_focus(DEFAULT_BUFFER)  # not while history is searched


def prompt_keys(pasted: Callable[[str], None]) -> KeyBindings:
    """Enter sends; Alt-Enter, Ctrl-J or a backslash before Enter begin a new line; Tab takes the best completion.

    `pasted` is told what was pasted at the very beginning.
    """
    keys = KeyBindings()

    @keys.add("enter", filter=_in_text)
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is not None and state.current_completion is not None and not buffer.text.startswith("/"):
            buffer.complete_state = None  # takes the chosen file name; the next Enter sends
        elif buffer.document.char_before_cursor == "\\":
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=_in_text)
    @keys.add("c-j", filter=_in_text)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("tab", filter=_in_text)
    def _complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is None or not state.completions:
            wanted = CompleteEvent(completion_requested=True)
            found = list(buffer.completer.get_completions(buffer.document, wanted))
            state = buffer.complete_state = CompletionState(buffer.document, found)
        buffer.complete_next()
        if len(state.completions) <= 1:
            buffer.complete_state = None

    @keys.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        if event.current_buffer.cursor_position == 0:
            pasted(text)
        event.current_buffer.insert_text(text)

    return keys
