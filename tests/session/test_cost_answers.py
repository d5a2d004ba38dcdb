from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.errors import ModelErrorKind, UserError
from equitr_coder.domain.forecasts import CostRange, Forecast
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RunId, SessionId, TaskId, epic_id
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import UNPRICED, Price, Usage
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.ports import RunRow
from equitr_coder.session.answers import cost_answer, find_run, run_money

RATES = Price(input=Decimal(1), output=Decimal(3))
ONE = Decimal(1)
FORECAST = Forecast(tasks=(), total=CostRange(low=ONE, likely=ONE, high=ONE), past_tasks=0)
COMMIT = CommitId("c" * 40)


def at(day: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, day, 12, minute, tzinfo=UTC)


def run(number: int, *events: e.Event, day: int = 1) -> RunView:
    opening = e.RunStarted(
        kind=RunKind.EPIC,
        request="build\nmore",
        workspace="/w",
        options=RunOptions(budget=Decimal(5)),
        epic=EpicId(f"epic-00{number}"),
        user="me",
    )
    log = [event.model_copy(update={"run": RunId(f"run-{number}")}) for event in (opening, *events)]
    return fold(
        event.model_copy(update={"seq": seq, "at": event.at or at(day, seq)}) for seq, event in enumerate(log, start=1)
    )


def who(name: str, *, task: str | None = "T1", purpose: Purpose = Purpose.WORK) -> dict[str, Any]:
    return {
        "session": SessionId("s"),
        "agent": AgentName("worker"),
        "task": TaskId(task) if task else None,
        "call": CallId(name),
        "model": "weak",
        "tier": Tier.WEAK,
        "purpose": purpose,
    }


def reserved(name: str, **fields: Any) -> e.ModelCallReserved:
    return e.ModelCallReserved(**who(name, **fields), usd=Decimal("0.5"), input_bound=9, max_tokens=9)


def paid(name: str, usd: str, *, price: Price | None = RATES, **fields: Any) -> list[e.Event]:
    usage, source = Usage(input=10, output=1), "config" if price else UNPRICED
    settled = e.ModelCallSettled(
        **who(name, **fields),
        usage=usage,
        usd=Decimal(usd),
        price=price,
        price_source=source,
        provider="openai",
        latency_ms=7,
    )
    return [reserved(name, **fields), settled]


def test_a_ledger_row_has_user_workspace_run_task_agent_purpose_and_model() -> None:
    view = run(1, *paid("a", "0.1"))

    [row] = cost_answer([run_money(view)], is_one_run=True).calls

    assert (row.user, row.workspace, row.run, row.task, row.agent, row.purpose, row.model) == (
        "me", "/w", "run-1", "T1", "worker", Purpose.WORK, "weak",
    )  # fmt: skip
    assert (row.provider, row.tier, row.price, row.price_source, row.latency_ms) == (
        "openai", Tier.WEAK, RATES, "config", 7,
    )  # fmt: skip
    assert (row.at, row.ended, row.reserved, row.basis) == (at(1, 2), at(1, 3), Decimal("0.5"), "reported")


def test_settled_and_open_money_are_apart_and_lost_calls_are_charged() -> None:
    lost = e.ModelCallFailed(**who("b"), kind=ModelErrorKind.INTERRUPTED, message="", usd=Decimal("0.5"))
    view = run(1, *paid("a", "0.1"), reserved("b"), lost, reserved("c"))

    answer = cost_answer([run_money(view)], is_one_run=True)

    assert (answer.total, answer.held, answer.limit) == (Decimal("0.6"), Decimal("0.5"), Decimal(5))
    assert [row.basis for row in answer.calls] == ["reported", "reservation", "open"]
    assert [(row.usd, row.calls) for row in answer.by_model] == [(Decimal("0.6"), 2)]


def test_several_runs_are_one_list_in_time_with_tasks_named_by_epic() -> None:
    older, newer = run(1, *paid("a", "0.1")), run(2, *paid("b", "0.3"), *paid("c", "0.2", task=None), day=2)

    answer = cost_answer([run_money(newer), run_money(older)], is_one_run=False)

    assert [row.call for row in answer.calls] == ["a", "b", "c"]
    assert [(row.name, row.usd) for row in answer.by_task] == [
        ("epic-002/T1", Decimal("0.3")),
        ("-", Decimal("0.2")),
        ("epic-001/T1", Decimal("0.1")),
    ]
    assert [(row.name, row.calls) for row in answer.by_day] == [("2026-01-01", 1), ("2026-01-02", 2)]
    assert [(cost.epic, cost.usd, cost.title) for cost in answer.runs] == [
        ("epic-002", Decimal("0.5"), "build"),
        ("epic-001", Decimal("0.1"), "build"),
    ]
    assert answer.limit is None


def test_an_unpriced_call_is_marked_wherever_it_is_summed_up() -> None:
    answer = cost_answer([run_money(run(1, *paid("a", "0", price=None)))], is_one_run=True)

    assert answer.calls[0].is_unpriced
    assert answer.by_model[0].is_unpriced
    assert answer.runs[0].is_unpriced


def test_a_forecast_is_held_against_everything_but_planning_once_the_plan_is_approved() -> None:
    plan = Plan(title="Words", tasks=(Task(id=TaskId("T1"), title="t"),))
    submitted = e.PlanSubmitted(plan=plan, forecast=FORECAST)
    approved = e.PlanApproved(plan=plan, by="user", branch="b", base=COMMIT, commit=COMMIT)
    planning = paid("a", "0.3", task=None, purpose=Purpose.PLANNING)

    waiting = cost_answer([run_money(run(1, *planning, submitted))], is_one_run=True).runs[0]
    built = cost_answer([run_money(run(1, *planning, submitted, approved, *paid("b", "0.2")))], is_one_run=True).runs[0]

    assert waiting.forecast is None
    assert (built.forecast, built.built_for, built.usd) == (FORECAST, Decimal("0.2"), Decimal("0.5"))


def test_a_run_is_found_by_its_epic_its_id_and_an_unambiguous_beginning() -> None:
    rows = [
        RunRow(RunId(name), "/w", number, at(1))
        for name, number in (("run-abcd", 1), ("run-abxy", 12), ("run-q", None))
    ]

    assert [find_run(name, rows) for name in ("epic-012", "run-abxy", "run-abx", "abx", "q", "run-q")] == [
        "run-abxy", "run-abxy", "run-abxy", "run-abxy", "run-q", "run-q",
    ]  # fmt: skip
    assert find_run(epic_id(1), rows) == "run-abcd"
    for name, words in (
        ("ab", "beginning of 2 runs"),
        ("run", "beginning of 3 runs"),
        ("epic-002", "no run or epic"),
        ("", "no run or epic"),
    ):
        with pytest.raises(UserError, match=words):
            find_run(name, rows)
