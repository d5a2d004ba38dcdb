"""Sums over ledger rows. Exact: a total equals the sum of its rows to the last digit."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from equitr_coder.domain.money import ZERO, Usage
from equitr_coder.domain.queries import CostRow, CostUse
from equitr_coder.domain.run_view import LedgerRow

_TOKEN_CLASSES = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")


def grouped(rows: Iterable[LedgerRow], key: Callable[[LedgerRow], str]) -> tuple[CostRow, ...]:
    """Dearest first; open reservations are not in it."""
    groups: dict[str, list[LedgerRow]] = {}
    for row in rows:
        if not row.is_open:
            groups.setdefault(key(row), []).append(row)
    made = [
        CostRow(
            name=name,
            calls=len(group),
            usage=sum_usage(row.usage for row in group),
            usd=sum((row.usd for row in group), ZERO),
            is_unpriced=any(row.is_unpriced for row in group),
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(made, key=lambda row: (-row.usd, row.name)))


def dearest_uses(rows: Iterable[LedgerRow], count: int) -> tuple[CostUse, ...]:
    """The dearest of all (model, agent, purpose); what cost nothing is not among them."""
    uses: dict[tuple[str, str, str], list[Decimal]] = {}
    for row in rows:
        if row.usd > ZERO:
            uses.setdefault((row.model, row.agent, row.purpose.value), []).append(row.usd)
    made = [
        CostUse(model=model, agent=agent, purpose=purpose, calls=len(paid), usd=sum(paid, ZERO))
        for (model, agent, purpose), paid in uses.items()
    ]
    return tuple(sorted(made, key=lambda use: (-use.usd, use.name))[:count])


def sum_usage(usages: Iterable[Usage]) -> Usage:
    """`Usage.plus` over many, in one pass."""
    sums = dict.fromkeys(_TOKEN_CLASSES, 0)
    estimated = False
    for usage in usages:
        estimated |= usage.estimated
        for name in _TOKEN_CLASSES:
            sums[name] += getattr(usage, name)
    return Usage(**sums, estimated=estimated)
