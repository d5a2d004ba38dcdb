"""Kill a long chat where it makes room: what it goes on with is the same, and no summary is paid twice."""

from collections import Counter

import pytest

from equitr_coder.domain.events import ContextCompacted, ContextElided, ModelCallSettled
from equitr_coder.domain.models import Purpose
from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_nothing_lost, assert_sound_in_death
from tests.faults.plays import CROWDED
from tests.faults.points import Point

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_SAMPLE = (
    Point("append.context_elided", "before", 1),
    Point("append.context_elided", "after", 1),
    Point("append.context_compacted", "before", 1),
    Point("append.context_compacted", "after", 1),
)


@pytest.mark.parametrize(
    "point", [*_SAMPLE, *(pytest.param(point, marks=pytest.mark.slow) for point in (
        Point("store.put_blob", "after", 2),
        Point("append.model_call_reserved", "after", 12),
        Point("append.model_call_settled", "before", 12),
        Point("append.context_compacted", "before", 2),
        Point("append.context_elided", "after", 2),
    ))], ids=str
)  # fmt: skip
def test_a_chat_that_makes_room_survives_its_death(victim: OpenVictim, undisturbed: Undisturbed, point: Point) -> None:
    killed = victim(CROWDED)
    assert killed.kill(point), "the point is never reached"
    assert_sound_in_death(killed)

    killed.finish()

    assert_nothing_lost(killed, undisturbed(CROWDED).files)
    summaries = Counter(
        event.session
        for event in killed.log
        if isinstance(event, ModelCallSettled) and event.purpose is Purpose.COMPACTION
    )
    made = [event for event in killed.log if isinstance(event, ContextCompacted)]
    assert set(summaries.values()) == {1}
    assert set(summaries) == {f"summary.chat.{event.upto}" for event in made}
    assert [event for event in killed.log if isinstance(event, ContextElided)]
