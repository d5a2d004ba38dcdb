"""The lanes: one worker each. They change in place; each keeps its number and its height."""

from datetime import timedelta

from equitr_coder.presentation.actions import Action
from equitr_coder.presentation.dashboard import Dashboard, Lane
from equitr_coder.presentation.figures import coins, countdown, limit
from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row
from equitr_coder.presentation.text import cells, shorten
from equitr_coder.tui.draw.blocks import Block

_MOST_TALL = 4
"""Lanes that are drawn with their actions; more take one row each."""
_LEAST, _MOST = 2, 7
"""Rows of a tall lane, its rule included."""
_RULE = "─"
_NAMES_MODELS = 84
INKS = (Ink.LANE_1, Ink.LANE_2, Ink.LANE_3, Ink.LANE_4, Ink.LANE_5, Ink.LANE_6, Ink.LANE_7, Ink.LANE_8)


def lane_blocks(board: Dashboard, width: int, height: int) -> list[Block]:
    """A block for each lane, keyed by its number."""
    lanes = board.lanes
    each = height // len(lanes) if lanes else 0
    if not lanes:
        return [Block("", (fit(row(Span(" no worker has begun", Ink.DIM)), width),))]
    if len(lanes) > _MOST_TALL or width < 72 or each < _LEAST + 1:
        return [Block(str(lane.number), (_line(lane, width),)) for lane in lanes]
    rows = min(_MOST, each)
    return [Block(str(lane.number), _tall(lane, width, rows, is_last=lane is lanes[-1])) for lane in lanes]


def lane_name(number: int) -> Span:
    return Span(f"W{number}", INKS[(number - 1) % len(INKS)], bold=True)


def waiting_ink(lane: Lane) -> Ink:
    if lane.state == "needs you":
        return Ink.ASK
    if lane.state in ("failed", "blocked"):
        return Ink.BAD
    if lane.wait is not None and lane.wait.on == "supervisor":
        return Ink.INFO
    return Ink.TEXT if lane.task is not None else Ink.DIM


def action_row(action: Action, width: int) -> Row:
    """`> run_command npm run build`, `  edited web/upload.tsx  +42 -3`."""
    mark = ">" if action.is_running else "x" if action.is_error else " "
    words = f"{action.tool} {action.words}" if action.is_running or not action.words else action.words
    changed = []
    if action.added or action.removed:
        changed = [Span(f"  +{action.added}", Ink.OK), Span(f" -{action.removed}", Ink.BAD)]
    room = max(8, width - 6 - sum(cells(span.text) for span in changed))
    ink = Ink.BAD if action.is_error else Ink.TEXT if action.is_running else Ink.DIM
    return fit(row("   ", Span(f"{mark} ", ink, bold=True), Span(shorten(words, room), ink), *changed), width)


def facts(lane: Lane) -> list[str]:
    """Money, todos, context; what is not known is left out."""
    allowed = f" of {limit(lane.allowed)}" if lane.allowed is not None else ""
    found = [f"{coins(lane.usd)}{allowed}"]
    if lane.todos:
        found.append(f"todos {lane.todos_done}/{lane.todos}")
    if lane.context_share is not None:
        found.append(f"ctx {int(100 * lane.context_share)}%")
    elif lane.context_tokens is not None:
        found.append(f"ctx {lane.context_tokens // 1000}k")
    return found


def state_words(lane: Lane) -> str:
    """`working`, `NEEDS YOU`, `review: gate`, `waits: rate limit 0:22`."""
    if lane.state == "needs you":
        return "NEEDS YOU"
    return f"{lane.state}: {lane.wait.on}" if lane.wait is not None and lane.wait.on != lane.state else lane.state


def _tall(lane: Lane, width: int, rows: int, *, is_last: bool) -> tuple[Row, ...]:
    body = [*_about(lane, width), *(action_row(action, width) for action in lane.actions)]
    said = [fit(row("     ", Span(f'"{lane.words}"', Ink.TEXT)), width)] if lane.words else []
    room = rows - 2
    kept = [*body[-max(0, room - len(said)) :], *said] if room > len(said) else body[:room] or said[:room]
    filled = [*kept, *[fit((), width)] * max(0, room - len(kept))][: max(0, room)]
    rule = () if is_last else (fit(row(" ", Span(_RULE * (width - 2), Ink.DIM)), width),)
    return (_head(lane, width), *filled, *(rule or (fit((), width),)))


def _about(lane: Lane, width: int) -> list[Row]:
    """What a waiting lane waits for, in full."""
    wait = lane.wait
    if wait is None or not wait.about:
        return []
    mark = "!" if wait.is_conflict else "?" if wait.is_person else "^"
    ink = waiting_ink(lane)
    return [fit(row("   ", Span(f"{mark} ", ink, bold=True), Span(shorten(wait.about, width - 6), ink)), width)]


def _head(lane: Lane, width: int) -> Row:
    name = row(" ", lane_name(lane.number), " ", Span(lane.glyph, waiting_ink(lane), bold=True), " ")
    if lane.task is None:
        return fit((*name, *row(Span(state_words(lane), Ink.DIM))), width)
    again = f" (try {lane.attempt})" if lane.attempt > 1 else ""
    model = f"{lane.model}{' ^' if lane.is_strong else ''}"
    age = f"{countdown(lane.age):>6}" if lane.age is not None else " " * 6
    numbers = "   ".join(facts(lane))
    state = Span(shorten(state_words(lane), 28), waiting_ink(lane), bold=lane.state == "needs you")
    name_of_model = Span(f"{shorten(model, 24)}   ", Ink.DIM) if width >= _NAMES_MODELS else ""
    right = row(name_of_model, state, f" {age}   {numbers} ")
    left = (*name, *row(Span(f"{lane.task} ", bold=True), f"{lane.title}{again}"))
    return apart(left, right, width)


def _line(lane: Lane, width: int) -> Row:
    """` W1 > T4 ui: upload form   4:12 $0.19 3/5  edited web/upload.tsx +42 -3`."""
    name = row(" ", lane_name(lane.number), " ", Span(lane.glyph, waiting_ink(lane), bold=True), " ")
    if lane.task is None:
        return fit((*name, *row(Span(state_words(lane), Ink.DIM))), width)
    age = countdown(lane.age if lane.age is not None else timedelta())
    todos = f"{lane.todos_done}/{lane.todos}" if lane.todos else ""
    last = _last(lane)
    if width < 60:
        text = f"{lane.task} {state_words(lane)}"
        return apart((*name, *row(Span(text, waiting_ink(lane)))), row(f"{coins(lane.usd)} "), width)
    title = max(12, min(30, (width - 30) // 3))
    rest = max(0, width - 6 - title - 7 - 7 - 6)
    return fit(
        beside(
            [
                (name, 6),
                (row(Span(f"{lane.task} ", bold=True), lane.title), title),
                (row(f" {age:>6}"), 7),
                (row(f" {coins(lane.usd):>6}"), 7),
                (row(f" {todos:<5}"), 6),
                (last, rest),
            ]
        ),
        width,
    )


def _last(lane: Lane) -> Row:
    ink = waiting_ink(lane)
    if lane.wait is not None:
        about = f": {lane.wait.about}" if lane.wait.about else ""
        who = "asks" if lane.wait.is_person and not lane.wait.is_conflict else state_words(lane)
        return row(Span(f"{who}{about}", ink))
    if not lane.actions:
        return row(Span(lane.words or lane.state, Ink.DIM))
    action = lane.actions[-1]
    words = f"{action.tool} {action.words}" if action.is_running or not action.words else action.words
    changed = f" +{action.added} -{action.removed}" if action.added or action.removed else ""
    return row(Span(f"{words}{changed}", Ink.BAD if action.is_error else Ink.TEXT))
