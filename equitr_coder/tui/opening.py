"""Opens the screen: the first frame at once, the engine behind it, and plain lines when the screen fails."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from equitr_coder.tui.app import ScreenApp
from equitr_coder.tui.desk import Desk
from equitr_coder.tui.theme import DEFAULT

if TYPE_CHECKING:
    from equitr_coder.ports import RunApi

_log = logging.getLogger(__name__)
_INTERNAL, _INTERRUPTED, _NOT_CONFIGURED = 70, 130, 2

OpenDoor = Callable[[], AbstractAsyncContextManager["RunApi"]]
FirstRun = Callable[["RunApi"], Awaitable[bool]]
"""Writes a first configuration with the person, on a plain terminal; whether one was written."""


async def open_screen(
    connect: OpenDoor,
    *,
    load: Callable[[], object],
    first_run: FirstRun,
    mode: str,
    folder: Path,
    environ: Mapping[str, str],
    theme: str = DEFAULT,
    history: Callable[[], Path | None] = lambda: None,
    edit: Callable[[str], str | None] | None = None,
) -> int:
    """Show the screen until the person leaves it; returns the exit code.

    `load` imports what `connect` needs; it is called in a thread, so that keys are taken meanwhile. `mode` is `plan`,
    `chat` or `run`, or empty: as configured. `history` tells the file of earlier requests, once the engine is there;
    `edit` opens a text in the person's editor, None when it was not saved.

    Raises:
        EquitrError: the workspace cannot be opened.
    """
    async with asyncio.TaskGroup() as group:
        desk = Desk(group=group, environ=environ, folder=folder, edit=edit)
        app = ScreenApp(desk, theme=theme)
        holding = group.create_task(_hold_door(connect, load, history, first_run, mode, desk, app))
        code = await app.run_async()
        if app.crash is not None:
            await _go_on_in_lines(desk, app.crash)
            code = _INTERNAL
        desk.is_painted.set()
        desk.leaving.set()
        await holding
    for run in desk.runs.values():
        if not run.view.state.is_final:
            sys.stdout.write(f"resume with: equitrcoder resume {run.view.epic or run.run}\n")
    if desk.failure is not None:
        raise desk.failure
    return code or 0


async def _hold_door(
    connect: OpenDoor,
    load: Callable[[], object],
    history: Callable[[], Path | None],
    first_run: FirstRun,
    mode: str,
    desk: Desk,
    app: ScreenApp,
) -> None:
    """Keep the engine open, in this task, until the person leaves: it outlives a screen that fails."""
    try:
        await desk.is_painted.wait()  # imports in a thread would hold up the first frame
        await asyncio.to_thread(load)
        desk.history.keep_in(history())
        # Textual starts tasks eagerly where Python can; the engine keeps the order that it was tested in.
        asyncio.get_running_loop().set_task_factory(None)
        while not desk.leaving.is_set():
            async with connect() as api:
                if await _is_configured(api):
                    await _connect(api, mode, desk)
                    await desk.leaving.wait()
                    return
                with app.suspend():
                    is_written = await first_run(api)
            if not is_written:
                app.exit(_NOT_CONFIGURED)
                return
    except BaseException as error:
        desk.failure = error
        app.exit(_INTERNAL)
        if not isinstance(error, Exception):
            raise


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


async def _go_on_in_lines(desk: Desk, crash: Exception) -> None:
    """The screen has failed; what works goes on as plain lines until it ends."""
    from equitr_coder.presentation.progress import progress_lines
    from equitr_coder.presentation.text import paint

    _log.error("the screen failed", exc_info=crash)
    say = sys.stderr.write
    say(f"error: the screen failed: {type(crash).__name__}: {crash}\n")
    say("hint: your runs go on below as plain lines; the traceback is in logs/equitr.log\n")
    for known in desk.live:
        async for item in desk.api.events(known.run, after=known.view.seq):
            known.take(item)
            lines = progress_lines(item, known.view)  # type: ignore[arg-type] # no deltas were asked for
            sys.stdout.write("".join(f"{paint(line, colour=False)}\n" for line in lines))
            sys.stdout.flush()
