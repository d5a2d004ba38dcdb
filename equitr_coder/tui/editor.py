"""A text in the person's own editor: the screen steps aside and the runs go on, until the editor has ended."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from textual.app import App

_TAKES_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe"}


async def edit_text(app: App[int], text: str, edit: Callable[[str], str | None] | None) -> str | None:
    """The text as the person leaves it; None when it was not saved, or saved as it was. `edit` blocks, as `Desk.edit`.

    Raises:
        UserError: the editor cannot be started, or says that it failed.
    """
    if edit is None:
        raise UserError("there is no editor here", hint="set EDITOR, for example EDITOR=nano, and start again")
    edited = await _aside(app, lambda: edit(text))
    return None if edited is None or edited.rstrip("\n") == text.rstrip("\n") else edited


async def open_file(app: App[int], path: Path, *, environ: Mapping[str, str], line: int | None = None) -> None:
    """Show a file in the editor; at a line where the editor is known to take `+N`.

    Raises:
        UserError: the editor cannot be started, or says that it failed.
    """
    import click

    editor = _editor(environ)
    if line is not None and editor and Path(shlex.split(editor)[0]).name in _TAKES_LINE:
        editor = f"{editor} +{line}"
    await _aside(app, lambda: click.edit(filename=str(path), editor=editor))


def _editor(environ: Mapping[str, str]) -> str | None:
    """What the person has chosen; None: whatever is there."""
    return environ.get("VISUAL") or environ.get("EDITOR") or None


async def _aside(app: App[int], edit: Callable[[], str | None]) -> str | None:
    import click

    try:
        with _suspended(app):
            return await asyncio.to_thread(edit)
    except click.ClickException as error:
        hint = "set EDITOR to an editor that waits, for example EDITOR=nano"
        raise UserError(error.format_message(), hint=hint) from error


@contextmanager
def _suspended(app: App[int]) -> Iterator[None]:
    """Nothing is drawn meanwhile: the terminal is the editor's. Without a terminal there is nothing to give away."""
    if app.is_headless:
        yield
        return
    with app.suspend(), app.batch_update():
        yield
