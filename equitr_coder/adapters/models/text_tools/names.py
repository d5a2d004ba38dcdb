"""Tool names as models write them, to the names that were offered."""

import re
from collections.abc import Collection

_CHANNEL = re.compile(r"<\|.*", re.DOTALL)
_NUMBER = re.compile(r":\d+$")
_UNSENDABLE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 64


def offered_name(name: str, offered: Collection[str]) -> str | None:
    """The offered tool that `name` can only mean; None when there is none, or more than one.

    Left out are channel marks (`read_file<|channel|>`), spaces, a name space (`functions.`, `default_api:`), a number
    (`:0`), case, and how words are joined.
    """
    if name in offered:
        return name
    bare = _NUMBER.sub("", _CHANNEL.sub("", name).strip())
    for spelling in (bare, re.split(r"[.:/]", bare)[-1]):
        meant = [known for known in offered if _letters(known) == _letters(spelling)]
        if meant:
            return meant[0] if len(meant) == 1 else None
    return None


def sendable_name(name: str) -> str:
    """A name that providers take back in the history: they refuse the whole conversation for one bad character."""
    return _UNSENDABLE.sub("_", _CHANNEL.sub("", name).strip())[:_LONGEST] or "unknown"


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
