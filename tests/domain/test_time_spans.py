from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.time_spans import Spans, merged, overlaps

MOMENTS = 30
INTERVALS = st.lists(st.tuples(st.integers(0, MOMENTS), st.integers(0, MOMENTS)), max_size=8)
SPANS = INTERVALS.map(merged)


def moments(spans: Spans) -> set[int]:
    """The unit steps that lie inside."""
    return {step for step in range(MOMENTS) if any(begun <= step < ended for begun, ended in spans.all)}


@settings(deadline=None)
@given(INTERVALS)
def test_merging_keeps_every_moment_once_and_in_order(intervals: list[tuple[int, int]]) -> None:
    spans = merged(intervals)

    assert moments(spans) == {step for begun, ended in intervals for step in range(begun, ended)}
    assert all(begun < ended for begun, ended in spans.all)
    assert all(earlier[1] < later[0] for earlier, later in zip(spans.all, spans.all[1:], strict=False))
    assert spans.length == len(moments(spans))


@settings(deadline=None)
@given(SPANS, SPANS)
def test_union_intersection_and_difference_are_those_of_sets(one: Spans, other: Spans) -> None:
    assert moments(one | other) == moments(one) | moments(other)
    assert moments(one & other) == moments(one) & moments(other)
    assert moments(one - other) == moments(one) - moments(other)


@settings(deadline=None)
@given(st.lists(SPANS, max_size=5))
def test_the_most_that_hold_at_once_are_counted(several: list[Spans]) -> None:
    counted = [sum(step in moments(spans) for spans in several) for step in range(MOMENTS)]

    assert overlaps(several) == max(counted)
