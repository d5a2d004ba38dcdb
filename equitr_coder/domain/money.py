"""Tokens, prices and their product. Money is `Decimal` US dollars, never float."""

from decimal import Decimal
from typing import Self

from equitr_coder.domain.value import Value

ZERO = Decimal(0)
MILLION = Decimal(1_000_000)
UNPRICED = "unknown"
"""The price source of a call whose price nobody knows; its cost is unknown, never 0."""


class Usage(Value):
    """Tokens of one model call in disjoint classes: a token is counted in exactly one of the input fields.

    `reasoning` is the part of `output` spent on hidden reasoning (informative; not priced again).
    `estimated` is True when the provider reported nothing and the figures are ours.
    """

    input: int = 0
    """Fresh input tokens: neither read from nor written to a cache."""
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    reported_usd: Decimal | None = None
    """What the provider itself says this call cost, in US dollars; None when it says nothing. Not part of a sum."""

    @property
    def cache_share(self) -> Decimal:
        """Part of the input that was read from a cache, 0 to 1."""
        return Decimal(self.cache_read) / self.total_input if self.total_input else ZERO

    @property
    def total_input(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h

    def plus(self, other: "Usage") -> Self:
        return type(self)(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
        )


class Price(Value):
    """US dollars per million tokens of each class, and where the figures come from.

    A missing cache price means the provider does not price it apart; the input price then holds.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    """Hidden reasoning, where it is not billed as output."""
    source: str = ""
    """`config llm.prices`, or the data file with its version; shown beside every figure."""

    def used_for(self, usage: Usage) -> "Price":
        """The flat rates that hold for this very call; a price with tiers picks one."""
        del usage
        return self

    def cost(self, usage: Usage) -> Decimal:
        """The exact price of `usage`; no rounding."""
        rates = self.used_for(usage)
        cache_read = rates.input if rates.cache_read is None else rates.cache_read
        cache_write = rates.input if rates.cache_write is None else rates.cache_write
        cache_write_1h = cache_write if rates.cache_write_1h is None else rates.cache_write_1h
        reasoning = rates.output if rates.reasoning is None else rates.reasoning
        return (
            usage.input * rates.input
            + usage.cache_read * cache_read
            + usage.cache_write * cache_write
            + usage.cache_write_1h * cache_write_1h
            + (usage.output - usage.reasoning) * rates.output
            + usage.reasoning * reasoning
        ) / MILLION

    @property
    def dearest_input(self) -> Decimal:
        """The highest price any input token can be billed at: what a worst case must assume."""
        return max(self.input, self.cache_read or ZERO, self.cache_write or ZERO, self.cache_write_1h or ZERO)
