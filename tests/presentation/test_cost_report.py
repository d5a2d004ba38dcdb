from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.errors import ModelErrorKind
from equitr_coder.domain.ids import AgentName, TaskId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.money import Usage
from equitr_coder.presentation.chart import bar
from equitr_coder.presentation.cost_report import GROUPS, Paper, report_lines
from equitr_coder.presentation.text import cells
from tests.presentation.cost_samples import answer, open_row, row, run_cost

PLANNER = {"model": "stub/strong", "agent": AgentName("planner"), "task": None, "purpose": Purpose.PLANNING}
TWO = answer([row(1, "0.03", **PLANNER), row(2, "0.01")])


def shown(*arguments: object, **options: object) -> list[str]:
    return [line.text for line in report_lines(*arguments, **{"by": None, "paper": Paper()} | options)]  # type: ignore[arg-type]


def test_one_group_has_bars_shares_calls_and_tokens() -> None:
    assert shown(TWO, by="model") == [
        "epic-001 (run-7k2m9x4q): Shop",
        "Cost: $0.0400 of $10.00, 2 calls",
        "by model",
        "  stub/strong  ########################  $0.0300  75%  1 call  4000 in (75% cached), 200 out",
        "  stub/weak    ########                  $0.0100  25%  1 call  4000 in (75% cached), 200 out",
    ]


def test_every_group_is_shown_when_none_is_named_and_a_single_day_is_not() -> None:
    lines = shown(TWO)

    assert [line for line in lines if line.startswith("by ")] == ["by model", "by agent", "by task", "by purpose"]
    assert any(line.startswith("  (no task)") for line in lines)
    assert "  $0.0300  stub/strong / planner / planning" in lines


def test_blocks_are_drawn_only_where_they_can_be_seen() -> None:
    plain, fancy = shown(TWO, by="agent"), shown(TWO, by="agent", paper=Paper(has_blocks=True))

    assert all(line.isascii() for line in plain)
    assert "█" in fancy[3]
    assert [line.replace("█", "#") for line in fancy] == plain


@pytest.mark.parametrize("by", GROUPS)
@pytest.mark.parametrize("width", [100, 70, 50, 34, 28])
def test_narrow_terminals_wrap_and_lose_nothing(width: int, by: str) -> None:
    whole = answer(
        [row(1, "0.03", **PLANNER | {"agent": AgentName("a_worker_with_quite_a_long_name")}), row(2, "0.01")]
    )

    lines = shown(whole, by=by, paper=Paper(width=width))[3:]

    wide = shown(whole, by=by)[3:]
    assert max(map(cells, lines)) <= width
    assert "".join("".join(lines).split()).replace("#", "") == "".join("".join(wide).split()).replace("#", "")


def test_long_groups_are_summed_up_unless_they_are_asked_for() -> None:
    many = answer([row(number, "0.01", task=TaskId(f"T{number:02d}")) for number in range(1, 31)])

    overview, full = shown(many), shown(many, by="task")

    [rest] = [line for line in overview if "(18 more)" in line]
    assert "$0.1800" in rest
    assert "#" not in rest
    assert sum("  T" in line for line in full) == 30


def test_of_many_days_the_last_ones_are_shown() -> None:
    many = answer([row(number * 24 * 60, "0.01") for number in range(20)])

    lines = shown(many)

    assert any("2026-01-21" in line for line in lines)
    assert any("(8 earlier)" in line for line in lines)
    assert not any("2026-01-02" in line for line in lines)


def test_open_reservations_are_shown_as_such() -> None:
    lines = shown(answer([row(1), open_row(2)]), by="model")

    assert lines[1] == "Cost: $0.0100 (and $0.0500 held) of $10.00, 1 call"
    assert lines[-2:] == [
        "Open: 1 call with $0.0500 reserved",
        "  $0.0500  stub/weak / worker T1 / work since 2026-01-02 03:06:05Z",
    ]


def test_an_unknown_price_is_never_shown_as_nothing() -> None:
    unpriced = row(2, "0", model="stub/new", is_unpriced=True, price=None)

    lines = shown(answer([row(1), unpriced]), by="model")
    mixed = shown(answer([row(1), replace(unpriced, model="stub/weak")]), by="model")
    alone = shown(answer([unpriced]), by="model")

    assert any("stub/new" in line and "unknown" in line and "$0.0000" not in line for line in lines[3:5])
    assert lines[-1] == "1 call without a known price (stub/new): the total does not hold what they cost"
    assert "$0.0100 + unknown" in mixed[3]
    assert mixed[1] == "Cost: $0.0100 + unknown of $10.00, 2 calls"
    assert alone[1] == "Cost: unknown of $10.00, 1 call"


def test_estimates_lost_answers_and_overshoots_are_named() -> None:
    calls = [
        row(1, usage=Usage(input=1, output=1, estimated=True)),
        row(2, "0.05", failed=ModelErrorKind.INTERRUPTED),
        row(3, "0", failed=ModelErrorKind.SERVER),
        row(4, "0.25"),
    ]

    lines = shown(answer(calls), by="model")

    assert lines[-3:] == [
        "1 call with estimated usage ($0.0100): the provider reported none",
        "1 call charged at the reservation ($0.0500): the answer was lost",
        "1 call beyond the reservation: $0.2000 more than was held",
    ]


def test_several_runs_are_listed_and_have_no_common_budget() -> None:
    lines = shown(answer([row(1), row(2)], is_one_run=False, runs=(run_cost(calls=2),)))

    assert lines[0] == "Cost: $0.0200 in 1 run of this workspace, 2 calls"
    assert lines[1:3] == ["by run", "  epic-001  ########################  $0.0200  100%  2 calls  "
                          "8000 in (75% cached), 400 out"]  # fmt: skip


def test_nothing_spent_is_one_line() -> None:
    assert shown(answer([], is_one_run=False, runs=())) == ["Cost: $0.0000 in 0 runs of this workspace, 0 calls"]


def test_what_cost_nothing_divides_by_nothing() -> None:
    assert "$0.0000" in shown(answer([row(1, "0")]), by="model")[3]


@given(share=st.decimals(min_value=0, max_value=1, places=6), width=st.integers(min_value=1, max_value=60))
def test_a_bar_keeps_to_its_width_and_shows_what_is_more_than_nothing(share: Decimal, width: int) -> None:
    for has_blocks in (True, False):
        drawn = bar(share, width, has_blocks=has_blocks)
        assert len(drawn) <= width
        assert bool(drawn) == bool(share)
    assert len(bar(Decimal(1), width, has_blocks=True)) == width
