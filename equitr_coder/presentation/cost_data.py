"""`equitrcoder cost` for programs: one JSON object, or CSV with a line per call. Money exact, times ISO 8601 in UTC."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import CostAnswer, CostRow, CostUse, RunCost
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.presentation.cost_forecast import forecast_data
from equitr_coder.presentation.cost_report import GROUPS, group
from equitr_coder.presentation.figures import exact

_SHARE = Decimal("0.0001")
_RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
_TOKENS = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
UNKNOWN = "unknown"
COLUMNS = (
    *("user", "workspace", "run", "task", "agent", "purpose", "session", "call", "provider", "model", "tier"),
    *("status", "failure", "reserved_at", "ended_at", "latency_ms"),
    *(f"tokens_{name}" for name in _TOKENS),
    "cache_share",
    *(f"price_{name}" for name in _RATES),
    *("price_source", "reserved", "usd", "basis", "provider_usd", "overshoot"),
)
"""Of the CSV. Money in US dollars, prices per million tokens."""


def cost_data(answer: CostAnswer, *, by: str | None = None) -> dict[str, Any]:
    """`rows` has every group, or the one asked for; each group's sums make the total."""
    return {
        "total": exact(answer.total),
        "unreadable": list(answer.unreadable),
        "held": exact(answer.held),
        "limit": exact(answer.limit) if answer.limit is not None else None,
        "overshoot": exact(sum((row.overshoot for row in answer.calls), ZERO)),
        "unpriced_calls": sum(row.is_unpriced for row in answer.calls),
        "open_calls": sum(row.is_open for row in answer.calls),
        "by": by,
        "rows": {name: [_row(row) for row in group(answer, name)] for name in GROUPS if by in (None, name)},
        "top": [use_data(use) for use in answer.top],
        "runs": [_run(run) for run in answer.runs],
        "calls": [_call(row) for row in answer.calls],
    }


def use_data(use: CostUse) -> dict[str, Any]:
    return {
        "model": use.model,
        "agent": use.agent,
        "purpose": use.purpose,
        "calls": use.calls,
        "usd": exact(use.usd),
    }


def calls_csv(calls: Sequence[LedgerRow]) -> str:
    """A header and one line per call; what does not apply is empty, an unknown cost says so."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in calls:
        flat = _flat(_call(row))
        writer.writerow([flat[name] for name in COLUMNS])
    return out.getvalue()


def instant(at: datetime | None) -> str | None:
    """`2026-11-21T08:41:32.123456Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None


def _row(row: CostRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "usd": exact(row.usd),
        "unpriced": row.is_unpriced,
        "calls": row.calls,
        **{name: getattr(row.usage, name) for name in _TOKENS},
        "cache_share": exact(row.usage.cache_share.quantize(_SHARE)),
        "estimated": row.usage.estimated,
    }


def _run(run: RunCost) -> dict[str, Any]:
    return {
        "run": run.run,
        "epic": run.epic,
        "title": run.title,
        "kind": run.kind.value,
        "status": run.state.value,
        "started": instant(run.started),
        "usd": exact(run.usd),
        "unpriced": run.is_unpriced,
        "held": exact(run.held),
        "limit": exact(run.limit) if run.limit is not None else None,
        "calls": run.calls,
        "forecast": forecast_data(run.forecast),
    }


def _call(row: LedgerRow) -> dict[str, Any]:
    usage, rates = row.usage, row.price
    is_unknown = row.is_unpriced and not row.is_open
    return {
        "user": row.user,
        "workspace": row.workspace,
        "run": row.run,
        "task": row.task,
        "agent": row.agent,
        "purpose": row.purpose.value,
        "session": row.session,
        "call": row.call,
        "provider": row.provider or None,
        "model": row.model,
        "tier": row.tier.value,
        "status": "open" if row.is_open else "failed" if row.failed is not None else "settled",
        "failure": row.failed.value if row.failed is not None else None,
        "reserved_at": instant(row.at),
        "ended_at": instant(row.ended),
        "latency_ms": row.latency_ms if not row.is_open and row.failed is None else None,
        "tokens": {name: getattr(usage, name) for name in _TOKENS},
        "cache_share": exact(usage.cache_share.quantize(_SHARE)),
        "price": {name: _exact(getattr(rates, name)) if rates is not None else None for name in _RATES},
        "price_source": row.price_source or None,
        "reserved": exact(row.reserved),
        "usd": None if row.is_open or is_unknown else exact(row.usd),
        "unpriced": is_unknown,
        "basis": row.basis,
        "provider_usd": _exact(usage.reported_usd),
        "overshoot": exact(row.overshoot),
    }


def _flat(call: dict[str, Any]) -> dict[str, Any]:
    """One level: `tokens_input`, `price_output`; amounts are named by their unit."""
    flat: dict[str, Any] = {}
    for name, value in call.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{part}": inner for part, inner in value.items()}
        elif name == "usd":
            flat["usd"] = UNKNOWN if call["unpriced"] else value
        elif name != "unpriced":
            flat[name] = value
    return flat


def _exact(amount: Decimal | None) -> str | None:
    return exact(amount) if amount is not None else None
