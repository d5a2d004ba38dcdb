"""Where the money went: by model, and the dearest uses, from the ledger of a run or from its answer."""

from collections.abc import Iterable
from decimal import Decimal

from equitr_coder.domain.costs import dearest_uses, grouped
from equitr_coder.domain.queries import CostAnswer, CostRow, CostUse
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.figures import amount, dollars, limit, tokens
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, plural


def by_model(view: RunView) -> list[CostRow]:
    """Closed calls grouped by model, dearest first."""
    return list(grouped(view.ledger.values(), lambda row: row.model))


def dearest(view: RunView, count: int = 3) -> list[CostUse]:
    """The dearest uses: which model, which agent, what for."""
    return list(dearest_uses(view.ledger.values(), count))


def run_cost_lines(view: RunView) -> list[Line]:
    """Total against the budget, split by model, and the three dearest uses."""
    rows = by_model(view)
    lines = [Line(_total(view.spent, view.held, view.options.budget, rows)), *_rows(rows)]
    top = dearest(view)
    if len(top) > 1:
        lines.append(Line("Most expensive (model / agent / purpose)"))
        lines += [Line(text) for text in table([(dollars(row.usd), row.name) for row in top])]
    return lines


def cost_lines(answer: CostAnswer) -> list[Line]:
    """The whole breakdown: by model, agent, purpose and task."""
    lines = [Line(_total(answer.total, answer.held, answer.limit, answer.by_model), Tone.STRONG)]
    groups = (("model", answer.by_model), ("agent", answer.by_agent))
    for name, rows in (*groups, ("purpose", answer.by_purpose), ("task", answer.by_task)):
        if rows:
            lines.append(Line(f"by {name}", Tone.DIM))
            lines += _rows(rows)
    return lines


def _total(spent: Decimal, held: Decimal, cap: Decimal | None, rows: Iterable[CostRow]) -> str:
    waiting = f" (and {dollars(held)} held)" if held else ""
    shown = amount(spent, is_unpriced=any(row.is_unpriced for row in rows))
    return f"Cost: {shown}{waiting} of {limit(cap)}"


def _rows(rows: Iterable[CostRow]) -> list[Line]:
    cells = [
        (row.name, "unknown" if row.is_unpriced else dollars(row.usd), plural(row.calls, "call"), tokens(row.usage))
        for row in rows
    ]
    return [Line(text) for text in table(cells)]
