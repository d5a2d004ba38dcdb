"""How much a model takes in one call: as configured, as the data file says, or as its endpoint lists it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from equitr_coder.domain.errors import ModelError, UserError
from equitr_coder.domain.models import ModelInfo, ModelSpec
from equitr_coder.ports import PriceBook

_log = logging.getLogger(__name__)
_PATIENCE = 10.0
"""Seconds that an endpoint gets to list its models: an answer is welcome, not needed."""

_Key = tuple[str, str | None]


class Windows:
    """Implements `ports.ContextWindows`. An endpoint is asked once, for free, and only when nobody else knows."""

    def __init__(self, discover: Callable[[ModelSpec], Awaitable[Sequence[ModelInfo]]], prices: PriceBook) -> None:
        self._discover = discover
        self._prices = prices
        self._listed: dict[_Key, int | None] = {}

    def known(self, spec: ModelSpec) -> int | None:
        """Without asking anybody."""
        if spec.context_window is not None:
            return spec.context_window
        info = self._prices.info(spec.name)
        return info.context_window if info is not None else None

    async def window(self, spec: ModelSpec) -> int | None:
        known = self.known(spec)
        if known is not None:
            return known
        key = (spec.name, spec.api_base)
        if key not in self._listed:
            self._listed[key] = await self._ask(spec)
        return self._listed[key]

    async def _ask(self, spec: ModelSpec) -> int | None:
        try:
            async with asyncio.timeout(_PATIENCE):
                offered = await self._discover(spec)
        except (ModelError, UserError, TimeoutError) as error:
            _log.info("the window of %s is not known: %s", spec.name, error)
            return None
        return next((info.context_window for info in offered if info.name == spec.name), None)
