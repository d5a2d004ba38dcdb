"""A higher limit, as it is typed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from equitr_coder.domain.commands import RaiseBudget, ResumeRun
from equitr_coder.domain.errors import UserError
from equitr_coder.presentation.figures import limit

if TYPE_CHECKING:
    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.followed import FollowedRun


def raise_budget(desk: Desk, run: FollowedRun, typed: str) -> None:
    """At once for a run that works here; one that is paused goes on with it."""
    desk.do(_raise(desk, run, typed))


async def _raise(desk: Desk, run: FollowedRun, typed: str) -> None:
    try:
        amount = Decimal(typed.strip().removeprefix("$"))
    except InvalidOperation as error:
        raise UserError(f"{typed!r} is no amount", hint="type dollars, such as 7.50") from error
    if not amount.is_finite() or amount <= 0:
        raise UserError(f"{typed!r} is no amount to spend", hint="type dollars, such as 7.50")
    now = run.view.options.budget
    if now is not None and amount <= now:
        raise UserError(f"the budget is {limit(now)} already", hint="a limit can be raised, not lowered")
    if run.is_live:
        await desk.api.submit(RaiseBudget(run=run.run, budget=amount))
    else:
        await desk.api.submit(ResumeRun(run=run.run, budget=amount))
        desk.go_on(run.run)
    desk.say(f"the budget is {limit(amount)} now")
