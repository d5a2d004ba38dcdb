"""The keys of the prompts that differ from the line editor's own."""

from collections.abc import Callable

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

_in_text = has_focus(DEFAULT_BUFFER)  # not while history is searched


def prompt_keys(pasted: Callable[[str], None]) -> KeyBindings:
    """Enter sends; Alt-Enter, Ctrl-J or a backslash before Enter begin a new line. `pasted` is told what a text
    pasted at the very beginning was.
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

    @keys.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        if event.current_buffer.cursor_position == 0:
            pasted(text)
        event.current_buffer.insert_text(text)

    return keys
