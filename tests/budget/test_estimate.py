from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.budget.estimate import Correction, Estimate
from equitr_coder.domain.money import Price, Usage

amounts = st.decimals(0, 100, places=4)
prices = st.builds(
    Price,
    input=amounts,
    output=amounts,
    cache_read=st.none() | amounts,
    cache_write=st.none() | amounts,
    cache_write_1h=st.none() | amounts,
)
factors = st.fractions(1, 3, max_denominator=50)
corrections = st.builds(Correction, input=factors, output=factors, bill=st.decimals(1, 2, places=6))


def test_the_worst_case_takes_the_dearest_input_class_and_all_the_output() -> None:
    price = Price(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"), cache_write=Decimal("3.75"))

    assert Estimate.of(price, input_bound=1000).worst_case(200) == Decimal(
        "0.00675"
    )  # 1000 x 3.75 + 200 x 15, per million


@given(prices, st.integers(0, 10**6), st.integers(0, 10**5), st.data())
def test_no_usage_within_the_bounds_costs_more(price: Price, bound: int, output: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, bound), min_size=4, max_size=4)))
    usage = Usage(
        input=cuts[0],
        cache_read=cuts[1] - cuts[0],
        cache_write=cuts[2] - cuts[1],
        cache_write_1h=cuts[3] - cuts[2],
        output=data.draw(st.integers(0, output)),
    )

    assert price.cost(usage) <= Estimate.of(price, input_bound=bound).worst_case(output)


@given(prices, corrections, st.integers(0, 10**6), st.decimals(0, 50, places=6))
def test_affordable_output_is_the_most_that_fits(
    price: Price, correction: Correction, bound: int, usd: Decimal
) -> None:
    estimate = Estimate.of(price, input_bound=bound, correction=correction)

    most = estimate.affordable(usd)

    if most is None:
        assert estimate.worst_case(10**9) <= usd
    elif most < 0:
        assert estimate.worst_case(0) > usd
    else:
        assert estimate.worst_case(most) <= usd
        assert estimate.worst_case(most + 1) > usd


@given(prices, st.integers(1, 10**5), st.integers(1, 10**4), st.integers(0, 10**6), st.integers(0, 10**5))
def test_a_call_that_passed_its_bounds_would_be_within_those_it_taught(
    price: Price, bound: int, allowed: int, read: int, written: int
) -> None:
    stated = price.cost(Usage(input=read, output=written)) * 3 / 2
    usage = Usage(input=read, output=written, reported_usd=stated)

    taught = Correction().learned(usage, input_bound=bound, max_tokens=allowed, price=price)

    assert Estimate.of(price, input_bound=bound, correction=taught).worst_case(allowed) >= stated
    assert taught.learned(usage, input_bound=bound, max_tokens=allowed, price=price) == taught
    assert taught.learned(Usage(), input_bound=bound, max_tokens=allowed, price=price) == taught


@pytest.mark.parametrize(("usd", "most"), [("1", 0), ("0.999999", -1), ("1.000015", 1), ("1.00003", 2)])
def test_the_edge_is_exact(usd: str, most: int) -> None:
    price = Price(input=Decimal(1), output=Decimal(15))

    assert Estimate.of(price, input_bound=1_000_000).affordable(Decimal(usd)) == most
