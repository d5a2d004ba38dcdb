"""Every key of the screen, once: bindings, footer, help and palette are made of this table."""

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from equitr_coder.domain.frozen import frozen


@frozen
class Key:
    keys: tuple[str, ...]
    """As Textual names them."""
    shown: str
    """As a person reads it: `Ctrl+P`, `F8`, `Alt+Up`."""
    label: str
    """What it does, in one to four words. The same in footer, help and palette."""
    action: str
    """Textual's action, without `action_`."""
    where: str = ""
    """Place whose pane must have the focus, `prompt`, or empty: everywhere."""
    in_footer: bool = False
    goes_first: bool = False
    """Before whatever has the focus sees it."""

    @property
    def is_letter(self) -> bool:
        """Whether it could be typed as text."""
        return any(len(name) == 1 for name in self.keys) or self.keys[0] in _NAMED


_NAMED = ("left_square_bracket", "right_square_bracket", "slash", "space")
"""Textual's names of keys that type a character."""


TAB = Key(("tab",), "Tab", "next pane", "focus_next_pane")
GLOBAL_KEYS = (
    Key(("escape",), "Esc", "back, or interrupt", "step_back"),
    Key(("ctrl+c",), "Ctrl+C", "interrupt, clear, leave", "stop", goes_first=True),
    Key(("ctrl+d",), "Ctrl+D", "leave", "leave", goes_first=True),
    Key(("shift+tab",), "Shift+Tab", "mode", "next_mode", in_footer=True, goes_first=True),
    TAB,
    Key(("shift+f6",), "Shift+F6", "previous pane", "focus_previous_pane", goes_first=True),
    Key(("f1",), "F1", "help", "open('help')", in_footer=True, goes_first=True),
    Key(("f2",), "F2", "documents", "documents", goes_first=True),
    Key(("f3",), "F3", "run", "open('run')", goes_first=True),
    Key(("f4",), "F4", "review", "open('review')", goes_first=True),
    Key(("f5",), "F5", "money", "open('money')", goes_first=True),
    Key(("f6",), "F6", "sessions", "open('sessions')", goes_first=True),
    Key(("f7",), "F7", "settings", "open('settings')", goes_first=True),
    Key(("f8",), "F8", "what needs you", "needs_you", goes_first=True),
    Key(("f9",), "F9", "mouse on or off", "toggle_mouse", goes_first=True),
    Key(("ctrl+p",), "Ctrl+P", "palette", "palette", in_footer=True, goes_first=True),
    Key(("ctrl+o",), "Ctrl+O", "open or fold output", "unfold", goes_first=True),
    Key(("ctrl+l",), "Ctrl+L", "redraw", "redraw", goes_first=True),
    Key(("ctrl+t",), "Ctrl+T", "theme", "next_theme", goes_first=True),
    Key(("alt+up",), "Alt+Up", "take back queued", "take_back", goes_first=True),
    Key(("alt+s",), "Alt+S", "send now", "steer", goes_first=True),
)


SEND = Key(("enter",), "Enter", "send", "send", "prompt", in_footer=True)


def bindings(keys: Iterable[Key]) -> list[BindingType]:
    return [Binding(",".join(key.keys), key.action, key.label, show=False, priority=key.goes_first) for key in keys]


def footer_text(keys: Iterable[Key], width: int, *, at_most: int | None = None) -> str:
    """`Enter send  F1 help`: as many whole entries as fit."""
    shown = ""
    for number, key in enumerate(keys):
        entry = f"{key.shown} {key.label}"
        joined = f"{shown}  {entry}" if shown else f" {entry}"
        if len(joined) > width or (at_most is not None and number >= at_most):
            break
        shown = joined
    return shown


MOVING_KEYS = (
    Key(("up", "down"), "Up, Down", "line, or chosen line", "step"),
    Key(("pageup", "pagedown"), "PgUp, PgDn", "page", "leaf"),
    Key(("home",), "Home", "first line", "to_start"),
    Key(("end",), "End", "last line, and follow", "to_end"),
    Key(("enter",), "Enter", "take the chosen line", "choose"),
)
"""Of every pane of rows; for help."""
