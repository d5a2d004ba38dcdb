"""Where the money went: by model, and the dearest uses, from the ledger of a run or from its answer."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from equitr_coder.domain.money import ZERO, Usage
from equitr_coder.domain.queries import CostAnswer, CostRow
from equitr_coder.domain.run_view import LedgerRow, RunView
from equitr_coder.presentation.figures import dollars, limit, tokens
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, plural


def by_model(view: RunView) -> list[CostRow]:
    """Closed calls grouped by model, dearest first."""
    groups: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in view.ledger.values():
        if not row.is_open:
            groups[row.model].append(row)
    rows = [_sum(name, calls) for name, calls in groups.items()]
    return sorted(rows, key=lambda row: (-row.usd, row.name))


def dearest(view: RunView, count: int = 3) -> list[CostRow]:
    """The dearest (model, agent, purpose) groups; each row's name joins the three."""
    groups: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in view.ledger.values():
        if row.usd > ZERO:
            groups[f"{row.model} / {row.agent} / {row.purpose.value}"].append(row)
    rows = [_sum(name, calls) for name, calls in groups.items()]
    return sorted(rows, key=lambda row: (-row.usd, row.name))[:count]


def run_cost_lines(view: RunView) -> list[Line]:
    """Total against the budget, split by model, and the three dearest uses."""
    lines = [Line(_total(view.spent, view.held, view.options.budget))]
    lines += _rows(by_model(view))
    top = dearest(view)
    if len(top) > 1:
        lines.append(Line("Most expensive (model / agent / purpose)"))
        lines += [Line(text) for text in table([(dollars(row.usd), row.name) for row in top])]
    return lines


def cost_lines(answer: CostAnswer) -> list[Line]:
    """The whole breakdown: by model, agent, purpose and task."""
    lines = [Line(_total(answer.total, answer.held, answer.limit), Tone.STRONG)]
    groups = (("model", answer.by_model), ("agent", answer.by_agent))
    for name, rows in (*groups, ("purpose", answer.by_purpose), ("task", answer.by_task)):
        if rows:
            lines.append(Line(f"by {name}", Tone.DIM))
            lines += _rows(rows)
    return lines


def _total(spent: Decimal, held: Decimal, cap: Decimal | None) -> str:
    waiting = f" (and {dollars(held)} held)" if held else ""
    return f"Cost: {dollars(spent)}{waiting} of {limit(cap)}"


def _rows(rows: Iterable[CostRow]) -> list[Line]:
    cells = [
        (row.name, "unknown" if row.is_unpriced else dollars(row.usd), plural(row.calls, "call"), tokens(row.usage))
        for row in rows
    ]
    return [Line(text) for text in table(cells)]


def _sum(name: str, calls: Iterable[LedgerRow]) -> CostRow:
    usage, usd, count, is_unpriced = Usage(), ZERO, 0, False
    for call in calls:
        is_unpriced |= call.is_unpriced
        usage, usd, count = usage.plus(call.usage), usd + call.usd, count + 1
    return CostRow(name=name, calls=count, usage=usage, usd=usd, is_unpriced=is_unpriced)
