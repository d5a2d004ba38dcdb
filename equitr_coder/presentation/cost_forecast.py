"""A forecast in words: its range, what it rests on, and whether the budget will do; and how past forecasts did."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from equitr_coder.domain.forecasts import CostRange, Forecast, tightest
from equitr_coder.domain.queries import RunCost
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.figures import dollars, exact
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, plural, prose

_VERDICTS = {
    "unlimited": ("there is no limit", Tone.WARN),
    "enough": ("enough", Tone.PLAIN),
    "tight": ("tight: the likely cost fits, the high one does not", Tone.WARN),
    "short": ("short: even the likely cost does not fit; give it more with --budget USD", Tone.BAD),
}

_SHARE = Decimal("0.0001")


def forecast_lines(forecast: Forecast) -> list[Line]:
    """The total, the tasks (those with the same range together), and the word on the budget."""
    lines = [Line(f"Forecast: {_range(forecast.total)}; {rests_on(forecast)}")]
    alike: dict[CostRange, list[str]] = {}
    for task in forecast.tasks:
        alike.setdefault(task.cost, []).append(task.task)
    if len(forecast.tasks) > 1:
        lines += [
            Line(f"  {'each of ' if len(names) > 1 else ''}{', '.join(names)}: {_range(cost)}")
            for cost, names in alike.items()
        ]
    words, tone = _VERDICTS[forecast.verdict]
    left = f"{dollars(forecast.left)} left, " if forecast.left is not None else ""
    return [*lines, Line(f"Budget: {left}{words}", tone)]


def epic_forecast_lines(view: RunView) -> list[Line]:
    """While the plan waits, the whole forecast; afterwards its range beside what was spent."""
    forecast = with_what_is_left(view)
    if forecast is None:
        return []
    if not view.is_approved:
        return forecast_lines(forecast)
    return [Line(f"Forecast: {_range(forecast.total)}; {dollars(view.built_for)} spent since the plan was made")]


def rests_on(forecast: Forecast) -> str:
    """What it was made from, with the number of past tasks."""
    if forecast.basis == "prior":
        return "a prior, not experience: no finished task of this workspace to rest on"
    count = plural(forecast.past_tasks, "past task")
    if forecast.basis == "other_models":
        return f"rests on the tokens of {count} with other models, at today's prices"
    return f"rests on {count} of this workspace"


def with_what_is_left(view: RunView) -> Forecast | None:
    """The run's forecast against the budget as it stands now, which a resume may have raised."""
    if view.forecast is None:
        return None
    cap = tightest(view.options.budget, view.forecast.cap)
    left = None if cap is None else cap - view.spent + view.built_for
    return view.forecast.model_copy(update={"left": left})


def forecast_data(forecast: Forecast | None) -> dict[str, Any] | None:
    """JSON-ready, money exact."""
    if forecast is None:
        return None
    return {
        "total": _data(forecast.total),
        "basis": forecast.basis,
        "past_tasks": forecast.past_tasks,
        "left": exact(forecast.left) if forecast.left is not None else None,
        "verdict": forecast.verdict,
        "tasks": [{"id": task.task, **_data(task.cost), "past_tasks": task.past_tasks} for task in forecast.tasks],
    }


def past_forecasts(runs: Sequence[RunCost]) -> list[RunCost]:
    """Those with a forecast, newest first."""
    return [run for run in runs if run.forecast is not None]


def outcome_of(run: RunCost) -> str:
    """`inside`, `below` or `above` its range; `so far inside` while it can still grow."""
    assert run.forecast is not None
    total = run.forecast.total
    if not run.state.is_final:
        return "so far above" if run.built_for > total.high else "unfinished"
    if total.holds(run.built_for):
        return "inside"
    return "below" if run.built_for < total.low else "above"


def share_inside(runs: Sequence[RunCost]) -> tuple[int, int]:
    """How many finished runs ended inside their range, and of how many."""
    ended = [run for run in past_forecasts(runs) if run.state.is_final]
    return sum(outcome_of(run) == "inside" for run in ended), len(ended)


def forecasts_lines(runs: Sequence[RunCost], *, width: int | None = None) -> list[Line]:
    """Past forecasts against what was spent."""
    told = past_forecasts(runs)
    if not told:
        return [Line("No forecasts here yet: one is made with every plan, before it is approved.")]
    rows = []
    for run in told:
        forecast = run.forecast
        assert forecast is not None
        basis = "prior" if forecast.basis == "prior" else plural(forecast.past_tasks, "past task")
        total = forecast.total
        bounds = f"{dollars(total.low)} to {dollars(total.high)}"
        name = run.epic or run.run
        rows.append(
            (name, bounds, dollars(total.likely), basis, dollars(run.built_for), outcome_of(run), prose(run.title))
        )
    header = ("epic", "forecast", "likely", "rests on", "spent", "outcome", "title")
    head, *body = table(rows, header=header, width=width, spare=(3, 2))
    lines = [Line(head, Tone.DIM), *(Line(row) for row in body)]
    inside, ended = share_inside(runs)
    if ended:
        lines.append(Line(f"Inside the range: {inside} of {ended} ({100 * inside // ended}%); it is meant to hold 80%"))
    return [*lines, Line("Spent is what followed the plan; planning was paid before the forecast was made.", Tone.DIM)]


def forecasts_data(runs: Sequence[RunCost]) -> dict[str, Any]:
    inside, ended = share_inside(runs)
    return {
        "forecasts": [
            {
                "run": run.run,
                "epic": run.epic,
                "title": run.title,
                "status": run.state.value,
                "forecast": forecast_data(run.forecast),
                "spent": exact(run.built_for),
                "outcome": outcome_of(run),
            }
            for run in past_forecasts(runs)
        ],
        "finished": ended,
        "inside": inside,
        "share_inside": exact((Decimal(inside) / ended).quantize(_SHARE)) if ended else None,
    }


def _range(cost: CostRange) -> str:
    return f"{dollars(cost.low)} to {dollars(cost.high)}, likely {dollars(cost.likely)}"


def _data(cost: CostRange) -> dict[str, str]:
    return {"low": exact(cost.low), "likely": exact(cost.likely), "high": exact(cost.high)}
