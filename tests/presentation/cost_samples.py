"""Ledgers for the cost tests: calls with round figures, and the answer that sums them up."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from equitr_coder.domain.costs import dearest_uses, grouped
from equitr_coder.domain.forecasts import CostRange, Forecast, TaskForecast
from equitr_coder.domain.ids import AgentName, CallId, EpicId, RunId, SessionId, TaskId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.queries import CostAnswer, RunCost
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.domain.runs import RunKind, RunState

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = RunId("run-7k2m9x4q")
RATES = Price(input=Decimal(1), output=Decimal(3), cache_read=Decimal("0.1"))


def row(number: int, usd: str = "0.01", **fields: Any) -> LedgerRow:
    """A settled call; call `number` is paid so many minutes after the first."""
    at = BEGIN + timedelta(minutes=number)
    given: dict[str, Any] = {
        "model": "stub/weak",
        "agent": AgentName("worker"),
        "task": TaskId("T1"),
        "purpose": Purpose.WORK,
        "tier": Tier.WEAK,
        "reserved": Decimal("0.05"),
        "usd": Decimal(usd),
        "usage": Usage(input=1000, cache_read=3000, output=200, reasoning=50),
        "is_open": False,
        "latency_ms": 1200,
        "provider": "openai",
        "price": RATES,
        "price_source": "config llm.prices",
        "at": at,
        "ended": at + timedelta(seconds=2),
        "run": RUN,
        "workspace": "/home/me/shop",
        "user": "me",
    }
    return LedgerRow(call=CallId(f"call-{number}"), session=SessionId("T1.1"), **given | fields)


def open_row(number: int, **fields: Any) -> LedgerRow:
    left: dict[str, Any] = {"is_open": True, "usage": Usage(), "price": None, "price_source": "", "ended": None}
    return row(number, "0", **left | {"provider": "", "latency_ms": 0} | fields)


def answer(
    rows: Iterable[LedgerRow], *, is_one_run: bool = True, limit: str | None = "10", **fields: Any
) -> CostAnswer:
    calls = tuple(rows)
    total = sum((call.usd for call in calls), ZERO)
    held = sum((call.reserved for call in calls if call.is_open), ZERO)
    cap = Decimal(limit) if limit is not None else None
    return CostAnswer(
        total=total,
        held=held,
        limit=cap if is_one_run else None,
        by_model=grouped(calls, lambda call: call.model),
        by_agent=grouped(calls, lambda call: call.agent),
        by_purpose=grouped(calls, lambda call: call.purpose.value),
        by_task=grouped(calls, lambda call: call.task or "-"),
        by_day=grouped(calls, lambda call: f"{call.ended:%Y-%m-%d}"),
        top=dearest_uses(calls, 3),
        runs=fields.pop("runs", (run_cost(usd=total, held=held, limit=cap, calls=len(calls)),)),
        calls=calls,
        is_one_run=is_one_run,
    )


def run_cost(**fields: Any) -> RunCost:
    given: dict[str, Any] = {
        "run": RUN,
        "epic": EpicId("epic-001"),
        "title": "Shop",
        "kind": RunKind.EPIC,
        "state": RunState.COMPLETED,
        "started": BEGIN,
        "usd": ZERO,
        "held": ZERO,
        "limit": None,
        "calls": 0,
    }
    return RunCost(**given | fields)


def forecast(low: str, likely: str, high: str, *, tasks: int = 2, **fields: Any) -> Forecast:
    """`low`, `likely` and `high` of the total; every task has the same part of it."""
    total = CostRange(low=Decimal(low), likely=Decimal(likely), high=Decimal(high))
    each = CostRange(low=total.low / tasks, likely=total.likely / tasks, high=total.high / tasks)
    given: dict[str, Any] = {"past_tasks": 6, "basis": "same_model"} | fields
    parts = tuple(
        TaskForecast(task=TaskId(f"T{number}"), cost=each, past_tasks=given["past_tasks"])
        for number in range(1, tasks + 1)
    )
    return Forecast(tasks=parts, total=total, **given)
