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
    source: str = ""
    """`config llm.prices`, or the data file with its version; shown beside every figure."""

    def cost(self, usage: Usage) -> Decimal:
        """The exact price of `usage`; no rounding."""
        cache_read = self.input if self.cache_read is None else self.cache_read
        cache_write = self.input if self.cache_write is None else self.cache_write
        cache_write_1h = cache_write if self.cache_write_1h is None else self.cache_write_1h
        return (
            usage.input * self.input
            + usage.cache_read * cache_read
            + usage.cache_write * cache_write
            + usage.cache_write_1h * cache_write_1h
            + usage.output * self.output
        ) / MILLION

    @property
    def dearest_input(self) -> Decimal:
        """The highest price any input token can be billed at: what a worst case must assume."""
        return max(self.input, self.cache_read or ZERO, self.cache_write or ZERO, self.cache_write_1h or ZERO)
