"""The keys of the prompt."""

from equitr_coder.tui.keys import Key


def _key(keys: str, shown: str, label: str, action: str, *, in_footer: bool = False) -> Key:
    return Key(tuple(keys.split()), shown, label, action, where="prompt", in_footer=in_footer)


PROMPT_KEYS = (
    _key("enter", "Enter", "send", "send", in_footer=True),
    _key("ctrl+j alt+enter shift+enter", "Ctrl+J, Alt+Enter, \\ Enter", "new line", "new_line", in_footer=True),
    _key("alt+s", "Alt+S", "send now (steer)", "steer"),
    _key("up", "Up", "line, then history", "up"),
    _key("down", "Down", "line, then history", "down"),
    _key("ctrl+r", "Ctrl+R", "search history", "search"),
    _key("tab", "Tab", "complete, else next pane", "complete"),
    _key("escape", "Esc", "close menu or search", "close"),
    _key("ctrl+y", "Ctrl+Y", "bring back deleted text", "yank"),
    _key("ctrl+o", "Ctrl+O", "unfold the paste", "unfold"),
    _key("ctrl+g", "Ctrl+G", "edit in $EDITOR", "edit"),
    _key("left ctrl+b", "Left, Ctrl+B", "character left", "left"),
    _key("right ctrl+f", "Right, Ctrl+F", "character right", "right"),
    _key("ctrl+left alt+b", "Ctrl+Left, Alt+B", "word left", "word_left"),
    _key("ctrl+right alt+f", "Ctrl+Right, Alt+F", "word right", "word_right"),
    _key("ctrl+a", "Ctrl+A", "start of line", "line_start"),
    _key("ctrl+e", "Ctrl+E", "end of line", "line_end"),
    _key("home", "Home", "start of line", "home"),
    _key("end", "End", "end of line", "end"),
    _key("backspace", "Backspace", "delete left", "delete_left"),
    _key("delete", "Delete", "delete right", "delete_right"),
    _key("ctrl+d", "Ctrl+D", "delete right, else quit", "delete_or_quit"),
    _key("ctrl+w", "Ctrl+W", "delete word left", "kill_blank_left"),
    _key("alt+backspace ctrl+backspace", "Alt+Backspace", "delete word left", "kill_word_left"),
    _key("alt+d", "Alt+D", "delete word right", "kill_word_right"),
    _key("ctrl+u", "Ctrl+U", "delete to line start", "kill_line_start"),
    _key("ctrl+k", "Ctrl+K", "delete to line end", "kill_line_end"),
    _key("ctrl+underscore ctrl+slash ctrl+minus", "Ctrl+_", "undo", "undo"),
    _key("alt+underscore alt+slash", "Alt+_", "redo", "redo"),
)
