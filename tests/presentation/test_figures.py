from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.money import Price, Usage
from equitr_coder.presentation.figures import dollars, duration, exact, limit, price, since, tokens

AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=8)


@given(AMOUNTS)
def test_dollars_are_right_to_four_decimals(amount: Decimal) -> None:
    shown = dollars(amount)

    if shown.startswith("<"):
        assert Decimal(0) < amount < Decimal("0.00005")
    else:
        assert abs(Decimal(shown.removeprefix("$")) - amount) <= Decimal("0.00005")
        assert len(shown.partition(".")[2]) == 4


def test_nothing_that_costs_looks_free() -> None:
    assert dollars(Decimal("0.00001")) == "<$0.0001"
    assert dollars(Decimal(0)) == "$0.0000"


@given(AMOUNTS)
def test_exact_money_loses_no_digit_and_has_no_exponent(amount: Decimal) -> None:
    assert Decimal(exact(amount)) == amount
    assert "E" not in exact(amount)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Decimal(10), "$10.00"),
        (Decimal("2.5"), "$2.50"),
        (Decimal("0.005"), "$0.005"),
        (Decimal(0), "$0.00"),
        (Decimal("1E+2"), "$100.00"),
        (None, "no limit"),
    ],
)
def test_limit_is_shown_as_it_was_given(amount: Decimal | None, words: str) -> None:
    assert limit(amount) == words


def test_unknown_price_is_not_free() -> None:
    assert price(None) == "unknown"
    assert price(Price(input=Decimal(0), output=Decimal(0))) == "$0.00 in / $0.00 out"


def test_tokens_name_the_cached_share_and_estimates() -> None:
    assert tokens(Usage(input=40, cache_read=60, output=7)) == "100 in (60% cached), 7 out"
    assert tokens(Usage(input=40, output=7, estimated=True)) == "~40 in, ~7 out"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (184, "3 min 04 s"),
        (3599.7, "1 h 00 min"),
        (3900, "1 h 05 min"),
    ],
)
def test_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=12), "12 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_time_gone_by_in_words(gap: timedelta, words: str) -> None:
    assert since(gap) == words
