"""What one call can cost at worst, and how much output fits an amount. Pure; asks a price only for `Price.cost`."""

import math
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Self

from equitr_coder.domain.money import MILLION, ZERO, Price, Usage

_ONE = Fraction(1)
_SIX_DIGITS = Decimal("0.000001")


@dataclass(frozen=True)
class Correction:
    """By how much a model was seen to pass its bounds; all 1 while it keeps to them. Only ever rises."""

    input: Fraction = _ONE
    """Reported input tokens to the bound of the input."""
    output: Fraction = _ONE
    """Reported output tokens to `max_tokens`."""
    bill: Decimal = Decimal(1)
    """The cost that the provider reported to the cost by our price."""

    def learned(self, usage: Usage, *, input_bound: int, max_tokens: int, price: Price | None) -> Self:
        """With what one settled call adds. Our own estimates of usage teach nothing."""
        if usage.estimated:
            return self
        learned = self
        if input_bound > 0:
            learned = replace(learned, input=max(learned.input, Fraction(usage.total_input, input_bound)))
        if max_tokens > 0:
            learned = replace(learned, output=max(learned.output, Fraction(usage.output, max_tokens)))
        by_price = ZERO if price is None else price.cost(usage)
        if usage.reported_usd is not None and by_price > 0:
            bill = (usage.reported_usd / by_price).quantize(_SIX_DIGITS, rounding=ROUND_CEILING)
            learned = replace(learned, bill=max(learned.bill, bill))
        return learned


@dataclass(frozen=True)
class Estimate:
    """The worst case of a call with a bounded input: it grows evenly with the output that is allowed."""

    input: Decimal
    """Every input token in the dearest class the provider may bill it in."""
    output: Decimal
    """One token of output, hidden reasoning included."""
    overrun: Fraction = _ONE
    """Tokens of output to expect for each that is allowed."""

    @classmethod
    def of(cls, price: Price, *, input_bound: int, correction: Correction | None = None) -> Self:
        correction = correction or Correction()
        bound = math.ceil(input_bound * correction.input)
        dearest = max(
            price.cost(usage)
            for usage in (
                Usage(input=bound),
                Usage(cache_read=bound),
                Usage(cache_write=bound),
                Usage(cache_write_1h=bound),
            )
        )
        many = int(MILLION)
        shown = price.cost(Usage(input=bound, output=many))
        hidden = price.cost(Usage(input=bound, output=many, reasoning=many))
        output = (max(shown, hidden) - price.cost(Usage(input=bound))) / MILLION
        return cls(dearest * correction.bill, output * correction.bill, correction.output)

    @classmethod
    def nothing(cls) -> Self:
        """Of a call whose price nobody knows, where no limit is set."""
        return cls(ZERO, ZERO)

    def worst_case(self, max_tokens: int) -> Decimal:
        return self.input + math.ceil(max_tokens * self.overrun) * self.output

    def affordable(self, usd: Decimal) -> int | None:
        """The largest `max_tokens` whose worst case is within `usd`; negative when the input alone is not.

        None means any: output costs nothing and the input fits.
        """
        if self.input > usd or self.output == 0:
            return -1 if self.input > usd else None
        tokens = int(((usd - self.input) / self.output).to_integral_value(rounding=ROUND_FLOOR))
        return math.floor(tokens / self.overrun)
