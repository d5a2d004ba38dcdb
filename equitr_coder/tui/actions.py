"""Everything that can be done on the screen now: keys of the place below, keys everywhere, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.tui.draw.help import Entry, command_entries
from equitr_coder.tui.keys import GLOBAL_KEYS, MOVING_KEYS, Key
from equitr_coder.tui.prompt.keys import PROMPT_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equitr_coder.tui.place import Place

EVERYWHERE, MOVING, TYPING = "everywhere", "in a pane", "in the prompt"


def entries(under: Place | None) -> list[Entry]:
    """In the order of help: the place under it first."""
    from equitr_coder.tui.slash import SCREEN_COMMANDS

    own = _of_keys(under.KEYS, under.TITLE) if under is not None else []
    return [
        *own,
        *_of_keys(GLOBAL_KEYS, EVERYWHERE),
        *_of_keys(MOVING_KEYS, MOVING),
        *_of_keys(PROMPT_KEYS, TYPING),
        *command_entries(SCREEN_COMMANDS),
    ]


def doable(under: Place | None) -> list[Entry]:
    """What the palette can do by itself: not the keys that need a text or a chosen line in the prompt or a pane."""
    return [entry for entry in entries(under) if entry.section not in (MOVING, TYPING)]


def _of_keys(keys: Sequence[Key], section: str) -> list[Entry]:
    return [Entry(key.shown, key.label, key.action, section) for key in keys]
