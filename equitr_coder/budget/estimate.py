"""What one call can cost at worst, and how much output fits an amount. Pure; asks a price only for `Price.cost`."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Self

from equitr_coder.domain.money import MILLION, ZERO, Price, Usage


@dataclass(frozen=True)
class Estimate:
    """The worst case of a call with a bounded input: it grows evenly with the output that is allowed."""

    input: Decimal
    """Every input token in the dearest class the provider may bill it in."""
    output: Decimal
    """One token of output, hidden reasoning included."""

    @classmethod
    def of(cls, price: Price, *, input_bound: int) -> Self:
        dearest = max(
            price.cost(usage)
            for usage in (
                Usage(input=input_bound),
                Usage(cache_read=input_bound),
                Usage(cache_write=input_bound),
                Usage(cache_write_1h=input_bound),
            )
        )
        many = int(MILLION)
        shown = price.cost(Usage(input=input_bound, output=many))
        hidden = price.cost(Usage(input=input_bound, output=many, reasoning=many))
        return cls(dearest, (max(shown, hidden) - price.cost(Usage(input=input_bound))) / MILLION)

    @classmethod
    def nothing(cls) -> Self:
        """Of a call whose price nobody knows, where no limit is set."""
        return cls(ZERO, ZERO)

    def worst_case(self, max_tokens: int) -> Decimal:
        return self.input + max_tokens * self.output

    def affordable(self, usd: Decimal) -> int | None:
        """The largest `max_tokens` whose worst case is within `usd`; negative when the input alone is not.

        None means any: output costs nothing and the input fits.
        """
        if self.input > usd or self.output == 0:
            return -1 if self.input > usd else None
        return int(((usd - self.input) / self.output).to_integral_value(rounding=ROUND_FLOOR))
