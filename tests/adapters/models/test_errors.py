from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.models.errors import Refusal, classify, clean, refused, retry_after, unreachable
from equitr_coder.adapters.models.providers import PROVIDERS, Route
from equitr_coder.domain.errors import ModelErrorKind as Kind

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "sk-proj-0123456789abcdef"
OPENAI = Route(
    PROVIDERS["openai"], "direct", "gpt-9", "https://api.openai.com/v1", False, key_variable="OPENAI_API_KEY", key=KEY
)
OWN = Route(PROVIDERS["openai-compatible"], "direct", "qwen", "http://127.0.0.1:8080", True)


@pytest.mark.parametrize(
    ("status", "words", "kind", "retryable"),
    [
        (400, "temperature must be a number", Kind.BAD_REQUEST, False),
        (400, "This model's maximum context length is 128000 tokens.", Kind.CONTEXT_OVERFLOW, False),
        (400, "context_length_exceeded too long", Kind.CONTEXT_OVERFLOW, False),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", Kind.CONTEXT_OVERFLOW, False),
        (400, "API key not valid. Please pass a valid API key.", Kind.AUTH, False),
        (400, "gpt-9 is not a valid model ID", Kind.NOT_FOUND, False),
        (400, "Your credit balance is too low to access the API", Kind.QUOTA, False),
        (400, "content_filter: the prompt was filtered", Kind.REFUSED, False),
        (401, "", Kind.AUTH, False),
        (402, "Insufficient credits", Kind.QUOTA, False),
        (403, "", Kind.AUTH, False),
        (404, "", Kind.NOT_FOUND, False),
        (408, "", Kind.TIMEOUT, True),
        (409, "", Kind.SERVER, True),
        (413, "", Kind.CONTEXT_OVERFLOW, False),
        (422, "field required", Kind.BAD_REQUEST, False),
        (429, "Rate limit reached for requests", Kind.RATE_LIMITED, True),
        (429, "insufficient_quota You exceeded your current quota", Kind.QUOTA, False),
        (429, "Request too large for gpt-9 on tokens per min (TPM)", Kind.CONTEXT_OVERFLOW, False),
        (500, "", Kind.SERVER, True),
        (500, "the request exceeds the available context size", Kind.CONTEXT_OVERFLOW, False),
        (501, "", Kind.SERVER, False),
        (502, "", Kind.SERVER, True),
        (503, "", Kind.SERVER, True),
        (504, "", Kind.SERVER, True),
        (529, "Overloaded", Kind.SERVER, True),
        (301, "", Kind.BAD_RESPONSE, False),
        (418, "", Kind.BAD_REQUEST, False),
        (None, "Overloaded", Kind.SERVER, True),
        (None, "who knows", Kind.BAD_REQUEST, False),
    ],
)
def test_status_and_words_decide_the_kind(status: int | None, words: str, kind: Kind, retryable: bool) -> None:
    rule = classify(status, words)

    assert (rule.kind, rule.retryable) == (kind, retryable)


@given(st.one_of(st.none(), st.integers(100, 999)), st.text())
def test_every_refusal_has_a_kind_and_two_lines_for_people(status: int | None, text: str) -> None:
    error = refused(Refusal(status, text), OPENAI, now=NOW)

    assert error.status == status
    assert error.sent
    assert "openai" in str(error)
    assert error.hint
    assert "\n" not in str(error) + error.hint


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"retry-after": "3"}, "", 3.0),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, "", 0.25),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, "", 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, "", 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, "", 30.0),
        ({"retry-after": "-5"}, "", 0.0),
        ({"retry-after": "soon"}, "", None),
        ({}, "Please try again in 1.5s.", 1.5),
        ({}, "Please try again in 250ms.", 0.25),
        ({}, 'quota {"retryDelay": "34s"}', 34.0),
        ({}, "try later", None),
        ({}, "Please try again in 1.2.3s.", None),
        ({}, "Please try again in . s", None),
    ],
)
def test_the_wait_is_read_from_headers_dates_and_words(
    headers: dict[str, str], text: str, seconds: float | None
) -> None:
    assert retry_after(headers, text, now=NOW) == seconds


def test_a_date_is_measured_from_the_clock_when_no_time_is_given() -> None:
    later = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    wait = refused(Refusal(429, "slow", headers={"retry-after": later}), OPENAI).retry_after

    assert wait is not None
    assert 50 < wait <= 60


@pytest.mark.parametrize(
    ("refusal", "route", "in_message", "in_hint"),
    [
        (Refusal(401, "bad"), OPENAI, ("openai", "OPENAI_API_KEY", "401"), ("export OPENAI_API_KEY=", "doctor")),
        (Refusal(403, "region"), OPENAI, ("openai", "OPENAI_API_KEY", "region"), ("models --discover", "gpt-9")),
        (Refusal(401, "who?"), OWN, ("openai-compatible", "none was sent"), ("llm.api_key_env", "doctor")),
        (Refusal(404, "gone"), OPENAI, ("openai", "`gpt-9`", "api.openai.com"), ("models --discover",)),
        (Refusal(429, "slow"), OPENAI, ("openai", "rate"), ("max_workers",)),
        (Refusal(402, "pay"), OPENAI, ("openai", "credit"), ("models --discover",)),
        (Refusal(413, "long"), OPENAI, ("too long", "`gpt-9`"), ("context window",)),
        (Refusal(307, "it redirects to https://other"), OWN, ("https://other",), ("llm.api_base",)),
    ],
)
def test_the_two_lines_name_what_is_wrong_and_what_to_do(
    refusal: Refusal, route: Route, in_message: tuple[str, ...], in_hint: tuple[str, ...]
) -> None:
    error = refused(refusal, route, now=NOW)

    assert [part for part in in_message if part not in str(error)] == []
    assert [part for part in in_hint if part not in error.hint] == []


def test_the_request_id_of_the_provider_is_kept() -> None:
    assert refused(Refusal(500, "x", headers={"x-request-id": "req-7"}), OPENAI, now=NOW).request_id == "req-7"


def test_an_endpoint_that_cannot_be_reached_is_named_and_may_be_tried_again() -> None:
    error = unreachable("Connection refused", OWN)

    assert "http://127.0.0.1:8080" in str(error)
    assert (error.sent, error.retryable, error.status) == (False, True, None)


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: sk-proj-********cdef.",
        "key gsk_abcdefghijklmnop is wrong",
        "AIzaSyA-1234567890abcdefghij not valid",
        f"header Bearer {KEY}",
    ],
)
def test_what_looks_like_a_key_is_taken_out_of_words(text: str) -> None:
    cleaned = clean(text, KEY)

    assert "[key]" in cleaned
    assert not any(part in cleaned for part in ("cdef", "abcdefgh", "0123", "123456"))


def test_the_key_in_use_is_taken_out_of_words_whatever_it_looks_like() -> None:
    assert clean("you sent hunter-2-hunter", "hunter-2-hunter") == "you sent [key]"


def test_words_are_one_short_line() -> None:
    assert clean("a\n  b\tc " + "x" * 1000, None).startswith("a b c xxx")
    assert len(clean("x" * 1000, None)) == 300
