from dataclasses import replace
from decimal import Decimal

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import CommitId, EpicId, TaskId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.presentation.cost_forecast import forecast_lines, forecasts_data, forecasts_lines, outcome_of
from equitr_coder.presentation.listings import epic_lines
from equitr_coder.presentation.outcome import epic_status, outcome
from equitr_coder.presentation.plan import plan_lines
from equitr_coder.presentation.text import cells
from tests.presentation.cost_samples import forecast, run_cost
from tests.presentation.test_outcome import priced

PLAN = Plan(title="Two", tasks=(Task(id=TaskId("T1"), title="a"), Task(id=TaskId("T2"), title="b")))
FORECAST = forecast("0.5", "1", "2", left=Decimal("9.97"))


def waiting(*, budget: str | None = "10", is_approved: bool = False, spent: str = "0.03") -> RunView:
    options = RunOptions(budget=None if budget is None else Decimal(budget))
    commit = CommitId("c" * 40)
    view = fold(
        [
            e.RunStarted(kind=RunKind.EPIC, request="r", workspace="/w", options=options, epic=EpicId("epic-001")),
            *priced(1, "m", "planner", spent),
            e.PlanSubmitted(plan=PLAN, forecast=FORECAST),
        ]
    )
    for row in list(view.ledger.values()):
        view.ledger[row.call] = replace(row, purpose=Purpose.PLANNING)
    if is_approved:
        fold([e.PlanApproved(plan=PLAN, by="user", branch="b", base=commit, commit=commit)], view)
        fold(priced(2, "m", "worker", "0.4"), view)
    return view


def test_a_forecast_says_its_range_its_basis_and_whether_the_budget_will_do() -> None:
    assert [line.text for line in forecast_lines(FORECAST)] == [
        "Forecast: $0.5000 to $2.0000, likely $1.0000; rests on 6 past tasks of this workspace",
        "  each of T1, T2: $0.2500 to $1.0000, likely $0.5000",
        "Budget: $9.9700 left, enough",
    ]


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (None, "Budget: there is no limit"),
        ("2", "Budget: $2.0000 left, enough"),
        ("1.5", "Budget: $1.5000 left, tight: the likely cost fits, the high one does not"),
        ("0.9", "Budget: $0.9000 left, short: even the likely cost does not fit; give it more with --budget USD"),
    ],
)
def test_the_word_on_the_budget(left: str | None, words: str) -> None:
    made = FORECAST.model_copy(update={"left": None if left is None else Decimal(left)})

    assert forecast_lines(made)[-1].text == words


@pytest.mark.parametrize(
    ("basis", "past", "words"),
    [
        ("prior", 0, "a prior, not experience: no finished task of this workspace to rest on"),
        ("same_model", 1, "rests on 1 past task of this workspace"),
        ("other_models", 4, "rests on the tokens of 4 past tasks with other models, at today's prices"),
    ],
)
def test_a_prior_is_labelled_and_experience_counted(basis: str, past: int, words: str) -> None:
    [head, *_] = forecast_lines(forecast("1", "2", "3", basis=basis, past_tasks=past))

    assert head.text.endswith(words)


def test_a_plan_and_a_waiting_epic_show_it_with_the_budget_as_it_stands_now() -> None:
    plan = [line.text for line in plan_lines(PLAN, forecast=FORECAST)]
    status = [line.text for line in epic_lines(waiting(budget="1.53"))]

    assert "Budget: $9.9700 left, enough" in plan
    assert "Budget: $1.5000 left, tight: the likely cost fits, the high one does not" in status
    assert not any("Forecast" in line.text for line in plan_lines(PLAN))


def test_an_approved_epic_shows_it_beside_what_was_spent() -> None:
    status = [line.text for line in epic_lines(waiting(is_approved=True))]

    assert "Forecast: $0.5000 to $2.0000, likely $1.0000; $0.4000 spent since the plan was made" in status


def test_json_has_it_too() -> None:
    for told in (outcome(waiting())["forecast"], epic_status(waiting())["forecast"]):
        assert told["total"] == {"low": "0.5", "likely": "1", "high": "2"}
        assert (told["basis"], told["past_tasks"], told["left"], told["verdict"]) == (
            "same_model", 6, "9.97", "enough",
        )  # fmt: skip
        assert told["tasks"][1] == {"id": "T2", "low": "0.25", "likely": "0.5", "high": "1", "past_tasks": 6}
    assert outcome(waiting(is_approved=True))["forecast"]["left"] == "9.97"
    assert outcome(RunView(run=waiting().run))["forecast"] is None


def test_past_forecasts_are_held_against_what_was_spent() -> None:
    runs = [
        run_cost(forecast=FORECAST, built_for=Decimal(spent), state=state)
        for spent, state in (
            ("1.2", RunState.COMPLETED),
            ("0.1", RunState.FAILED),
            ("2.1", RunState.COMPLETED),
            ("1.0", RunState.PAUSED),
            ("3.0", RunState.RUNNING),
        )
    ]

    lines = [line.text for line in forecasts_lines([*runs, run_cost()])]
    told = forecasts_data([*runs, run_cost()])

    assert [outcome_of(run) for run in runs] == ["inside", "below", "above", "unfinished", "so far above"]
    assert len(lines) == 1 + 5 + 2
    assert "Inside the range: 1 of 3 (33%); it is meant to hold 80%" in lines
    assert (told["finished"], told["inside"], told["share_inside"]) == (3, 1, "0.3333")
    assert [row["spent"] for row in told["forecasts"]] == ["1.2", "0.1", "2.1", "1.0", "3.0"]


def test_forecasts_keep_to_the_width_and_their_absence_is_said() -> None:
    narrow = forecasts_lines([run_cost(forecast=FORECAST, title="A long title " * 9)], width=70)

    assert max(cells(line.text) for line in narrow[:2]) <= 70
    assert "No forecasts here yet" in forecasts_lines([run_cost()])[0].text
    assert forecasts_data([]) == {"forecasts": [], "finished": 0, "inside": 0, "share_inside": None}
