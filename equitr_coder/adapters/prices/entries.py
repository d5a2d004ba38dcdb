"""One entry of the data file, read: US dollars per token become `Price`, per million. Pure.

What cannot be priced by tokens alone is unknown (None): a missing figure, a fee per query, and a zero of a provider
that is not on the user's own machine, because the file also writes 0 where nobody knows.
"""

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from equitr_coder.adapters.prices.tiers import LongPrompt, TieredPrice
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import MILLION, Price

_LOCAL = frozenset(("ollama", "ollama_chat", "lemonade", "lm_studio", "llamafile", "vllm", "hosted_vllm"))
_MODES = frozenset(("chat", "completion", "responses", None))
_NOT_BY_TOKEN = frozenset(("citation_cost_per_token",))
_CACHE_FIELDS = {
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
_TIER = re.compile(r"^input_cost_per_token_above_(\d+)k_tokens$")
_EXACT = Context(prec=10)
"""The file holds floats such as 8.900000000000001E-7; no provider states a price in more than ten digits."""

Entry = Mapping[str, Any]


def entry_price(entry: Entry, source: str) -> Price | None:
    if entry.get("mode") not in _MODES or _NOT_BY_TOKEN.intersection(entry):
        return None
    if isinstance(entry.get("tiered_pricing"), list):
        return _ranged_price(entry["tiered_pricing"], source)
    price = _flat_price(entry, "", source)
    if price is None or not _is_believable(entry, price):
        return None
    tiers = []
    for above in sorted(int(match[1]) for name in entry if (match := _TIER.match(name))):
        tier = _flat_price(entry, f"_above_{above}k_tokens", source, otherwise=price)
        if tier is not None:
            tiers.append(LongPrompt(above=above * 1000, price=tier))
    reasoning = _per_million(entry.get("output_cost_per_reasoning_token"))
    if reasoning == price.output:
        reasoning = None
    if not tiers and reasoning is None:
        return price
    return TieredPrice(**{**price.model_dump(), "reasoning": reasoning}, long_prompts=tuple(tiers))


def entry_info(name: str, entry: Entry) -> ModelInfo | None:
    if entry.get("mode") not in _MODES:
        return None
    tools, images = entry.get("supports_function_calling"), entry.get("supports_vision")
    return ModelInfo(
        name=name,
        tools=tools if isinstance(tools, bool) else None,
        context_window=_whole(entry.get("max_input_tokens")),
        max_output=_whole(entry.get("max_output_tokens")),
        images=images if isinstance(images, bool) else None,
    )


def _flat_price(entry: Entry, suffix: str, source: str, *, otherwise: Price | None = None) -> Price | None:
    """The figures whose names end in `suffix`; missing cache figures rise from `otherwise` as the input does."""
    price = _per_million(entry.get(f"input_cost_per_token{suffix}"))
    output = _per_million(entry.get(f"output_cost_per_token{suffix}"))
    if output is None and otherwise is not None:
        output = otherwise.output
    if price is None or output is None:
        return None
    cache: dict[str, Decimal | None] = {}
    for field, name in _CACHE_FIELDS.items():
        stated = _per_million(entry.get(f"{name}{suffix}"))
        below = None if otherwise is None else getattr(otherwise, field)
        if stated is None and below is not None and otherwise is not None and otherwise.input:
            stated = below * price / otherwise.input
        cache[field] = stated or (None if price else stated)  # a zero beside a priced input says "not stated"
    return Price(input=price, output=output, **cache, source=source)


def _ranged_price(ranges: list[Any], source: str) -> Price | None:
    """Alibaba's form: a list of ranges of input tokens, each with its figures."""
    tiers: list[LongPrompt] = []
    for part in ranges:
        price = _flat_price(part, "", source)
        if price is None or not price.input or not price.output:
            return None
        tiers.append(LongPrompt(above=int(part["range"][0]), price=price))
    if not tiers:
        return None
    first, *rest = tiers
    return TieredPrice(**first.price.model_dump(), long_prompts=tuple(rest))


def _is_believable(entry: Entry, price: Price) -> bool:
    return bool(price.input and price.output) or entry.get("litellm_provider") in _LOCAL


def _per_million(figure: object) -> Decimal | None:
    if isinstance(figure, bool) or not isinstance(figure, int | Decimal) or figure < 0:
        return None
    return Decimal(f"{_EXACT.multiply(Decimal(figure), MILLION).normalize():f}")  # 10, not 1E+1


def _whole(figure: object) -> int | None:
    return int(figure) if isinstance(figure, int | Decimal) and not isinstance(figure, bool) else None
