"""Mode, models, money and what waits, in the words of the status rows. Needs the engine's values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.domain.money import ZERO
from equitr_coder.domain.runs import RunKind
from equitr_coder.presentation.figures import limit
from equitr_coder.presentation.rows import Ink, Row, Span, row

if TYPE_CHECKING:
    from decimal import Decimal

    from equitr_coder.tui.desk import Desk

_NEAR = 8  # tenths of the limit


def models_row(desk: Desk, width: int) -> Row:
    """Both models; too narrow for it, without their providers."""
    view = desk.run.view if desk.run is not None else None
    models = desk.mode.models
    if view is not None and view.kind is not RunKind.CHAT and view.supervisor_model:
        models = (f"supervisor {view.supervisor_model}", f"worker {view.worker_model or 'none'}")
    words = "   ".join(models)
    if len(words) > width // 2:
        short = (f"{role} {name.rsplit('/', 1)[-1]}" for role, _, name in (model.partition(" ") for model in models))
        words = "  ".join(short)
    return row(words, " ")


def money_row(desk: Desk) -> Row:
    """`$1.82 + $0.37 held of $5.00`."""
    view = desk.run.view if desk.run is not None else None
    spent, held = (view.spent, view.held) if view is not None else (ZERO, ZERO)
    cap = view.options.budget if view is not None else desk.mode.setup.budget
    waiting = f" + {cents(held)} held" if held else ""
    ink = Ink.TEXT
    if cap is not None and spent >= cap:
        ink = Ink.BAD
    elif cap is not None and spent * 10 >= cap * _NEAR:
        ink = Ink.ASK
    return row(Span(f"{cents(spent)}{waiting} of {limit(cap)}", ink), " ")


def cents(amount: Decimal) -> str:
    """Two decimals where that says something, four where it would say nothing."""
    if amount and amount < 1:
        return f"${amount:.4f}"
    return f"${amount:.2f}"


def needs(desk: Desk, width: int) -> Row:
    from equitr_coder.tui.draw.needs import needs_row
    from equitr_coder.tui.waiting import waiting_of

    return needs_row([one.ask for one in waiting_of(desk)], width)


def addressee(desk: Desk) -> str:
    """Whom the next words go to."""
    run = desk.run
    if run is not None and run.is_live:
        if run.view.questions:
            return "your answer"
        if run.view.tasks and desk.selected_task is not None:
            return f"to: {desk.selected_task}"
        return "to: supervisor" if run.view.kind is not RunKind.CHAT else "to: agent, next"
    return desk.mode.name


def limits(desk: Desk) -> str:
    cap = desk.mode.setup.budget
    return f"cap {limit(cap)}"
