from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.models.limits import read_limits
from equitr_coder.domain.models import Allowance, RateLimits

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def openai(reset_requests: str = "1s", reset_tokens: str = "6m0s") -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": reset_requests,
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": reset_tokens,
    }


def test_openais_headers_give_requests_and_tokens() -> None:
    assert read_limits(openai()) == RateLimits(
        requests=Allowance(limit=60, remaining=59, resets_in=1.0),
        tokens=Allowance(limit=150000, remaining=149984, resets_in=360.0),
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        ("500µs", 0.0005),
        ("33011.382867", 33011.382867),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("2026-03-01T12:00:30Z", 30.0),
        ("2026-03-01T13:00:30+01:00", 30.0),
        ("2026-03-01T11:59:00Z", 0.0),
        ("1772366430", 30.0),
        ("1772366430500", 30.5),
        ("soon", None),
        ("6m0", None),
        ("", None),
        ("-3", None),
        pytest.param("9" * 400, None, id="a number without end"),
        pytest.param("9" * 400 + "d", None, id="days without end"),
    ],
)
def test_every_spelling_of_a_reset_is_seconds(text: str, seconds: float | None) -> None:
    limits = read_limits(openai(text), now=NOW)

    assert limits is not None
    assert limits.requests is not None
    assert limits.requests.resets_in == (None if seconds is None else pytest.approx(seconds))


def test_groqs_daily_requests_and_minutes_tokens_are_read_as_they_stand() -> None:
    headers = {
        "retry-after": "2",
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-limit-tokens": "18000",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-remaining-tokens": "17997",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-reset-tokens": "7.66s",
    }

    assert read_limits(headers) == RateLimits(
        requests=Allowance(limit=14400, remaining=14370, resets_in=179.56),
        tokens=Allowance(limit=18000, remaining=17997, resets_in=7.66),
    )


def test_anthropics_input_and_output_tokens_are_kept_apart() -> None:
    headers = {
        "Date": "Sun, 01 Mar 2026 12:00:00 GMT",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-03-01T12:00:01Z",
        "anthropic-ratelimit-tokens-limit": "48000",
        "anthropic-ratelimit-tokens-remaining": "40000",
        "anthropic-ratelimit-tokens-reset": "2026-03-01T12:00:10Z",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "33000",
        "anthropic-ratelimit-input-tokens-reset": "2026-03-01T12:00:10Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "7000",
        "anthropic-ratelimit-output-tokens-reset": "2026-03-01T12:00:08Z",
    }

    assert read_limits(headers) == RateLimits(
        requests=Allowance(limit=50, remaining=49, resets_in=1.0),
        tokens=Allowance(limit=40000, remaining=33000, resets_in=10.0),
        output_tokens=Allowance(limit=8000, remaining=7000, resets_in=8.0),
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1772366430000"},
        {"ratelimit-limit": "20, 20;w=60", "ratelimit-remaining": "3", "ratelimit-reset": "30"},
        {
            "x-ratelimit-limit-req-minute": "20",
            "x-ratelimit-remaining-req-minute": "3",
            "x-ratelimit-reset-req-minute": "30",
        },
        {
            "x-ratelimit-limit-requests-day": "20",
            "x-ratelimit-remaining-requests-day": "3",
            "x-ratelimit-reset-requests-day": "30.0",
        },
    ],
)
def test_other_spellings_of_the_request_limit_mean_the_same(headers: dict[str, str]) -> None:
    assert read_limits(headers, now=NOW) == RateLimits(requests=Allowance(limit=20, remaining=3, resets_in=30.0))


def test_a_moment_is_measured_from_the_answers_own_date() -> None:
    headers = openai("2026-03-01T12:00:30Z") | {"date": "Sun, 01 Mar 2026 12:00:10 GMT"}

    limits = read_limits(headers, now=datetime(2031, 1, 1, tzinfo=UTC))

    assert limits is not None
    assert limits.requests is not None
    assert limits.requests.resets_in == 20.0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/event-stream"},
        {"x-ratelimit-limit-requests": "many"},
        {"x-ratelimit-limit-requests": "9" * 5000},
        {"retry-after": "3"},
    ],
    ids=["none", "another", "no number", "no number that can be", "a wait"],
)
def test_headers_without_limits_say_nothing(headers: dict[str, str]) -> None:
    assert read_limits(headers) is None


@given(st.dictionaries(st.sampled_from([*openai(), "date", "ratelimit-limit", "ratelimit-reset"]), st.text()))
def test_no_header_makes_reading_fail(headers: dict[str, str]) -> None:
    read_limits(headers)
