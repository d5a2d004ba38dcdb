import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.models.limits import read_limits
from equitr_coder.domain.models import Allowance, ModelRequest, ModelSpec, RateLimits, Reply, Tier, UserMessage
from equitr_coder.testing.clock import ManualClock
from equitr_coder.testing.rates import Quota, Rates, write_headers
from equitr_coder.testing.script import Script, always, says
from equitr_coder.testing.scripted_model import ScriptedModel


def admitted(rates: Rates, moments: list[float], tokens: int = 1) -> list[bool]:
    return [rates.admit(tokens, now) is None for now in moments]


def test_a_bucket_fills_evenly() -> None:
    rates = Rates(Quota(requests=2))

    assert admitted(rates, [0, 0, 0, 29, 30, 31, 60]) == [True, True, False, False, True, False, True]


def test_a_window_starts_anew_all_at_once() -> None:
    rates = Rates(Quota(requests=2, refills="at_once"))

    assert admitted(rates, [0, 10, 20, 59, 60, 61, 62]) == [True, True, False, False, True, True, False]


def test_tokens_have_a_limit_of_their_own_and_too_large_a_request_takes_all_of_it() -> None:
    rates = Rates(Quota(tokens=600))

    assert admitted(rates, [0, 0], tokens=400) == [True, False]
    assert admitted(rates, [20], tokens=400) == [True]
    assert admitted(rates, [79, 81], tokens=900) == [False, True]


def test_a_refusal_says_when_to_come_back_and_that_moment_is_right() -> None:
    rates = Rates(Quota(requests=4))
    assert admitted(rates, [0, 0, 0, 0]) == [True] * 4

    refused = rates.admit(1, 3.0)

    assert refused is not None
    assert refused.status == 429
    assert refused.retry_after == pytest.approx(12.0, abs=0.001)
    assert admitted(rates, [3.0 + (refused.retry_after or 0.0)]) == [True]


def test_faults_come_as_often_as_they_are_asked_for_and_the_same_for_a_seed() -> None:
    def played(seed: int) -> list[int]:
        rates = Rates(Quota(faults=0.2, seed=seed))
        return [0 if (refused := rates.admit(1, 0.0)) is None else refused.status for _ in range(1000)]

    faults = played(1)

    assert 150 < sum(status > 0 for status in faults) < 250
    assert set(faults) == {0, 429, 529}
    assert faults == played(1) != played(2)


@given(st.integers(1, 9), st.floats(0, 100), st.sampled_from(["evenly", "at_once"]))
def test_headers_say_what_is_left_and_can_be_read_back(used: int, later: float, refills: str) -> None:
    rates = Rates(Quota.model_validate({"requests": 10, "tokens": 100, "refills": refills}))
    admitted(rates, [0.0] * used)

    said = rates.limits(later)

    assert said is not None
    assert said.requests is not None
    assert said.requests.resets_in is not None
    assert 10 - used <= (said.requests.remaining or 0) <= 10
    read = read_limits(write_headers(said))
    assert read is not None
    assert read.requests is not None
    assert read.requests.resets_in == pytest.approx(said.requests.resets_in, abs=0.001)
    assert read.requests.remaining == said.requests.remaining
    assert read.tokens is not None
    assert read.tokens.limit == 100


def test_without_headers_nothing_is_said() -> None:
    assert write_headers(Rates(Quota(requests=1, headers=False)).limits(0.0)) == {}


async def test_a_scripted_model_says_what_is_left_on_its_own_clock() -> None:
    clock = ManualClock()
    model = ScriptedModel(Script(rules=(always(says("hi")),), quota=Quota(requests=2)), clock=clock)
    spec = ModelSpec(name="scripted/m", tier=Tier.WEAK)
    request = ModelRequest(model=spec, system="", messages=(UserMessage(text="x"),), max_tokens=10)

    replies = []
    for _ in range(2):
        replies += [part async for part in model.stream(request) if isinstance(part, Reply)]
        await clock.advance(15.0)

    assert [reply.limits for reply in replies] == [
        RateLimits(requests=Allowance(limit=2, remaining=1, resets_in=30.0)),
        RateLimits(requests=Allowance(limit=2, remaining=0, resets_in=45.0)),
    ]
