"""A provider's usage report to our disjoint classes of tokens, and an estimate when there is none.

Understands the OpenAI shape with its relatives (DeepSeek, OpenRouter, xAI, litellm) and the Anthropic shape.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.money import Usage

BYTES_PER_TOKEN = 4


def read_usage(report: Mapping[str, Any] | None) -> Usage | None:
    """None when the report says nothing: absent, or every figure 0 or null."""
    if not report:
        return None
    is_anthropic = "input_tokens" in report and "prompt_tokens" not in report
    usage = _anthropic(report) if is_anthropic else _openai(report)
    return usage if usage.total_input or usage.output else None


def estimate_usage(body: Mapping[str, Any], message: AssistantMessage, reasoning: str) -> Usage:
    """Our own figures, by length, marked as such. `body` is the request as it was sent."""
    sent = sum(_size(body.get(part)) for part in ("messages", "tools"))
    calls = sum(len(call.name.encode()) + len(call.arguments.encode()) for call in message.calls)
    hidden = _tokens(len(reasoning.encode()))
    written = _tokens(len(message.text.encode()) + calls)
    return Usage(input=_tokens(sent), output=written + hidden, reasoning=hidden, estimated=True)


def _openai(report: Mapping[str, Any]) -> Usage:
    asked = _mapping(report, "prompt_tokens_details")
    answered = _mapping(report, "completion_tokens_details")
    prompt, completion = _count(report, "prompt_tokens"), _count(report, "completion_tokens")
    cache_read = (
        _count(asked, "cached_tokens")
        or _count(report, "prompt_cache_hit_tokens")
        or _count(report, "cache_read_input_tokens")
    )
    written = (
        _count(asked, "cache_write_tokens")
        or _count(asked, "cache_creation_tokens")
        or _count(report, "cache_creation_input_tokens")
    )
    write_1h = min(written, _count(_mapping(asked, "cache_creation_token_details"), "ephemeral_1h_input_tokens"))
    cached = cache_read + written
    reasoning = _count(answered, "reasoning_tokens")
    if reasoning and _count(report, "total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # reported beside the completion, not inside it
    return Usage(
        # a prompt smaller than its own cached part was counted without it
        input=prompt - cached if prompt >= cached else prompt,
        cache_read=cache_read,
        cache_write=written - write_1h,
        cache_write_1h=write_1h,
        output=completion,
        reasoning=min(reasoning, completion),
    )


def _anthropic(report: Mapping[str, Any]) -> Usage:
    written = _count(report, "cache_creation_input_tokens")
    write_1h = min(written, _count(_mapping(report, "cache_creation"), "ephemeral_1h_input_tokens"))
    return Usage(
        input=_count(report, "input_tokens"),
        cache_read=_count(report, "cache_read_input_tokens"),
        cache_write=written - write_1h,
        cache_write_1h=write_1h,
        output=_count(report, "output_tokens"),
    )


def _mapping(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = report.get(key)
    return value if isinstance(value, Mapping) else {}


def _count(report: Mapping[str, Any], key: str) -> int:
    value = report.get(key)
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0


def _size(part: object) -> int:
    return len(json.dumps(part, ensure_ascii=False).encode()) if part else 0


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
