"""The money of a run at work: what is spent and held of the cap, how fast, and where that ends."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.forecasts import tightest
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.run_view import LedgerRow, RunView
from equitr_coder.domain.runs import RunState
from equitr_coder.presentation.happenings import Happenings
from equitr_coder.presentation.text import plural

BURN = timedelta(seconds=60)
_NEAR = Decimal("0.9")
_WARNED = Decimal("0.8")
_FEWEST_DONE = 1


class Standing(StrEnum):
    OK = "ok"
    TIGHT = "tight"
    """The likely cost fits into the cap, the high one does not; or four fifths of it are gone."""
    OVER = "over the cap"
    """Not even the likely cost fits."""
    NEAR = "near the cap"
    """Nine tenths are spent or held."""
    REACHED = "budget reached"


@frozen
class Projection:
    """What the run will have cost at its end: what is spent, and what the forecast leaves for the tasks not done."""

    low: Decimal
    likely: Decimal
    high: Decimal


@frozen
class Purse:
    spent: Decimal
    held: Decimal
    cap: Decimal | None
    """None: no limit."""
    burn: Decimal
    """Dollars of the last 60 seconds."""
    average: Decimal | None
    """Dollars per minute at work; None in the first second."""
    to_cap: timedelta | None
    """Until the cap at the present burn; None when nothing burns, or there is no cap."""
    to_end: timedelta | None
    """Until the last task is done, as long as a task took on average; None before the first is done."""
    projection: Projection | None
    """None without a forecast."""
    standing: Standing
    words: str
    """At the cap: what stopped and what to do. Else empty."""
    is_unpriced: bool
    """Some calls have no known price: `spent` is less than the truth."""

    @property
    def free(self) -> Decimal | None:
        return None if self.cap is None else max(ZERO, self.cap - self.spent - self.held)


def purse_of(view: RunView, happenings: Happenings, now: datetime) -> Purse:
    spent, held = view.spent, view.held
    cap = tightest(view.options.budget, view.forecast.cap if view.forecast is not None else None)
    burn = burnt(view.ledger.values(), now)
    worked = happenings.worked(now).total_seconds()
    projection = _projection(view, spent)
    is_reached = view.state is RunState.PAUSED and view.reason is StopReason.BUDGET_EXCEEDED
    to_cap = None
    if cap is not None and burn > 0:
        to_cap = timedelta(minutes=float(max(ZERO, cap - spent) / burn))
    return Purse(
        spent=spent,
        held=held,
        cap=cap,
        burn=burn,
        average=spent * 60 / Decimal(str(worked)) if worked >= 1 else None,
        to_cap=to_cap,
        to_end=_to_end(view, happenings),
        projection=projection,
        standing=Standing.REACHED if is_reached else _standing(cap, spent + held, projection),
        words=_reached(view) if is_reached else "",
        is_unpriced=any(row.is_unpriced for row in view.ledger.values()),
    )


def burnt(rows: Iterable[LedgerRow], now: datetime) -> Decimal:
    """Dollars of the calls that ended in the 60 seconds before `now`."""
    begin = now - BURN
    return sum((row.usd for row in rows if row.ended is not None and begin < row.ended <= now), ZERO)


def by_minute(rows: Iterable[LedgerRow], now: datetime, minutes: int) -> tuple[Decimal, ...]:
    """Dollars of each of the last minutes, the present one last."""
    spent = [ZERO] * minutes
    for row in rows:
        if row.ended is None or row.ended > now:
            continue
        age = int((now - row.ended) / BURN)
        if age < minutes:
            spent[minutes - 1 - age] += row.usd
    return tuple(spent)


def _projection(view: RunView, spent: Decimal) -> Projection | None:
    if view.forecast is None:
        return None
    if view.state.is_final:
        return Projection(spent, spent, spent)
    low = likely = high = spent
    for foreseen in view.forecast.tasks:
        task = view.tasks.get(foreseen.task)
        if task is None or task.state.is_final:
            continue
        paid = sum((row.usd for row in view.ledger.values() if row.task == foreseen.task), ZERO)
        low += max(ZERO, foreseen.cost.low - paid)
        likely += max(ZERO, foreseen.cost.likely - paid)
        high += max(ZERO, foreseen.cost.high - paid)
    return Projection(low, likely, high)


def _to_end(view: RunView, happenings: Happenings) -> timedelta | None:
    """Mean time of the tasks done, times the tasks left, over the workers that share them."""
    metrics = happenings.metrics
    left = [task for task in view.tasks.values() if not task.state.is_final]
    if metrics is None or view.state is not RunState.RUNNING:
        return None
    took = [task.total for task in metrics.tasks if task.state is TaskState.DONE]
    if not left or len(took) < _FEWEST_DONE:
        return None
    gone = {task.task: task.total for task in metrics.tasks}
    mean = sum(took) / len(took)
    work = sum(max(0.0, mean - gone.get(task.id, 0.0)) for task in left)
    return timedelta(seconds=work / max(1, min(view.options.max_workers, len(left))))


def _standing(cap: Decimal | None, used: Decimal, projection: Projection | None) -> Standing:
    if cap is None:
        return Standing.OK
    if used >= cap * _NEAR:
        return Standing.NEAR
    if projection is not None and projection.likely > cap:
        return Standing.OVER
    is_tight = (projection is not None and projection.high > cap) or used >= cap * _WARNED
    return Standing.TIGHT if is_tight else Standing.OK


def _reached(view: RunView) -> str:
    stopped = sum(task.state in (TaskState.WORKING, TaskState.REVIEW) for task in view.tasks.values())
    who = f"{plural(stopped, 'worker')} stopped cleanly" if stopped else "the run stopped cleanly"
    return f"budget reached: {who}, nothing lost; b raises it"
