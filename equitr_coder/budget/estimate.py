"""What one call can cost at worst, and how much output fits an amount. Pure; asks a price only for `Price.cost`."""

import math
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Self

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.money import MILLION, ZERO, Price, Usage

_ONE = Fraction(1)
_SIX_DIGITS = Decimal("0.000001")
_PER_TOKEN = Decimal("1E-18")
_WIDE = Context(prec=200)
"""A provider may state any figure; no quotient and no rounding of it may fail."""


def rounded_up(amount: Decimal, places: Decimal) -> Decimal:
    """To the digits of `places`, however large the amount."""
    return amount.quantize(places, rounding=ROUND_CEILING, context=_WIDE)


@frozen
class Correction:
    """By how much a model was seen to pass its bounds; all 1 while it keeps to them. Only ever rises."""

    input: Fraction = _ONE
    """Reported input tokens to the bound of the input."""
    output: Fraction = _ONE
    """Reported output tokens to `max_tokens`."""
    bill: Decimal = Decimal(1)
    """The cost that the provider reported to the cost by our price."""
    unforeseen: Decimal = ZERO
    """US dollars for each token that the provider billed where our price says that it is free."""

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
            bill = rounded_up(_WIDE.divide(usage.reported_usd, by_price), _SIX_DIGITS)
            learned = replace(learned, bill=max(learned.bill, bill))
        elif usage.reported_usd is not None and price is not None:
            tokens = Decimal(max(1, usage.total_input + usage.output))
            each = rounded_up(_WIDE.divide(usage.reported_usd, tokens), _PER_TOKEN)
            learned = replace(learned, unforeseen=max(learned.unforeseen, each))
        return learned


@frozen
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
        beside = correction.unforeseen
        return cls(dearest * correction.bill + bound * beside, output * correction.bill + beside, correction.output)

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
