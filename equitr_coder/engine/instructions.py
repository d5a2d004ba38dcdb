"""The project's own instructions as a model reads them: those for all in its system prompt, those of a folder with the
work. Capped, and a cut is told.
"""

from collections.abc import Sequence

MOST = 12_000
"""Characters of one file; of those of folders, all together."""

_FOR_ALL = (
    "# Instructions of the project\n\nThe project's own rules for you. What stands above and what the user says goes "
    "before them. A folder may have an AGENTS.md of its own, which goes before the root's for what is below it: read "
    "it before you change files there."
)
_FOR_FOLDERS = (
    "# Instructions for the folders you work in\n\nEach holds for what is below its folder; a later one goes before an "
    "earlier one, and all of them before the general ones."
)

Instruction = tuple[str, str]
"""Path and text."""


def general_block(instructions: Sequence[Instruction]) -> str:
    """For the end of a system prompt; empty without instructions."""
    return _block(_FOR_ALL, [_shown(path, text, MOST) for path, text in instructions])


def folder_block(instructions: Sequence[Instruction]) -> str:
    """For the end of a first message: the nearest last, and the last to be cut."""
    left = MOST
    shown: list[str] = []
    for path, text in reversed(instructions):
        shown.insert(0, _shown(path, text, left))
        left = max(0, left - len(text))
    return _block(_FOR_FOLDERS, shown)


def _block(head: str, shown: Sequence[str]) -> str:
    return "\n\n".join([head, *shown]) if shown else ""


def _shown(path: str, text: str, most: int) -> str:
    if len(text) > most:
        kept = text[:most].rpartition("\n")[0] or text[:most]
        text = f"{kept}\n[... {len(text) - len(kept)} more characters; read_file opens all of {path} ...]".lstrip("\n")
    return f'<instructions path="{path}">\n{text}\n</instructions>'
