"""The first rows of a run: where it stands, its money against the cap, and where that ends."""

from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from equitr_coder.domain.money import ZERO
from equitr_coder.presentation.dashboard import Dashboard, Header
from equitr_coder.presentation.figures import coins, countdown, limit, rounded
from equitr_coder.presentation.purse import Purse, Standing
from equitr_coder.presentation.rows import Ink, Row, Span, apart, fit, row
from equitr_coder.presentation.text import cells, plural, shorten

NARROW, TABS = 60, 100
"""Below: one row and one list; below: panes become tabs."""
_BAR = 20
_ENDED = ("completed", "failed", "cancelled")
_INKS = {
    Standing.OK: Ink.OK,
    Standing.TIGHT: Ink.ASK,
    Standing.OVER: Ink.ASK,
    Standing.NEAR: Ink.BAD,
    Standing.REACHED: Ink.BAD,
}


def header_rows(board: Dashboard, width: int) -> list[Row]:
    """One row below 60 columns, else two."""
    if width < NARROW:
        return [_one(board.header, width)]
    return [_first(board.header, width), _second(board.header, width)]


def budget_bar(purse: Purse, width: int) -> Row:
    """`#` spent, `=` held, `.` free: exactly `width` cells, and never more than the cap."""
    if purse.cap is None or purse.cap <= 0 or width <= 0:
        return ()
    share = Decimal(width) / purse.cap
    spent = min(width, _cells(purse.spent * share, at_least=purse.spent > 0))
    used = _cells((purse.spent + purse.held) * share, at_least=purse.held > 0)
    held = max(0, min(width, used) - spent)
    if purse.held > 0 and spent < width:
        held = max(1, held)
    ink = _INKS[purse.standing] if purse.standing is not Standing.OK else Ink.TEXT
    return row(Span("#" * spent, ink, bold=True), Span("=" * held, ink), Span("." * (width - spent - held), Ink.DIM))


def money_words(purse: Purse) -> str:
    """`$1.82 + $0.37 held of $5.00`. The two amounts add up to their rounded sum, which never passes the cap."""
    spent, held = _parts(purse)
    places = _places(purse.cap)
    more = " + unknown" if purse.is_unpriced else ""
    waiting = f" + {coins(held, places)} held" if purse.held else ""
    over = purse.spent - purse.cap if purse.cap is not None else ZERO
    beyond = f" ({coins(over, places)} over)" if over > 0 else ""
    return f"{coins(spent, places)}{more}{waiting} of {limit(purse.cap)}{beyond}"


def _parts(purse: Purse) -> tuple[Decimal, Decimal]:
    places = _places(purse.cap)
    step = Decimal(1).scaleb(-places)
    spent = rounded(purse.spent, places)
    total = rounded(purse.spent + purse.held, places)
    if purse.cap is not None and total > purse.cap >= purse.spent + purse.held:
        total = purse.cap.quantize(step, rounding=ROUND_DOWN)
        spent = min(spent, total)
    return (purse.spent if spent == 0 else spent), max(ZERO, total - spent)


def _places(cap: Decimal | None) -> int:
    """Cents; four places where the cap itself is small or finer."""
    return 2 if cap is None or (cap >= 1 and cap == cap.quantize(Decimal("0.01"))) else 4


def _cells(amount: Decimal, *, at_least: bool) -> int:
    return max(int(amount.to_integral_value()), 1 if at_least else 0)


def _first(header: Header, width: int) -> Row:
    purse = header.purse
    is_wide = width >= TABS
    state = Span(_state(header), _state_ink(header), bold=True)
    money = money_words(purse) if is_wide else _short_money(purse)
    bar = budget_bar(purse, _BAR if width >= 140 else 12 if is_wide else 8)
    right = row(Span(money, _INKS[purse.standing] if purse.standing is not Standing.OK else Ink.TEXT), " ", *bar, " ")
    facts = f"  {_progress(header)}  {_workers(header)}  " if is_wide else f"  {header.done}/{header.total}  "
    name = f" RUN {header.epic or header.run}  "
    clock = f" {countdown(header.worked)}"
    room = width - cells(name) - cells(state.text) - cells(clock) - cells(facts) - sum(cells(s.text) for s in right) - 3
    if is_wide and room < cells(header.title):
        room += cells(facts)
        facts = f"  {_progress(header)}  "
        room -= cells(facts)
    title = shorten(header.title, max(8, room))
    return apart(row(Span(name, bold=True), f"{title}  ", state, clock, facts), right, width)


def _second(header: Header, width: int) -> Row:
    purse = header.purse
    word = Span(f" {purse.standing.value} ", _INKS[purse.standing], bold=True)
    if purse.words:
        return apart(row(Span(f" {purse.words}", Ink.BAD, bold=True)), row(word), width)
    if header.reason or header.hint or header.landed_on or header.state in _ENDED:
        landed = f"landed on {header.landed_on}" if header.landed_on else ""
        cost = f"{coins(purse.spent)} in all" if header.state in _ENDED else ""
        said = " · ".join(filter(None, (header.reason.replace("_", " "), landed, cost, header.hint)))
        return apart(row(Span(f" {said}", Ink.DIM)), row(word), width)
    parts = [f"burn {coins(purse.burn)}/min now"]
    if purse.average is not None:
        parts.append(f"{coins(purse.average)} avg")
    later = []
    if purse.to_cap is not None:
        later.append(
            f"at this rate cap in {_minutes(purse.to_cap)}" if width >= TABS else f"cap in {_minutes(purse.to_cap)}"
        )
    if purse.to_end is not None:
        later.append(f"plan needs ~{_minutes(purse.to_end)}")
    if purse.projection is not None:
        low, high = purse.projection.low, purse.projection.high
        later.append(f"{coins(low)}-{coins(high)} at the end")
    ink = Ink.TEXT if purse.standing is Standing.OK else _INKS[purse.standing]
    text = f" {', '.join(parts)}"
    return apart(row(text, Span(f" · {', '.join(later)}" if later else "", ink)), row(word), width)


def _one(header: Header, width: int) -> Row:
    spent = coins(_parts(header.purse)[0], _places(header.purse.cap))
    cap = f"/{limit(header.purse.cap).removeprefix('$').removesuffix('.00')}" if header.purse.cap is not None else ""
    name = str(header.epic or header.run).removeprefix("epic-").removeprefix("run-")
    right = row(Span(f"{spent}{cap}", _INKS[header.purse.standing]), " ")
    left = row(Span(f" {name} ", bold=True), Span(_state(header), _state_ink(header)), f" {header.done}/{header.total}")
    return apart(left, right, width)


def _state(header: Header) -> str:
    return header.purse.words.partition(":")[0] if header.purse.words else header.state


def _state_ink(header: Header) -> Ink:
    match header.state:
        case "completed":
            return Ink.OK
        case "failed" | "cancelled":
            return Ink.BAD
        case "awaiting approval":
            return Ink.ASK
        case _:
            return Ink.BAD if header.purse.standing is Standing.REACHED else Ink.TEXT


def _progress(header: Header) -> str:
    parts = [f"{header.done}/{header.total} done"]
    if header.in_review:
        parts.append(f"{header.in_review} in review")
    if header.failed:
        parts.append(f"{header.failed} failed")
    return ", ".join(parts)


def _workers(header: Header) -> str:
    return f"{header.at_work} of {plural(header.workers, 'worker')}"


def _short_money(purse: Purse) -> str:
    """`$1.82+0.37/5.00`."""
    spent, held = _parts(purse)
    places = _places(purse.cap)
    waiting = f"+{coins(held, places).removeprefix('$')}" if purse.held else ""
    cap = f"/{limit(purse.cap).removeprefix('$')}" if purse.cap is not None else ""
    return f"{coins(spent, places)}{waiting}{cap}"


def _minutes(gap: timedelta) -> str:
    minutes = round(gap.total_seconds() / 60)
    if minutes >= 600:
        return ">10 h"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 120 else f"{max(1, minutes)} min"


def too_small(width: int, height: int) -> list[Row]:
    """In place of everything where nothing would fit."""
    words = f"{width}x{height} is too small, 40x10 needed"
    lines = [fit((), width) for _ in range(max(0, (height - 1) // 2))]
    left = max(0, (width - cells(words)) // 2)
    return [*lines, fit(row(" " * left, words), width)]
