"""System prompts: short files beside this one, filled with facts that stay the same for the whole session.

Nothing that changes between two sessions of a kind (dates, task texts) belongs here: the prompt opens every request,
and a provider's cache hits only while its bytes are the same. What differs between machines stands last.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from equitr_coder.domain.errors import UserError

_FOLDER = Path(__file__).parent
_BLOCK = re.compile(r"^\{\{(if (?P<fact>\w+)|else|end)\}\}\n?", re.MULTILINE)
_VALUE = re.compile(r"\{\{(\w+)\}\}")


def prompt_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.md")))


def system_prompt(name: str, facts: Mapping[str, object]) -> str:
    """The prompt `name` for these facts. A fact that is not given counts as false.

    Known facts: `has_supervisor` and `can_ask_user` (whether those tools are offered), and `platform`, a line or two
    about the machine.

    Raises:
        UserError: there is no such prompt.
    """
    if name not in prompt_names():
        raise UserError(f"there is no prompt named {name!r}", hint=f"use one of: {', '.join(prompt_names())}")
    template = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    chosen = _choose(template, facts)
    filled = _VALUE.sub(lambda found: str(facts[found.group(1)]), chosen)
    return re.sub(r"\n{3,}", "\n\n", filled).strip()


def _choose(template: str, facts: Mapping[str, object]) -> str:
    """Keep the blocks between `{{if FACT}}`, `{{else}}` and `{{end}}` lines whose fact is true. Blocks do not nest."""
    kept: list[str] = []
    shown, condition = True, None
    position = 0
    for mark in _BLOCK.finditer(template):
        if shown:
            kept.append(template[position : mark.start()])
        position = mark.end()
        if mark.group("fact") is not None:
            condition = bool(facts.get(mark.group("fact")))
            shown = condition
        elif mark.group(1) == "else":
            shown = not condition
        else:
            shown, condition = True, None
    return "".join(kept) + (template[position:] if shown else "")
