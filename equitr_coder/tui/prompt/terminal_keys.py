"""Keys that Textual reads as others: Alt+Enter comes as ESC and CR, of which it makes a plain Enter."""

from enum import Enum
from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


class _Keys(Enum):
    ALT_ENTER = "alt+enter"
    ALT_BACKSPACE = "alt+backspace"
    REDO = "alt+underscore"


def teach_keys() -> None:
    """From now on Textual tells them apart."""
    sequences = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    sequences["\x1b\r"] = (_Keys.ALT_ENTER,)
    sequences["\x1b\x7f"] = (_Keys.ALT_BACKSPACE,)
    sequences["\x1b_"] = (_Keys.REDO,)
