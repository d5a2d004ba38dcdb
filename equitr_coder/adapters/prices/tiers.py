"""A price that rises with the length of the prompt, or that prices hidden reasoning apart."""

from decimal import Decimal

from equitr_coder.domain.money import MILLION, Price, Usage
from equitr_coder.domain.value import Value


class LongPrompt(Value):
    """The price of the whole call when it has more than `above` input tokens."""

    above: int
    price: Price


class TieredPrice(Price):
    """The fields of `Price` hold for short prompts. Providers bill *all* tokens of a long prompt at its tier."""

    long_prompts: tuple[LongPrompt, ...] = ()
    """In rising order of `above`."""
    reasoning: Decimal | None = None
    """Hidden reasoning, when it is not billed as output."""

    def cost(self, usage: Usage) -> Decimal:
        price: Price | None = None
        for tier in self.long_prompts:
            if usage.total_input > tier.above:
                price = tier.price
        cost = super().cost(usage) if price is None else price.cost(usage)
        if self.reasoning is not None:
            cost += usage.reasoning * (self.reasoning - self.output) / MILLION
        return cost

    @property
    def dearest_input(self) -> Decimal:
        return max([super().dearest_input, *(tier.price.dearest_input for tier in self.long_prompts)])
