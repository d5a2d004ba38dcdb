"""One worker, full screen: who it is, its todos, its files, and every call it has paid for."""

from collections.abc import Mapping
from typing import Literal

from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import LedgerRow, RunView
from equitr_coder.presentation.dashboard import Lane
from equitr_coder.presentation.figures import coins, countdown, dollars, duration
from equitr_coder.presentation.happenings import Happenings, Recent
from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row
from equitr_coder.presentation.text import shorten
from equitr_coder.tui.draw.run_lanes import facts, lane_name, state_words, waiting_ink
from equitr_coder.tui.draw.wrap import words

Tab = Literal["transcript", "todos", "files", "calls"]
TABS: tuple[Tab, ...] = ("transcript", "todos", "files", "calls")


def lane_head(lane: Lane, width: int, *, tab: Tab) -> list[Row]:
    """Who it is and how it stands; the tabs below."""
    name = row(" ", lane_name(lane.number), " ", Span(lane.glyph, waiting_ink(lane), bold=True), " ")
    age = f"  {countdown(lane.age)}" if lane.age is not None else ""
    again = f" (try {lane.attempt})" if lane.attempt > 1 else ""
    left = row(Span(f"{lane.task or ''} ", bold=True), f"{lane.title}{again}")
    right = row(Span(f"{lane.model}{' ^' if lane.is_strong else ''} ", Ink.DIM))
    about = lane.wait.about if lane.wait is not None else ""
    state: list[str | Span] = [
        Span(f" {state_words(lane)}", waiting_ink(lane), bold=True),
        f"{age}  {'  '.join(facts(lane))}",
    ]
    tabs: list[str | Span] = [" "]
    for one in TABS:
        tabs += [Span(one, Ink.ACCENT if one == tab else Ink.DIM, bold=one == tab, underline=one == tab), " | "]
    return [
        apart((*name, *left), right, width),
        fit(row(*state, Span(f"  {about}" if about else "", waiting_ink(lane))), width),
        apart(row(*tabs[:-1]), row(Span("[ and ] switch ", Ink.DIM)), width),
    ]


def todo_rows(view: RunView, happenings: Happenings, task: TaskId, width: int) -> list[Row]:
    if view.plan is None or task not in view.tasks:
        return []
    planned, numbers = view.plan.task(task), view.plan.todo_numbers[task]
    ticked = happenings.ticked.get(task, set())
    is_done = view.tasks[task].state.value in ("review", "done")
    drawn: list[Row] = []
    for number, todo in zip(numbers, planned.todos, strict=True):
        has_tick = is_done or number in ticked
        mark = Span("[x] " if has_tick else "[ ] ", Ink.OK if has_tick else Ink.DIM)
        first, *rest = words(todo, width - 10)
        drawn.append(fit(row(f" {number:>3} ", mark, first), width))
        drawn += [fit(row(" " * 9, line), width) for line in rest]
    check = planned.check or "none of its own"
    return [*drawn, (), fit(row(Span(" check ", Ink.DIM), check), width)] if drawn else [fit(row(" no todos"), width)]


def file_rows(recent: Recent, changed: Mapping[str, str], width: int) -> list[Row]:
    """What the session has done to files: what it created, changed or deleted, with lines added and removed."""
    if not changed:
        return [fit(row(Span(" no file has been changed", Ink.DIM)), width)]
    drawn = []
    for path, change in sorted(changed.items()):
        added, removed = recent.files.get(path, (0, 0))
        counts = row(Span(f"+{added} ", Ink.OK), Span(f"-{removed} ", Ink.BAD))
        drawn.append(apart(row(f" {change:<9} ", Span(path, bold=True)), counts, width))
    return drawn


def call_rows(view: RunView, task: TaskId, width: int) -> list[Row]:
    """Its rows of the ledger, oldest first: what each call was for, its tokens, time and price."""
    rows = [found for found in view.ledger.values() if found.task == task]
    if not rows:
        return [fit(row(Span(" no call has been made", Ink.DIM)), width)]
    drawn = [_columns(width, "model", "for", "in", "out", "time", "$", "", ink=Ink.DIM)]
    drawn += [_call(found, width) for found in rows]
    total = sum((found.usd for found in rows), start=rows[0].usd * 0)
    return [*drawn, _columns(width, "total", "", "", "", "", coins(total, 4), "", ink=Ink.TEXT)]


def _call(found: LedgerRow, width: int) -> Row:
    took = duration(found.latency_ms / 1000) if found.latency_ms else ""
    usd = f"{dollars(found.reserved)} held" if found.is_open else dollars(found.usd)
    ink = Ink.BAD if found.failed is not None else Ink.TEXT
    note = found.failed.value if found.failed is not None else found.session.partition(".")[0]
    tokens = (str(found.usage.total_input), str(found.usage.output)) if not found.is_open else ("", "")
    return _columns(width, found.model, found.purpose.value, *tokens, took, usd, note, ink=ink)


def _columns(width: int, *texts: str, ink: Ink) -> Row:
    sizes = [max(16, width // 4), 12, 9, 8, 9, 15, 14]
    return fit(
        beside((row(Span(f" {shorten(text, size - 1)}", ink)), size) for text, size in zip(texts, sizes, strict=True)),
        width,
    )
