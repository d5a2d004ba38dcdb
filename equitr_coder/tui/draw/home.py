"""The first place: what can be gone on with, and how to begin."""

from collections.abc import Sequence
from datetime import datetime

from equitr_coder.domain.queries import RunSummary
from equitr_coder.presentation.figures import dollars, limit, since
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.presentation.text import plural, prose

_TITLE, _STATE, _TASKS, _MONEY = 34, 20, 11, 22
_NARROW = 100
_ROWS = 6

_NEW = (
    "Say what you want built. In plan mode EQUITR plans with you, shows requirements, design and todos, and runs",
    "workers only after you approve. In chat mode one agent works in your checkout, and /undo takes it back.",
)
_NEW_NARROW = (
    "Say what you want built. In plan mode EQUITR plans with you and runs",
    "workers only after you approve. In chat mode one agent works in your",
    "checkout, and /undo takes it back.",
)


def continue_rows(runs: Sequence[RunSummary], *, now: datetime, width: int) -> list[Row]:
    """One row for each run that can be gone on with or looked at, newest first."""
    return [fit(_run(run, now, width), width, padded=False) for run in runs[:_ROWS]]


def intro_rows(*, width: int, warnings: Sequence[str], more: int) -> list[Row]:
    words = _NEW if width >= _NARROW + 10 else _NEW_NARROW
    lines = [row("  ", Span("New", Ink.TEXT, bold=True)), *(row("    ", Span(text, Ink.DIM)) for text in words)]
    if more > 0:
        lines = [row("    ", Span(f"... {more} more (F6)", Ink.DIM)), (), *lines]
    for warning in warnings:
        lines += [(), row("  ", Span(f"! {prose(warning)}", Ink.BAD))]
    return [fit(line, width, padded=False) for line in lines]


def _run(run: RunSummary, now: datetime, width: int) -> Row:
    name = run.epic or run.run
    word = "broken off" if run.is_broken_off else run.phase
    ink = Ink.ASK if run.phase == "awaiting approval" else Ink.TEXT
    tasks = f"{run.done}/{run.tasks} tasks" if run.tasks else ""
    money = f"{dollars(run.usd)} of {limit(run.budget)}" if run.budget is not None else dollars(run.usd)
    title = " ".join(prose(run.title).split())
    if width < _NARROW:
        room = max(10, width - 42)
        return (
            *fit(row("  ", Span(name, Ink.ACCENT)), 13),
            *fit(row(title), room),
            *fit(row(" ", Span(word, ink)), 19),
            *row(Span(since(now - run.last), Ink.DIM)),
        )
    room = max(10, min(_TITLE, width - 4 - 16 - _STATE - _TASKS - _MONEY - 14))
    return (
        *fit(row("    ", Span(name, Ink.ACCENT)), 18),
        *fit(row(title), room),
        *fit(row("  ", Span(word, ink)), _STATE),
        *fit(row(tasks), _TASKS),
        *fit(row(Span(money, Ink.DIM)), _MONEY),
        *row(Span(since(now - run.last), Ink.DIM)),
    )


def heading(runs: Sequence[RunSummary]) -> Row:
    if not runs:
        return row("  ", Span("Nothing to continue here yet", Ink.DIM))
    asking = sum(run.phase == "awaiting approval" for run in runs)
    words = f"  {plural(asking, 'plan')} awaiting approval" if asking else ""
    return row("  ", Span("Continue", Ink.TEXT, bold=True), Span(words, Ink.ASK))
