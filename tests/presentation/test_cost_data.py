import csv
import io
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.errors import ModelErrorKind
from equitr_coder.domain.ids import AgentName, TaskId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.presentation.cost_data import COLUMNS, calls_csv, cost_data
from equitr_coder.presentation.cost_report import GROUPS
from tests.presentation.cost_samples import answer, open_row, row

USD = st.decimals(min_value=0, max_value=1000, places=9)
CALLS = st.lists(
    st.tuples(USD, st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from(list(Purpose))),
    min_size=1,
    max_size=40,
)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(calls=CALLS)
def test_every_group_makes_the_total_to_the_last_digit_and_so_do_the_calls(calls: list[tuple[Any, ...]]) -> None:
    rows = [
        row(number, str(usd), model=model, agent=AgentName(agent), purpose=purpose)
        for number, (usd, model, agent, purpose) in enumerate(calls)
    ]

    told = json.loads(json.dumps(cost_data(answer(rows))))

    total = Decimal(told["total"])
    assert total == sum(call.usd for call in rows)
    assert set(told["rows"]) == set(GROUPS)
    for group in told["rows"].values():
        assert sum(Decimal(line["usd"]) for line in group) == total
        assert sum(line["calls"] for line in group) == len(rows)
    assert sum(Decimal(call["usd"]) for call in told["calls"]) == total
    assert sum(Decimal(line["usd"]) for line in read(calls_csv(rows))) == total


def test_one_group_can_be_asked_for() -> None:
    told = cost_data(answer([row(1)]), by="task")

    assert (told["by"], list(told["rows"])) == ("task", ["task"])


def test_a_call_has_all_its_columns() -> None:
    [told] = read(calls_csv([row(1, "0.0123")]))

    assert tuple(told) == COLUMNS
    assert told == {
        "user": "me",
        "workspace": "/home/me/shop",
        "run": "run-7k2m9x4q",
        "task": "T1",
        "agent": "worker",
        "purpose": "work",
        "session": "T1.1",
        "call": "call-1",
        "provider": "openai",
        "model": "stub/weak",
        "tier": "weak",
        "status": "settled",
        "failure": "",
        "reserved_at": "2026-01-02T03:05:05Z",
        "ended_at": "2026-01-02T03:05:07Z",
        "latency_ms": "1200",
        "tokens_input": "1000",
        "tokens_cache_read": "3000",
        "tokens_cache_write": "0",
        "tokens_cache_write_1h": "0",
        "tokens_output": "200",
        "tokens_reasoning": "50",
        "cache_share": "0.7500",
        "price_input": "1",
        "price_output": "3",
        "price_cache_read": "0.1",
        "price_cache_write": "",
        "price_cache_write_1h": "",
        "price_reasoning": "",
        "price_source": "config llm.prices",
        "reserved": "0.05",
        "usd": "0.0123",
        "basis": "reported",
        "provider_usd": "",
        "overshoot": "0",
    }
    assert datetime.fromisoformat(told["reserved_at"]).utcoffset() is not None


def test_open_failed_and_unpriced_calls_are_told_apart() -> None:
    lost = row(2, "0.05", failed=ModelErrorKind.TIMEOUT, latency_ms=0)
    rows = [open_row(1), lost, row(3, "0", is_unpriced=True, price=None, price_source="unknown"), row(4, "0.25")]

    told = read(calls_csv(rows))
    exact = cost_data(answer(rows))

    columns = [(line["status"], line["usd"], line["basis"], line["overshoot"]) for line in told]
    assert columns == [
        ("open", "", "open", "0"),
        ("failed", "0.05", "reservation", "0"),
        ("settled", "unknown", "reported", "0"),
        ("settled", "0.25", "reported", "0.20"),
    ]
    assert [(call["usd"], call["unpriced"]) for call in exact["calls"]] == [
        (None, False), ("0.05", False), (None, True), ("0.25", False),
    ]  # fmt: skip
    assert {name: exact[name] for name in ("open_calls", "unpriced_calls", "held", "overshoot")} == {
        "open_calls": 1,
        "unpriced_calls": 1,
        "held": "0.05",
        "overshoot": "0.20",
    }


def test_csv_quotes_whatever_a_name_holds_and_small_amounts_have_no_exponent() -> None:
    odd = 'a "quoted", name\r\nof two lines'
    calls: list[LedgerRow] = [row(1, "0.000000075", model=odd, task=TaskId("T,1")), row(2)]

    told = read(calls_csv(calls))

    assert (told[0]["model"], told[0]["task"], told[0]["usd"]) == (odd, "T,1", "0.000000075")
    assert len(told) == 2
