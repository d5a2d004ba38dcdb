"""The accounts a call is paid from, and the words that say how each is raised. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from equitr_coder.budget.estimate import rounded_up
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.runs import RunKind

_WARN_AT = Decimal("0.8")


@frozen
class Limits:
    """US dollars; None means no limit. `each_task` and `each_agent` hold for every task and every session alike."""

    run: Decimal | None
    kind: RunKind = RunKind.CHAT
    workflow: Decimal | None = None
    """Of a whole run of this kind; it holds beside the run's own."""
    each_task: Decimal | None = None
    each_agent: Decimal | None = None


@dataclass(eq=False)
class Node:
    """One account. `spent` is settled and charged money, `held` what open calls may still cost."""

    name: str
    """`run`, `workflow epic`, `task T1`, `agent T1.1`."""
    limit: Decimal | None
    key: str = ""
    """The configuration key of its limit; empty for the run, whose limit is raised with `resume --budget`."""
    spent: Decimal = ZERO
    held: Decimal = ZERO

    @property
    def is_nearly_empty(self) -> bool:
        return self.limit is not None and self.spent > 0 and self.spent >= self.limit * _WARN_AT

    def enough(self, needed: Decimal) -> Decimal | None:
        """The limit in whole cents that would let a call of `needed` through; None when there is room already."""
        if self.limit is None or self.spent + needed <= self.limit:
            return None
        return rounded_up(self.spent + needed, Decimal("0.01"))


def raising_hint(path: Sequence[Node], needed: Decimal) -> str:
    """The one command that raises every account of `path` that is too small for `needed`, and goes on."""
    short = [(node, usd) for node in path if (usd := node.enough(needed)) is not None]
    budget = "".join(f" --budget {usd}" for node, usd in short if not node.key)
    settings = "".join(f"{_variable(node.key)}={usd} " for node, usd in short if node.key)
    words = " and ".join(f"{node.name} at least ${usd}" for node, usd in short)
    keys = " and ".join(node.key for node, _ in short if node.key)
    permanently = f"; for good: {keys} in the configuration" if keys else ""
    return f"give {words} and go on: {settings}equitrcoder resume{budget}{permanently}"


def _variable(key: str) -> str:
    return f"EQUITR_{key.upper().replace('.', '__')}"
