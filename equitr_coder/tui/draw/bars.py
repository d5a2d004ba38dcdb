"""The rows that are always there: where we are, what it costs, what waits for the person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from equitr_coder import __version__
from equitr_coder.presentation.rows import Ink, Row, Span, apart, fit, row, width_of
from equitr_coder.presentation.text import cells

if TYPE_CHECKING:
    from equitr_coder.tui.desk import Desk, Notice

_NAME = "EQUITR Coder"


def header_rows(desk: Desk, width: int, rows: int, title: str) -> list[Row]:
    """Row one: product or run, folder, branch, models. Row two: mode, money. Never more than `rows`."""
    left = row(" ", Span(_NAME, Ink.ACCENT, bold=True), Span(f" {__version__}", Ink.DIM), "   ")
    folder = _folder(desk)
    if not desk.is_connected:
        state = "connecting..." if desk.failure is None else "not connected"
        return [apart(row(*left, folder), row(Span(state, Ink.DIM), " "), width), ()][:rows]
    from equitr_coder.tui.draw.status import models_row, money_row

    money = money_row(desk)
    if rows == 1:
        return [apart(row(" ", Span(title, Ink.ACCENT)), money, width)]
    models = models_row(desk, width)
    branch = Span(f"   {desk.branch}" if desk.branch else "", Ink.DIM)
    room = width - width_of(left) - cells(branch.text) - width_of(models) - 1
    return [
        apart(row(*left, _end_of(folder, room), branch), models, width),
        apart(row(" ", Span(title, Ink.DIM)), money, width),
    ]


def needs_row(desk: Desk, width: int) -> Row:
    """One row for all that waits for the person; blank when nothing does."""
    if not desk.is_connected:
        return ()
    from equitr_coder.tui.draw.status import needs

    return fit(needs(desk, width), width, padded=False)


def prompt_titles(desk: Desk, width: int) -> tuple[str, str]:
    """The border of the prompt: whom it speaks to, and under which limits."""
    if not desk.is_connected:
        return "", ""
    from equitr_coder.tui.draw.status import addressee, limits

    return addressee(desk), limits(desk) if width >= 60 else ""


def notice_rows(notice: Notice, width: int) -> list[Row]:
    mark = Span("x " if notice.is_bad else "  ", Ink.BAD)
    lines = [row(" ", mark, Span(notice.text, Ink.BAD if notice.is_bad else Ink.TEXT))]
    if notice.hint:
        lines.append(row("   ", Span(notice.hint, Ink.DIM)))
    return [fit(line, width) for line in lines]


def _folder(desk: Desk) -> str:
    home = desk.environ.get("HOME", "")
    folder = str(desk.folder)
    if home and (folder == home or folder.startswith(home.rstrip("/") + "/")):
        return f"~{folder[len(home.rstrip('/')) :]}"
    return str(Path(folder))


def _end_of(folder: str, room: int) -> str:
    """The folder's own name says more than where it lies: of a long path the end is kept."""
    if cells(folder) <= room:
        return folder
    parts = Path(folder).parts
    ends = (f".../{'/'.join(parts[at:])}" for at in range(1, len(parts)))
    return next((end for end in ends if cells(end) <= room), folder)
