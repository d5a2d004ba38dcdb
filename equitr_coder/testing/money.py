"""Prices and token bounds that a test states, so that every amount can be worked out by hand."""

from collections.abc import Callable, Mapping

from equitr_coder.domain.models import ModelInfo, ModelRequest
from equitr_coder.domain.money import Price


class FixedPrices:
    """Implements `ports.PriceBook`; what is not given is unknown."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def price(self, model: str) -> Price | None:
        return self._prices.get(model)

    def info(self, model: str) -> ModelInfo | None:
        return ModelInfo(name=model) if model in self._prices else None


class FixedTokens:
    """Implements `ports.TokenCounter` by functions of the request. `looks` counts the closer looks."""

    def __init__(
        self, upper: Callable[[ModelRequest], int], *, tighter: Callable[[ModelRequest], int] | None = None
    ) -> None:
        self._upper = upper
        self._tighter = tighter or upper
        self.looks = 0

    def upper_bound(self, request: ModelRequest) -> int:
        return self._upper(request)

    def tighter_bound(self, request: ModelRequest) -> int:
        self.looks += 1
        return self._tighter(request)
