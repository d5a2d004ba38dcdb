from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.direct.usage import estimate_usage, read_usage, sent_bytes
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import AssistantMessage, ToolCall
from equitr_coder.domain.money import Usage

SHAPES: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "total_tokens": 1050,
            "prompt_tokens_details": {"cached_tokens": 900, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
        Usage(input=100, cache_read=900, output=50, reasoning=20),
    ),
    "deepseek": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        Usage(input=36, cache_read=64, output=5),
    ),
    "openrouter with cache writes": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
        },
        Usage(input=100, cache_read=600, cache_write=300, output=5),
    ),
    "moonshot": (
        {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005, "cached_tokens": 768},
        Usage(input=232, cache_read=768, output=5),
    ),
    "gemini: thoughts that only the sum tells of": (
        {"prompt_tokens": 8, "completion_tokens": 10, "total_tokens": 118},
        Usage(input=8, output=110, reasoning=100),
    ),
    "a sum that counts the cached part once more": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
        Usage(input=60, cache_read=40, output=10),
    ),
    "openrouter with its cost": (
        {"prompt_tokens": 194, "completion_tokens": 2, "total_tokens": 196, "cost": 0.00014},
        Usage(input=194, output=2, reported_usd=Decimal("0.00014")),
    ),
    "openrouter with a key of one's own at the provider": (
        {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "cost": 0.00001,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.0002},
        },
        Usage(input=194, output=2, reported_usd=Decimal("0.00021")),
    ),
    "a cost that is no amount": (
        {"prompt_tokens": 194, "completion_tokens": 2, "cost": {"total": 3}},
        Usage(input=194, output=2),
    ),
    "anthropic with thoughts": (
        {
            "input_tokens": 12,
            "output_tokens": 500,
            "output_tokens_details": {"thinking_tokens": 400},
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 30},
            "cache_creation_input_tokens": 30,
        },
        Usage(input=12, cache_write_1h=30, output=500, reasoning=400),
    ),
    "anthropic that tells the lifetimes alone": (
        {
            "input_tokens": 12,
            "output_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        },
        Usage(input=12, cache_write=20, cache_write_1h=30, output=5),
    ),
    "reasoning beside the completion": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
        },
        Usage(input=10, output=105, reasoning=100),
    ),
    "litellm for anthropic": (
        {
            "prompt_tokens": 2312,
            "completion_tokens": 42,
            "total_tokens": 2354,
            "prompt_tokens_details": {
                "cached_tokens": 2000,
                "cache_creation_tokens": 300,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
            "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 2000,
        },
        Usage(input=12, cache_read=2000, cache_write=100, cache_write_1h=200, output=42),
    ),
    "anthropic": (
        {
            "input_tokens": 12,
            "output_tokens": 42,
            "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 2000,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        },
        Usage(input=12, cache_read=2000, cache_write=100, cache_write_1h=200, output=42),
    ),
    "a prompt counted without its cached part": (
        {"prompt_tokens": 12, "completion_tokens": 1, "cache_read_input_tokens": 2000},
        Usage(input=12, cache_read=2000, output=1),
    ),
    "nulls and nonsense": (
        {
            "prompt_tokens": 7,
            "completion_tokens": None,
            "prompt_tokens_details": None,
            "total_tokens": "many",
            "completion_tokens_details": {"reasoning_tokens": float("inf")},
        },
        Usage(input=7),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_report_becomes_disjoint_classes(shape: str) -> None:
    report, usage = SHAPES[shape]

    assert read_usage(report) == usage


@pytest.mark.parametrize("report", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": None}])
def test_a_report_that_says_nothing_is_none(report: dict[str, Any] | None) -> None:
    assert read_usage(report) is None


@given(
    prompt=st.integers(0, 10**7),
    cached=st.integers(0, 10**7),
    written=st.integers(0, 10**7),
    output=st.integers(1, 10**6),
)
def test_no_token_of_a_sound_report_is_lost_or_counted_twice(
    prompt: int, cached: int, written: int, output: int
) -> None:
    total = prompt + cached + written
    usage = read_usage(
        {
            "prompt_tokens": total,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        }
    )

    assert usage == Usage(input=prompt, cache_read=cached, cache_write=written, output=output)


def test_an_estimate_counts_four_bytes_a_token_and_says_that_it_is_one() -> None:
    body = {"messages": [{"role": "user", "content": "ü" * 100}], "tools": [], "model": "not counted"}
    calls = (ToolCall(id=CallId("c"), name="read", arguments='{"a": 1}'),)

    usage = estimate_usage(body, AssistantMessage(text="12345", calls=calls), "123456")

    assert usage == Usage(input=59, output=5 + 2, reasoning=2, estimated=True)


@pytest.mark.parametrize(
    "figure", [int("9" * 400), 10**10, 1e300, float("inf"), float("nan"), -5, "12", [7], {"a": 1}, None]
)
def test_a_figure_that_cannot_be_says_nothing(figure: object) -> None:
    report = {"prompt_tokens": 1000, "completion_tokens": 50}

    assert read_usage({**report, "cost": figure}) == Usage(input=1000, output=50)
    assert read_usage({**report, "total_tokens": figure}) == Usage(input=1000, output=50)
    assert read_usage({**report, "prompt_tokens_details": {"cached_tokens": figure}}) == Usage(input=1000, output=50)
    assert read_usage({"input_tokens": figure, "output_tokens": 5}) == Usage(output=5)


@pytest.mark.parametrize(
    "image",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000_000}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4_000_000}},
    ],
    ids=["openai", "anthropic"],
)
def test_an_image_counts_as_tokens_and_not_by_the_length_of_its_bytes(image: dict[str, Any]) -> None:
    text = {"type": "text", "text": "Look."}
    body = {"messages": [{"role": "user", "content": [text, image]}, {"role": "user", "content": "Well?"}]}
    without = {"messages": [{"role": "user", "content": [text]}, {"role": "user", "content": "Well?"}]}

    assert 1_600 * 4 <= sent_bytes(body) - sent_bytes(without) <= 1_601 * 4
