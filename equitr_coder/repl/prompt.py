"""Opens the interactive session on one workspace."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery, ModelsAnswer, ModelsQuery
from equitr_coder.domain.redaction import without_shapes
from equitr_coder.ports import RunApi
from equitr_coder.presentation.mode import Mode, Setup
from equitr_coder.repl.commands import Commands
from equitr_coder.repl.conversation import INTERRUPTED, Conversation
from equitr_coder.repl.following import Attendants
from equitr_coder.repl.keyboard import Keyboard
from equitr_coder.repl.signals import unless_ended
from equitr_coder.repl.turns import Turns

_CANNOT_DRAW = ("", "dumb", "unknown")


async def open_prompt(
    api: RunApi,
    *,
    planning: bool,
    attendants: Attendants,
    history: Path | None,
    environ: Mapping[str, str] = os.environ,
    redact: Callable[[str], str] = without_shapes,
) -> int:
    """`planning` opens with the planning conversation; `history` is the file of earlier requests, from which `redact`
    takes keys out.

    Returns the exit code.
    """
    keyboard = open_keyboard(history, environ, redact)
    return await hold_session(api, keyboard, planning=planning, attendants=attendants)


async def hold_session(api: RunApi, keyboard: Keyboard, *, planning: bool, attendants: Attendants) -> int:
    config, models = await api.query(ConfigQuery()), await api.query(ModelsQuery())
    assert isinstance(config, ConfigAnswer)
    assert isinstance(models, ModelsAnswer)
    setup = Setup.of(config, models)
    mode = Mode(setup=setup, multi_agent=setup.multi_agent, plans_first=planning)
    turns = Turns(api, keyboard, attendants, mode)
    await turns.offer_files()
    commands = Commands(api, keyboard.screen, mode, turns)
    conversation = Conversation(keyboard=keyboard, mode=mode, turns=turns, commands=commands)
    code = await unless_ended(conversation.hold())
    if code is not None:
        return code
    with suppress(OSError):  # there may be no terminal any more
        await conversation.say_how_to_go_on()
    return INTERRUPTED


def open_keyboard(history: Path | None, environ: Mapping[str, str], redact: Callable[[str], str]) -> Keyboard:
    """Line editing where the terminal can draw, plain lines where it cannot."""
    if environ.get("TERM", "").lower() in _CANNOT_DRAW:
        from equitr_coder.repl.plain_lines import PlainLines

        return PlainLines(stdin=sys.stdin, screen=sys.stdout if sys.stdout.isatty() else sys.stderr)
    from equitr_coder.repl.line_editor import LineEditor

    return LineEditor(history=history, redact=redact)
