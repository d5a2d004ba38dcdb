from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, SyncPoint, Task, TaskState
from equitr_coder.domain.forecasts import CostRange, Forecast
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RunId, SessionId, TaskId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.panel import EscalationPolicy, PanelRules
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.planning.forecast import ENOUGH_TASKS, Forecaster, PastTask, from_experience
from equitr_coder.testing.money import FixedPrices
from tests.waiting import waiting

WORKSPACE = "/w"
STRONG = Price(input=Decimal(10), output=Decimal(30))
WEAK = Price(input=Decimal(1), output=Decimal(3))
CACHING = Price(input=Decimal(1), output=Decimal(3), cache_read=Decimal("0.1"))
DONE = TaskState.DONE
NOTHING = Usage()


def plan_of(count: int, **fields: Any) -> Plan:
    tasks = tuple(Task(id=TaskId(f"T{number}"), title="Build", **fields) for number in range(1, count + 1))
    return Plan(title="Words", tasks=tasks)


class CountingStore(SqliteStore):
    """Remembers which runs were read, and that no transcript was."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.opened: list[str] = []

    async def read(self, run: RunId, *, after: int = 0, transcripts: bool = True) -> Sequence[e.Event]:
        assert not transcripts
        self.opened.append(run)
        return await super().read(run, after=after, transcripts=transcripts)


@dataclass
class Sink:
    view: RunView

    async def record(self, *events: e.Event) -> None:
        raise AssertionError("a forecast records nothing")

    def note(self, *events: e.Event) -> None:
        raise AssertionError("a forecast records nothing")

    async def flush(self) -> None:
        raise AssertionError("a forecast records nothing")

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        raise AssertionError("a forecast shows nothing")


@dataclass
class Desk:
    store: CountingStore
    runs: int = 0
    prices: dict[str, Price] = field(default_factory=lambda: {"strong": STRONG, "weak": WEAK})

    async def chat(self) -> None:
        self.runs += 1
        await self.store.create_run(RunId(f"run-chat{self.runs}"), WORKSPACE, with_epic=False)

    async def past(
        self,
        *usd: str,
        model: str = "weak",
        state: TaskState = DONE,
        usage: Usage = NOTHING,
        workspace: str = WORKSPACE,
        reviews: str = "",
        reviewers: int = 1,
    ) -> None:
        """A run with a task for each amount; `reviews` is what those of each task cost together."""
        self.runs += 1
        run = RunId(f"run-{self.runs:06d}")
        await self.store.create_run(run, workspace, with_epic=True)
        plan = plan_of(len(usd))
        commit = CommitId("c" * 40)
        log: list[e.Event] = [
            e.RunStarted(
                kind=RunKind.EPIC,
                request="r",
                workspace=workspace,
                options=RunOptions(panel=PanelRules(reviewers=reviewers)),
                worker_model=model,
            ),
            e.PlanApproved(plan=plan, by="user", branch="b", base=commit, commit=commit),
        ]
        for task, amount in zip(plan.tasks, usd, strict=True):
            log += _call(run, task.id, model, amount, usage)
            if reviews:
                log += _call(run, task.id, "strong", reviews, NOTHING, Purpose.REVIEW)
            log.append(e.TaskChanged(task=task.id, state=state))
        stamped = [event.model_copy(update={"seq": seq, "run": run}) for seq, event in enumerate(log, start=1)]
        await self.store.append(waiting(stamped))

    async def forecast(self, plan: Plan, **changes: Any) -> Forecast | None:
        options = RunOptions(
            **{"multi_agent": False, "review": "none", "max_iterations": 16} | changes.pop("options", {})
        )
        view = RunView(run=RunId("run-now"), options=options, worker_model="weak", supervisor_model="strong")
        cap = changes.pop("cap", None)
        for name, value in changes.items():
            setattr(view, name, value)
        forecaster = Forecaster(
            store=self.store,
            prices=FixedPrices(self.prices),
            events=Sink(view),
            workspace=WORKSPACE,
            max_escalations=3,
            cap=cap,
        )
        return await forecaster.forecast(plan)


def _call(run: str, task: TaskId, model: str, usd: str, usage: Usage, purpose: Purpose = Purpose.WORK) -> list[e.Event]:
    common: dict[str, Any] = {
        "session": SessionId(f"{task}.1"),
        "agent": AgentName("worker"),
        "task": task,
        "call": CallId(f"{run}-{task}-{purpose}"),
        "model": model,
        "tier": Tier.WEAK,
        "purpose": purpose,
    }
    return [
        e.ModelCallReserved(**common, usd=Decimal(9), input_bound=1, max_tokens=1),
        e.ModelCallSettled(**common, usage=usage, usd=Decimal(usd)),
    ]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = CountingStore(tmp_path)
    yield Desk(store)
    await store.close()


def amounts(cost: CostRange) -> tuple[Decimal, Decimal, Decimal]:
    return (cost.low, cost.likely, cost.high)


async def made(waiting: Any) -> Forecast:
    forecast = await waiting
    assert isinstance(forecast, Forecast)
    return forecast


async def test_without_a_past_task_it_is_a_prior_from_the_prices(desk: Desk) -> None:
    forecast = await made(desk.forecast(plan_of(2)))

    # 3, 6 and 16 calls of 4,900 tokens and 1,100 more each time, 260 tokens of output each, at $1 and $3 a million
    one = (Decimal("0.02034"), Decimal("0.05058"), Decimal("0.22288"))
    assert [amounts(task.cost) for task in forecast.tasks] == [one, one]
    assert amounts(forecast.total) == tuple(2 * amount for amount in one)
    assert (forecast.basis, forecast.past_tasks) == ("prior", 0)


async def test_the_prior_reads_earlier_turns_from_the_cache_but_for_the_high_bound(desk: Desk) -> None:
    desk.prices["weak"] = CACHING

    forecast = await made(desk.forecast(plan_of(1)))

    # low: 7,100 fresh tokens, 10,900 cached ones at a tenth, 780 of output
    assert forecast.total.low == Decimal("0.0071") + Decimal("0.00109") + Decimal("0.00234")
    assert forecast.total.high == Decimal("0.22288")


async def test_the_prior_of_a_supervised_run_holds_answers_and_the_reviews_that_are_due(desk: Desk) -> None:
    plain, critical = plan_of(1), plan_of(1, critical=True)
    awaited = plain.model_copy(update={"sync_points": (SyncPoint(id="s", producer=TaskId("T1")),)})
    options = {"multi_agent": True, "review": "critical"}
    answer, review = STRONG.cost(Usage(input=3800, output=170)), STRONG.cost(Usage(input=6900, output=105))

    alone = await made(desk.forecast(plain))
    supervised = await made(desk.forecast(plain, options=options))

    assert supervised.total.low == alone.total.low
    assert supervised.total.high == alone.total.high + 3 * answer
    for plan in (critical, awaited):
        reviewed = await made(desk.forecast(plan, options=options))
        assert reviewed.total.low == alone.total.low + review
        assert reviewed.total.high == supervised.total.high + review


@pytest.mark.parametrize(("policy", "most"), [("vote", 3), ("coordinator", 4), ("on_disagreement", 4)])
async def test_the_prior_counts_each_reviewer_and_whoever_decides_between_them(
    desk: Desk, policy: EscalationPolicy, most: int
) -> None:
    plan, review = plan_of(1), STRONG.cost(Usage(input=6900, output=105))

    one = await made(desk.forecast(plan, options={"multi_agent": True, "review": "none"}))
    panel = PanelRules(reviewers=3, policy=policy)
    three = await made(desk.forecast(plan, options={"multi_agent": True, "review": "all", "panel": panel}))

    assert three.total.low == one.total.low + 3 * review
    assert three.total.likely == one.total.likely + 3 * review
    assert three.total.high == one.total.high + most * review


@pytest.mark.parametrize(("then", "now", "usd"), [(1, 1, "1.50"), (1, 3, "2.50"), (2, 1, "1.25"), (3, 3, "1.50")])
async def test_reviews_of_past_tasks_count_for_as_many_reviewers_as_there_are_now(
    desk: Desk, then: int, now: int, usd: str
) -> None:
    await desk.past(*["1"] * 9, reviews="0.50", reviewers=then)

    forecast = await made(desk.forecast(plan_of(1), options={"panel": PanelRules(reviewers=now)}))

    assert forecast.total.likely == Decimal(usd)


async def test_models_without_a_price_cannot_be_forecast(desk: Desk) -> None:
    del desk.prices["weak"]

    assert await desk.forecast(plan_of(2)) is None


async def test_finished_tasks_of_this_workspace_make_the_range(desk: Desk) -> None:
    await desk.past("1", "3", "5", "7", "9")
    await desk.past("2", "4", "6", "8", "10")

    forecast = await made(desk.forecast(plan_of(1)))

    assert amounts(forecast.total) == (Decimal("1.1"), Decimal("5.5"), Decimal("9.9"))
    assert amounts(forecast.tasks[0].cost) == amounts(forecast.total)
    assert (forecast.basis, forecast.past_tasks, forecast.tasks[0].past_tasks) == ("same_model", 10, 10)


async def test_few_past_tasks_make_a_wider_range(desk: Desk) -> None:
    await desk.past("0.6")

    forecast = await made(desk.forecast(plan_of(1)))

    assert amounts(forecast.total) == (Decimal("0.2"), Decimal("0.6"), Decimal("1.8"))


async def test_with_other_models_alone_their_tokens_count_at_todays_prices(desk: Desk) -> None:
    await desk.past("77", "77", model="old", usage=Usage(input=100_000, output=10_000))

    forecast = await made(desk.forecast(plan_of(1)))

    assert forecast.total.likely == Decimal("0.13")
    assert (forecast.basis, forecast.past_tasks) == ("other_models", 2)


async def test_tasks_of_the_same_worker_model_alone_count_where_there_are_some(desk: Desk) -> None:
    await desk.past("2")
    await desk.past("77", model="old", usage=Usage(input=100_000))

    forecast = await made(desk.forecast(plan_of(1)))

    assert (forecast.total.likely, forecast.basis, forecast.past_tasks) == (Decimal(2), "same_model", 1)


async def test_failed_tasks_count_and_unfinished_ones_and_other_workspaces_do_not(desk: Desk) -> None:
    await desk.past("1")
    await desk.past("3", state=TaskState.FAILED)
    await desk.past("50", state=TaskState.WORKING)
    await desk.past("60", workspace="/elsewhere")

    forecast = await made(desk.forecast(plan_of(1)))

    assert (forecast.total.likely, forecast.past_tasks) == (Decimal(2), 2)


async def test_it_opens_no_chat_and_stops_at_enough_tasks_newest_first(desk: Desk) -> None:
    await desk.past("9")
    for _ in range(ENOUGH_TASKS // 2):
        await desk.chat()
        await desk.past("1", "1")

    forecast = await made(desk.forecast(plan_of(3)))

    assert len(desk.store.opened) == ENOUGH_TASKS // 2
    assert not [run for run in desk.store.opened if "chat" in run]
    assert amounts(forecast.total) == (Decimal(3), Decimal(3), Decimal(3))


async def test_an_epic_is_taken_to_be_like_one_of_the_past_ones(desk: Desk) -> None:
    await desk.past(*["1"] * 6)
    await desk.past(*["10"] * 6)

    forecast = await made(desk.forecast(plan_of(4)))

    assert (forecast.total.low, forecast.total.high) == (Decimal(4), Decimal(40))


@pytest.mark.parametrize(
    ("budget", "spent", "verdict"),
    [(None, "0", "unlimited"), ("12", "2", "enough"), ("10", "2", "tight"), ("8", "4", "short")],
)
async def test_the_verdict_compares_it_with_what_the_budget_has_left(
    desk: Desk, budget: str | None, spent: str, verdict: str
) -> None:
    await desk.past("1", "3", "5", "7", "9")
    await desk.past("2", "4", "6", "8", "10")
    paid = [
        event.model_copy(update={"task": None, "purpose": Purpose.PLANNING})
        for event in _call("now", TaskId("T1"), "strong", spent, Usage())
    ]
    view = RunView(run=RunId("run-now"))
    for event in paid:
        apply(view, event)

    forecast = await made(
        desk.forecast(plan_of(1), options={"budget": None if budget is None else Decimal(budget)}, ledger=view.ledger)
    )

    assert forecast.left == (None if budget is None else Decimal(budget) - Decimal(spent))
    assert forecast.verdict == verdict


@pytest.mark.parametrize(
    ("budget", "cap", "left", "verdict"),
    [("100", "8", "8", "tight"), ("4", "8", "4", "short"), (None, "3", "3", "short"), ("100", None, "100", "enough")],
)
async def test_a_limit_of_the_kind_of_run_counts_as_its_budget_does(
    desk: Desk, budget: str | None, cap: str | None, left: str, verdict: str
) -> None:
    await desk.past("1", "3", "5", "7", "9")
    await desk.past("2", "4", "6", "8", "10")

    forecast = await made(
        desk.forecast(
            plan_of(1),
            options={"budget": None if budget is None else Decimal(budget)},
            cap=None if cap is None else Decimal(cap),
        )
    )

    assert (forecast.left, forecast.verdict) == (Decimal(left), verdict)


USD = st.decimals(min_value=0, max_value=100, places=4)
PAST = st.lists(
    st.builds(PastTask, run=st.sampled_from([RunId("a"), RunId("b")]), usd=USD, is_same_model=st.just(True)),
    min_size=1,
    max_size=30,
)


@given(past=PAST, tasks=st.integers(min_value=1, max_value=9))
def test_ranges_are_in_order_reproducible_and_within_what_was_seen(past: list[PastTask], tasks: int) -> None:
    forecast = from_experience(plan_of(tasks), past)

    each, total = forecast.tasks[0].cost, forecast.total
    least, most = min(task.usd for task in past), max(task.usd for task in past)
    slack = Decimal("1E-7")
    for cost, count in ((each, 1), (total, tasks)):
        assert cost.low <= cost.likely <= cost.high
        assert least * count / 3 - slack <= cost.low
        assert least * count - slack <= cost.likely <= most * count + slack
        assert cost.high <= most * count * 3 + slack
    assert from_experience(plan_of(tasks), past) == forecast
