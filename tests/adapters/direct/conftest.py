"""A direct client before a raw server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from equitr_coder.adapters.direct.client import DirectClient
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.providers import resolve
from equitr_coder.domain.models import Delta, Message, ModelRequest, ModelSpec, Reply, Tier, UserMessage
from tests.adapters.direct.wire import Pieces, RawServer, raw_server

KEY = "sk-raw-0123456789abcdef"


@dataclass(frozen=True)
class Asked:
    server: RawServer
    client: DirectClient
    path: str

    async def all(self, *messages: Message, **spec: Any) -> tuple[list[Delta], Reply]:
        """The deltas, and the reply that has to be last and alone."""
        parts = [part async for part in self.client.stream(self.request(*messages, **spec))]
        deltas = [part for part in parts if not isinstance(part, Reply)]
        assert isinstance(parts[-1], Reply)
        assert len(deltas) == len(parts) - 1
        return deltas, parts[-1]

    def request(self, *messages: Message, **spec: Any) -> ModelRequest:
        fields = {"name": "stub/m-1", "api_base": self.server.base + self.path, "api_key_env": "KEY", **spec}
        return ModelRequest(
            model=ModelSpec(tier=Tier.WEAK, **fields),
            system="You work.",
            messages=messages or (UserMessage(text="hi"),),
            max_tokens=100,
        )


Ask = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    async with AsyncExitStack() as stack:

        async def start(*answers: Pieces, path: str = "/v1", timeout: float = 5.0) -> Asked:
            server = await stack.enter_async_context(raw_server(*answers))
            keys = EnvironmentKeys({"KEY": KEY})
            client = DirectClient(resolve=lambda spec: resolve(spec, keys), timeout=timeout)
            stack.push_async_callback(client.close)
            return Asked(server, client, path)

        yield start
