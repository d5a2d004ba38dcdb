"""Opens the screen: the first frame at once, the engine behind it, and plain lines when the screen fails."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from equitr_coder.domain.frozen import frozen
from equitr_coder.tui.app import ScreenApp
from equitr_coder.tui.desk import Desk
from equitr_coder.tui.theme import DEFAULT

if TYPE_CHECKING:
    from equitr_coder.ports import RunApi

_INTERNAL, _NOT_CONFIGURED = 70, 2
_UNSEEN = (80, 24)

OpenDoor = Callable[[], AbstractAsyncContextManager["RunApi"]]
FirstRun = Callable[["RunApi"], Awaitable[bool]]
"""Writes a first configuration with the person, on a plain terminal; whether one was written."""
Unlock = Callable[["RunApi"], Awaitable[None]]


@frozen
class Engine:
    """What stands behind the first frame, and how it is reached."""

    connect: OpenDoor
    load: Callable[[], object]
    """Imports what `connect` needs; called in a thread, so that keys are taken meanwhile."""
    first_run: FirstRun
    mode: str = ""
    """`plan`, `chat` or `run`, or empty: as configured."""
    history: Callable[[], Path | None] = lambda: None
    """The file of earlier requests, once the engine is loaded."""
    redact: Callable[[str], str] = str
    """Takes keys out of a text that is kept."""
    unlock: Unlock | None = None
    """Asks, on a plain terminal, for what opens the stored keys; None when there are none."""


async def open_screen(
    engine: Engine,
    *,
    folder: Path,
    environ: Mapping[str, str],
    theme: str = DEFAULT,
    edit: Callable[[str], str | None] | None = None,
    is_seen: bool = True,
) -> int:
    """Show the screen until the person leaves it; returns the exit code.

    `edit` opens a text in the person's editor, None when it was not saved. Without `is_seen` nothing is drawn and no
    terminal is needed.

    Raises:
        EquitrError: the workspace cannot be opened.
        Exception: the screen failed; what worked in it has ended by itself.
    """
    async with asyncio.TaskGroup() as group:
        desk = Desk(group=group, environ=environ, folder=folder, edit=edit)
        app = ScreenApp(desk, theme=theme)
        holding = group.create_task(_hold_door(engine, desk, app))
        code = await app.run_async(headless=not is_seen, size=None if is_seen else _UNSEEN)
        if app.crash is not None:
            await _go_on_in_lines(desk)
        desk.is_painted.set()
        desk.leaving.set()
        await holding
    for run in desk.runs.values():
        if not run.view.state.is_final:
            sys.stdout.write(f"resume with: equitrcoder resume {run.view.epic or run.run}\n")
    if (failure := desk.failure or app.crash) is not None:
        raise failure
    return code or 0


async def _hold_door(engine: Engine, desk: Desk, app: ScreenApp) -> None:
    """Keep the engine open, in this task, until the person leaves: it outlives a screen that fails."""
    try:
        await desk.is_painted.wait()  # imports in a thread would hold up the first frame
        await asyncio.to_thread(engine.load)
        desk.history.keep_in(engine.history(), engine.redact)
        # Textual starts tasks eagerly where Python can; the engine keeps the order that it was tested in.
        asyncio.get_running_loop().set_task_factory(None)
        while not desk.leaving.is_set():
            async with engine.connect() as api:
                if engine.unlock is not None:
                    with app.suspend():
                        await engine.unlock(api)
                if await _is_configured(api):
                    await _connect(api, engine.mode, desk)
                    await asyncio.to_thread(_load_lexers)
                    await desk.leaving.wait()
                    return
                with app.suspend():
                    is_written = await engine.first_run(api)
            if not is_written:
                app.exit(_NOT_CONFIGURED)
                return
    except BaseException as error:
        desk.failure = error
        app.exit(_INTERNAL)
        if not isinstance(error, Exception):
            raise


def _load_lexers() -> None:
    from equitr_coder.tui.draw.markdown import load_lexers

    load_lexers()


async def _is_configured(api: RunApi) -> bool:
    from equitr_coder.domain.queries import ProposalAnswer, ProposalQuery

    answer = await api.query(ProposalQuery())
    assert isinstance(answer, ProposalAnswer)
    return answer.configured


async def _connect(api: RunApi, mode_name: str, desk: Desk) -> None:
    from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery, ModelsAnswer, ModelsQuery
    from equitr_coder.presentation.mode import Mode, Setup
    from equitr_coder.tui.hearing import Hearing

    config, models = await api.query(ConfigQuery()), await api.query(ModelsQuery())
    assert isinstance(config, ConfigAnswer)
    assert isinstance(models, ModelsAnswer)
    setup = Setup.of(config, models)
    mode = Mode(setup=setup, multi_agent=setup.multi_agent, plans_first=False)
    if mode_name:
        mode.use(mode_name)
    desk.warnings = config.warnings
    hearing = Hearing(desk, api)
    desk.connected(api, mode, hearing)
    await hearing.look_around()
    desk.changed()


async def _go_on_in_lines(desk: Desk) -> None:
    """The screen has failed; what works goes on as plain lines until it ends."""
    from equitr_coder.domain.run_view import apply
    from equitr_coder.ports import ShownDelta
    from equitr_coder.presentation.progress import progress_lines
    from equitr_coder.presentation.text import paint

    for known in desk.live:
        sys.stdout.write(f"The screen failed; {known.view.epic or known.run} goes on as plain lines.\n")
        view = await desk.api.view(known.run)  # a fold of its own: the desk's goes on being fed
        async for item in desk.api.events(known.run, after=view.seq):
            assert not isinstance(item, ShownDelta), "none were asked for"
            apply(view, item)
            lines = progress_lines(item, view)
            sys.stdout.write("".join(f"{paint(line, colour=False)}\n" for line in lines))
            sys.stdout.flush()
