"""What a plan may cost, told before it is approved. Reads this workspace's log and the price book; asks no model.

From experience: what each finished task of past runs cost on its own account (attempts, answers, reviews; the reviews
multiplied where there are more reviewers now than there were, or fewer). Tasks done
by the same worker model count as they were billed; when there are only others, their tokens at today's prices. The
range of one task runs from the 10th to the 90th percentile; with fewer than nine past tasks, which cannot show an 80 %
range, it is widened by sqrt(9 / n), a rule of thumb. The total is simulated: a new epic is taken to be like one of the
past ones, with other tasks drawn from it.

The prior, while no past task is known: one attempt of n calls whose prompt grows. First prompt 4,900 tokens, 1,100 more
with each call, 260 tokens of answer: averages of the 28 worker calls of the product's own scripted demo. Low: 3 calls,
the fewest that an attempt takes there. High: all the calls one attempt may make (`orchestrator.max_iterations`),
nothing of them read from a cache. Likely: the geometric mean of the two. To it come the supervisor's answers (3,800
tokens in, 170 out; one for six tasks likely, `orchestrator.max_escalations` for each at most) and, where one is due, a
review (6,900 in, 105 out), again as in the demo: one for each reviewer, and one more at most where somebody else than
the vote decides between them.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import isqrt
from typing import Literal

from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.forecasts import CostRange, Forecast, TaskForecast, tightest
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.run_view import LedgerRow, RunView, fold
from equitr_coder.planning.size import is_critical
from equitr_coder.ports import EventSink, EventStore, PriceBook

ENOUGH_TASKS = 40
"""Past tasks of the same worker model that experience rests on, newest first; older ones say less."""
MOST_EVENTS = 2_000
"""Events that are read for it; bounds the time."""
_EIGHTY_PERCENT_FROM = 9
"""The least and the greatest of nine are the bounds of an 80 % range for the tenth, whatever the distribution."""
_SIMULATED = 400
_PLACES = Decimal("1E-8")

_FIRST_PROMPT, _GROWTH, _ANSWER = 4_900, 1_100, 260
_FEWEST_CALLS = 3
_ADVICE = Usage(input=3_800, output=170)
_ADVICE_SHARE = Decimal(1) / 6
_REVIEW = Usage(input=6_900, output=105)


@frozen
class PastTask:
    run: RunId
    usd: Decimal
    """At the prices of the models in force."""
    is_same_model: bool


class Forecaster:
    """Forecasts plans of one run."""

    def __init__(
        self,
        *,
        store: EventStore,
        prices: PriceBook,
        events: EventSink,
        workspace: str,
        max_escalations: int,
        cap: Decimal | None = None,
    ) -> None:
        """`cap` is a limit of the whole run beside its budget."""
        self._store = store
        self._prices = prices
        self._events = events
        self._workspace = workspace
        self._max_escalations = max_escalations
        self._cap = cap

    async def forecast(self, plan: Plan) -> Forecast | None:
        """None when nobody knows what the models in force cost."""
        view = self._events.view
        past = await self._past_tasks(view)
        made = from_experience(plan, past) if past else self._prior(plan, view)
        if made is None:
            return None
        limit = tightest(view.options.budget, self._cap)
        left = None if limit is None else limit - view.spent
        return made.model_copy(update={"left": left, "cap": self._cap})

    async def _past_tasks(self, view: RunView) -> Sequence[PastTask]:
        """Newest first; only those of the same worker model when there are any."""
        found: list[PastTask] = []
        read = same = 0
        for row in await self._store.runs(self._workspace):
            if row.epic_number is None or row.run == view.run:
                continue  # a chat has no tasks
            try:
                events = await self._store.read(row.run, transcripts=False)
            except UserError:
                continue  # damaged, or of a newer version: nothing can be learned from it
            found += self._tasks_of(fold(events), view)
            read, same = read + len(events), sum(task.is_same_model for task in found)
            if same >= ENOUGH_TASKS or read >= MOST_EVENTS:
                break
        chosen = [task for task in found if task.is_same_model] if same else found
        return chosen[:ENOUGH_TASKS]

    def _tasks_of(self, past: RunView, now: RunView) -> Iterable[PastTask]:
        worker = now.worker_model
        prices = self._tier_prices(now)
        known = {now.worker_model, now.supervisor_model}
        rows: dict[str, list[LedgerRow]] = {}
        for row in past.ledger.values():
            if row.task is not None and not row.is_open:
                rows.setdefault(row.task, []).append(row)
        for task in past.tasks.values():
            calls = rows.get(task.id, [])
            work = [row.model for row in calls if row.purpose is Purpose.WORK and row.failed is None]
            if task.state not in (TaskState.DONE, TaskState.FAILED) or not work:
                continue
            reviews = [row for row in calls if row.purpose is Purpose.REVIEW]
            usd = _todays_cost((row for row in calls if row.purpose is not Purpose.REVIEW), known, prices)
            judged = _todays_cost(reviews, known, prices)
            if usd is not None and judged is not None:
                usd += judged * now.options.panel.reviewers / past.options.panel.reviewers
                yield PastTask(past.run, usd, all(model == worker for model in work))

    def _tier_prices(self, view: RunView) -> Mapping[Tier, Price | None]:
        names = {Tier.STRONG: view.supervisor_model or view.worker_model, Tier.WEAK: view.worker_model}
        return {tier: self._prices.price(name) if name is not None else None for tier, name in names.items()}

    def _prior(self, plan: Plan, view: RunView) -> Forecast | None:
        prices = self._tier_prices(view)
        worker, supervisor = prices[Tier.WEAK], prices[Tier.STRONG]
        if worker is None or supervisor is None:
            return None
        work = _prior_work(worker, most_calls=max(view.options.max_iterations, _FEWEST_CALLS))
        advice, review = supervisor.cost(_ADVICE), supervisor.cost(_REVIEW)
        advised = CostRange(low=ZERO, likely=advice * _ADVICE_SHARE, high=advice * self._max_escalations)
        tasks = []
        for task in plan.tasks:
            parts = [work]
            if view.options.multi_agent:
                parts.append(advised)
                if _is_reviewed(task, plan, view.options.review):
                    panel = view.options.panel
                    each = review * panel.reviewers
                    decision = review if panel.is_panel and panel.policy != "vote" else ZERO
                    parts.append(CostRange(low=each, likely=each, high=each + decision))
            tasks.append(TaskForecast(task=task.id, cost=_rounded(_sum(parts)), past_tasks=0))
        return Forecast(tasks=tuple(tasks), total=_sum([task.cost for task in tasks]), past_tasks=0, basis="prior")


def from_experience(plan: Plan, past: Sequence[PastTask]) -> Forecast:
    """`past` is not empty, and of one kind."""
    count = len(past)
    each = _range([task.usd for task in past], count)
    total = each if len(plan.tasks) == 1 else _range(_simulated_totals(past, len(plan.tasks)), count)
    basis: Literal["same_model", "other_models"] = "same_model" if past[0].is_same_model else "other_models"
    return Forecast(
        tasks=tuple(TaskForecast(task=task.id, cost=each, past_tasks=count) for task in plan.tasks),
        total=total,
        past_tasks=count,
        basis=basis,
    )


def _todays_cost(
    calls: Iterable[LedgerRow], known: set[str | None], prices: Mapping[Tier, Price | None]
) -> Decimal | None:
    """As billed for models still in force, else their tokens at the price of who does that part now."""
    total = ZERO
    for row in calls:
        if row.model in known and not row.is_unpriced:
            total += row.usd
        elif (price := prices[row.tier]) is None:
            return None
        else:
            total += price.cost(row.usage)
    return total


def _simulated_totals(past: Sequence[PastTask], tasks: int) -> list[Decimal]:
    """What epics of so many tasks cost: each draws from one past run, chosen by how many tasks it had."""
    by_run: dict[RunId, list[Decimal]] = {}
    for task in past:
        by_run.setdefault(task.run, []).append(task.usd)
    dice = random.Random(len(past))  # noqa: S311 - seeded, so that the same history always tells the same
    return [
        sum(dice.choices(by_run[dice.choice(past).run], k=tasks), ZERO)  # a past epic, and tasks like its own
        for _ in range(_SIMULATED)
    ]


def _range(values: Iterable[Decimal], past_tasks: int) -> CostRange:
    ordered = sorted(values)
    widened = max(Decimal(1), Decimal(_EIGHTY_PERCENT_FROM) / past_tasks).sqrt()
    return _rounded(
        CostRange(
            low=_quantile(ordered, Decimal("0.1")) / widened,
            likely=_quantile(ordered, Decimal("0.5")),
            high=_quantile(ordered, Decimal("0.9")) * widened,
        )
    )


def _quantile(ordered: Sequence[Decimal], share: Decimal) -> Decimal:
    """At position `share * (n + 1)`: the chance that one more value lies below is `share`."""
    position = min(max(share * (len(ordered) + 1), Decimal(1)), Decimal(len(ordered))) - 1
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _prior_work(price: Price, *, most_calls: int) -> CostRange:
    likely = isqrt(_FEWEST_CALLS * most_calls)
    return CostRange(
        low=_attempt(price, _FEWEST_CALLS, is_cached=True),
        likely=_attempt(price, likely, is_cached=True),
        high=_attempt(price, most_calls, is_cached=False),
    )


def _attempt(price: Price, calls: int, *, is_cached: bool) -> Decimal:
    total = ZERO
    for number in range(calls):
        sent_before = _FIRST_PROMPT + _GROWTH * (number - 1) if number and is_cached else 0
        fresh = _FIRST_PROMPT + _GROWTH * number - sent_before
        total += price.cost(Usage(input=fresh, cache_read=sent_before, output=_ANSWER))
    return total


def _is_reviewed(task: Task, plan: Plan, mode: str) -> bool:
    is_awaited = any(point.producer == task.id for point in plan.sync_points)
    return mode == "all" or (mode == "critical" and (is_awaited or is_critical(task)))


def _sum(parts: Sequence[CostRange]) -> CostRange:
    """Bound by bound: what is unknown about one task is unknown about all of them alike."""
    return CostRange(
        low=sum((part.low for part in parts), ZERO),
        likely=sum((part.likely for part in parts), ZERO),
        high=sum((part.high for part in parts), ZERO),
    )


def _rounded(cost: CostRange) -> CostRange:
    return CostRange(
        low=cost.low.quantize(_PLACES), likely=cost.likely.quantize(_PLACES), high=cost.high.quantize(_PLACES)
    )
