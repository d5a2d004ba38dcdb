"""A provider's usage report to our disjoint classes of tokens, and an estimate when there is none.

Understands the OpenAI shape with its relatives (DeepSeek, OpenRouter, Groq, Gemini, Moonshot, xAI, litellm) and the
Anthropic shape.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.money import Usage

BYTES_PER_TOKEN = 4
_IMAGE = "i" * 1_600 * BYTES_PER_TOKEN
"""What stands for an image: about what Claude makes of a large one, more than OpenAI's tiles do."""
_MOST_TOKENS = 10**9
_MOST_USD = 10**9
"""Of one call. A larger figure is a fault of the report, and says nothing."""


def read_usage(report: Mapping[str, Any] | None) -> Usage | None:
    """None when the report says nothing: absent, or every figure 0 or null."""
    if not report:
        return None
    is_anthropic = "input_tokens" in report and "prompt_tokens" not in report
    usage = _anthropic(report) if is_anthropic else _openai(report)
    return usage if usage.total_input or usage.output else None


def estimate_usage(body: Mapping[str, Any], message: AssistantMessage, reasoning: str) -> Usage:
    """Our own figures, by length, marked as such. `body` is the request as it was sent."""
    sent = sent_bytes(body)
    calls = sum(_length(call.name) + _length(call.arguments) for call in message.calls)
    hidden = _tokens(_length(reasoning))
    written = _tokens(_length(message.text) + calls)
    return Usage(input=_tokens(sent), output=written + hidden, reasoning=hidden, estimated=True)


def sent_bytes(body: Mapping[str, Any]) -> int:
    """Of everything in a request that the model reads; an image counts as what it usually is in tokens."""
    return sum(_size(_images_measured(body.get(part))) for part in ("system", "messages", "tools"))


def _openai(report: Mapping[str, Any]) -> Usage:
    asked = _mapping(report, "prompt_tokens_details")
    answered = _mapping(report, "completion_tokens_details")
    prompt, completion = _count(report, "prompt_tokens"), _count(report, "completion_tokens")
    cache_read = (
        _count(asked, "cached_tokens")
        or _count(report, "prompt_cache_hit_tokens")  # DeepSeek
        or _count(report, "cached_tokens")  # Moonshot, Together
        or _count(report, "cache_read_input_tokens")
    )
    written = (
        _count(asked, "cache_write_tokens")
        or _count(asked, "cache_creation_tokens")
        or _count(report, "cache_creation_input_tokens")
    )
    write_1h = min(written, _count(_mapping(asked, "cache_creation_token_details"), "ephemeral_1h_input_tokens"))
    cached = cache_read + written
    reasoning = _count(answered, "reasoning_tokens") or _count(report, "reasoning_tokens")
    beside = _count(report, "total_tokens") - prompt - completion
    if beside > 0 and beside == reasoning:
        completion += reasoning  # xAI reports it beside the completion, not inside it
    elif beside > 0 and not reasoning and beside != cached:
        completion, reasoning = completion + beside, beside  # Gemini bills its thoughts and names them only in the sum
    return Usage(
        # a prompt smaller than its own cached part was counted without it
        input=prompt - cached if prompt >= cached else prompt,
        cache_read=cache_read,
        cache_write=written - write_1h,
        cache_write_1h=write_1h,
        output=completion,
        reasoning=min(reasoning, completion),
        reported_usd=_reported_cost(report),
    )


def _reported_cost(report: Mapping[str, Any]) -> Decimal | None:
    """OpenRouter's `cost`, in US dollars, to the last digit it was written with.

    With a key of the person's own at the provider it is OpenRouter's fee alone; the provider's bill comes on top.
    """
    cost = _amount(report.get("cost"))
    if cost is not None and report.get("is_byok"):
        cost += _amount(_mapping(report, "cost_details").get("upstream_inference_cost")) or 0
    return cost


def _amount(figure: object) -> Decimal | None:
    if isinstance(figure, bool) or not isinstance(figure, int | float) or not 0 <= figure <= _MOST_USD:
        return None  # NaN is not between any two
    return Decimal(f"{Decimal(str(figure)):f}")


def _anthropic(report: Mapping[str, Any]) -> Usage:
    lifetimes = _mapping(report, "cache_creation")
    write_1h = _count(lifetimes, "ephemeral_1h_input_tokens")
    known = write_1h + _count(lifetimes, "ephemeral_5m_input_tokens")
    written = _count(report, "cache_creation_input_tokens") or known
    write_1h = min(written, write_1h)
    output = _count(report, "output_tokens")
    return Usage(
        input=_count(report, "input_tokens"),
        cache_read=_count(report, "cache_read_input_tokens"),
        cache_write=written - write_1h,
        cache_write_1h=write_1h,
        output=output,
        reasoning=min(output, _count(_mapping(report, "output_tokens_details"), "thinking_tokens")),
    )


def _mapping(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = report.get(key)
    return value if isinstance(value, Mapping) else {}


def _count(report: Mapping[str, Any], key: str) -> int:
    value = report.get(key)
    return int(value) if isinstance(value, int | float) and 0 <= value <= _MOST_TOKENS else 0


def _size(part: object) -> int:
    return _length(json.dumps(part, ensure_ascii=False)) if part else 0


def _images_measured(part: object) -> object:
    """With a text of the right length in the place of each image's bytes."""
    if not isinstance(part, list):
        return part
    return [
        {**message, "content": [_IMAGE if _is_image(one) else one for one in message["content"]]}
        if isinstance(message, Mapping) and isinstance(message.get("content"), list)
        else message
        for message in part
    ]


def _is_image(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("image", "image_url")


def _length(text: str) -> int:
    """In bytes; half of a surrogate pair, which models do write, has none of its own."""
    return len(text.encode(errors="replace"))


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
