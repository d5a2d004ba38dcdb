"""What a plan may cost: a range for each task and for the whole, and what the range rests on."""

from decimal import Decimal
from typing import Literal

from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.value import Value


def tightest(*limits: Decimal | None) -> Decimal | None:
    """The least of the limits that there are."""
    return min((limit for limit in limits if limit is not None), default=None)


class CostRange(Value):
    """US dollars. `likely` is the median, `low` and `high` are the bounds of an 80 % range."""

    low: Decimal
    likely: Decimal
    high: Decimal

    def holds(self, usd: Decimal) -> bool:
        return self.low <= usd <= self.high


class TaskForecast(Value):
    task: TaskId
    cost: CostRange
    """Everything on the task's account: its attempts, the answers it gets and its reviews."""
    past_tasks: int
    """How many finished tasks of this workspace it rests on; 0: a prior, not experience."""


class Forecast(Value):
    """Made before approval. Planning itself is not in it: that is paid by then."""

    tasks: tuple[TaskForecast, ...]
    total: CostRange
    past_tasks: int
    """How many past tasks the total rests on; 0: a prior, not experience."""
    basis: Literal["same_model", "other_models", "prior"] = "prior"
    """`same_model`: what past tasks with this worker model cost. `other_models`: the tokens of past tasks with others,
    at the prices of the models in force. `prior`: no past task is known.
    """
    cap: Decimal | None = None
    """A limit that the whole run has beside its budget (`llm.limits.workflows`), when this was made."""
    left: Decimal | None = None
    """What the budget had left when this was made; None without a limit."""

    @property
    def verdict(self) -> str:
        """Whether the budget will do: `enough`, `tight` (the likely cost fits, the high one does not), `short`, or
        `unlimited`.
        """
        if self.left is None:
            return "unlimited"
        if self.total.high <= self.left:
            return "enough"
        return "tight" if self.total.likely <= self.left else "short"
