"""What a provider's headers say of its rate limits, as `RateLimits`. Pure: reads names and numbers, decides nothing.

A header that is missing or makes no sense is left out; limits never make an answer fail.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from equitr_coder.domain.models import Allowance, RateLimits


class _Names(NamedTuple):
    """The three headers of one limit."""

    limit: str
    remaining: str
    reset: str


def _openai(what: str) -> _Names:
    return _Names(f"x-ratelimit-limit-{what}", f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}")


def _anthropic(what: str) -> _Names:
    start = f"anthropic-ratelimit-{what}"
    return _Names(f"{start}-limit", f"{start}-remaining", f"{start}-reset")


def _plain(start: str) -> _Names:
    return _Names(f"{start}-limit", f"{start}-remaining", f"{start}-reset")


_REQUESTS = (
    _openai("requests"),  # OpenAI, Azure, Groq (there it is the day's)
    _anthropic("requests"),
    _openai("requests-minute"),
    _openai("req-minute"),  # Mistral
    _openai("requests-day"),  # Cerebras
    _plain("x-ratelimit"),  # OpenRouter, Together
    _plain("ratelimit"),
)
_TOKENS = (
    _openai("tokens"),
    _anthropic("input-tokens"),
    _anthropic("tokens"),
    _openai("tokens-minute"),  # Cerebras, Mistral
)
_OUTPUT_TOKENS = (_anthropic("output-tokens"),)

_WHOLE = re.compile(r"\s*(\d{1,15})(?!\d)")
_NUMBER = re.compile(r"\s*\d{1,15}(\.\d+)?\s*")
_PART = re.compile(r"(\d{1,15}(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EPOCH = 1e9
"""From here on a bare number is a moment, not a duration."""
_EPOCH_MS = 1e11


def read_limits(headers: Mapping[str, str], *, now: datetime | None = None) -> RateLimits | None:
    """The limits that an answer's headers state; None when they state none.

    Resets given as a moment are measured from the answer's own `date`, so that a wrong clock here does no harm; without
    one from `now` (default: the clock).
    """
    named = {name.lower(): value for name, value in headers.items()}
    if not any("ratelimit-" in name for name in named):
        return None
    moment = _date(named.get("date", "")) or now or datetime.now(UTC)
    requests, tokens, output_tokens = (
        next(_allowances(named, families, moment), None) for families in (_REQUESTS, _TOKENS, _OUTPUT_TOKENS)
    )
    if requests is None and tokens is None and output_tokens is None:
        return None
    return RateLimits(requests=requests, tokens=tokens, output_tokens=output_tokens)


def _allowances(headers: Mapping[str, str], families: tuple[_Names, ...], now: datetime) -> Iterator[Allowance]:
    """One per family of names that says something."""
    for names in families:
        limit, remaining = _whole(headers.get(names.limit)), _whole(headers.get(names.remaining))
        if limit is not None or remaining is not None:
            yield Allowance(limit=limit, remaining=remaining, resets_in=_seconds(headers.get(names.reset, ""), now))


def _whole(text: str | None) -> int | None:
    """The first number: some write `100, 100;w=60`."""
    found = _WHOLE.match(text) if text is not None else None
    return int(found[1]) if found else None


def _seconds(text: str, now: datetime) -> float | None:
    """`6m0s`, `12ms`, bare seconds, seconds or milliseconds since 1970, or an RFC 3339 moment."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH:
            return number
        return max(0.0, (number / 1000 if number >= _EPOCH_MS else number) - now.timestamp())
    compact = text.replace(" ", "").lower()
    parts = _PART.findall(compact)
    if parts and "".join(number + unit for number, unit in parts) == compact:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)
