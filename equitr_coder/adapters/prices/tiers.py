"""A price that rises with the length of the prompt."""

from decimal import Decimal

from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.value import Value


class LongPrompt(Value):
    """The price of the whole call when it has more than `above` input tokens."""

    above: int
    price: Price


class TieredPrice(Price):
    """The fields of `Price` hold for short prompts. Providers bill *all* tokens of a long prompt at its tier."""

    long_prompts: tuple[LongPrompt, ...] = ()
    """In rising order of `above`."""

    def used_for(self, usage: Usage) -> Price:
        reached = [tier.price for tier in self.long_prompts if usage.total_input > tier.above]
        if not reached:
            return Price(**{name: getattr(self, name) for name in Price.model_fields})
        return reached[-1].model_copy(update={"reasoning": self.reasoning, "source": self.source})

    @property
    def dearest_input(self) -> Decimal:
        return max([super().dearest_input, *(tier.price.dearest_input for tier in self.long_prompts)])
