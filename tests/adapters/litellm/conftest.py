"""A litellm client before a raw server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.litellm.client import LiteLLMClient
from equitr_coder.adapters.models.providers import resolve
from equitr_coder.domain.models import Delta, Message, ModelRequest, ModelSpec, Reply, Tier, ToolSpec, UserMessage
from tests.adapters.direct.wire import Pieces, RawServer, raw_server

KEY = "sk-lite-0123456789abcdef"
TOOL = ToolSpec(name="read", description="Reads.", parameters={"type": "object", "properties": {}})


@dataclass(frozen=True)
class Asked:
    server: RawServer
    client: LiteLLMClient
    name: str

    async def all(self, *messages: Message, **fields: Any) -> tuple[list[Delta], Reply]:
        parts = [part async for part in self.client.stream(self.request(*messages, **fields))]
        assert isinstance(parts[-1], Reply)
        return [part for part in parts if not isinstance(part, Reply)], parts[-1]

    def request(self, *messages: Message, tools: tuple[ToolSpec, ...] = (TOOL,), **spec: Any) -> ModelRequest:
        fields = {"name": self.name, "api_base": self.server.base, "api_key_env": "KEY", "adapter": "litellm", **spec}
        return ModelRequest(
            model=ModelSpec(tier=Tier.WEAK, **fields),
            system="You work.",
            messages=messages or (UserMessage(text="hi"),),
            tools=tools,
            max_tokens=100,
        )


Ask = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    async with AsyncExitStack() as stack:

        async def start(*answers: Pieces, name: str = "openai/m-1", timeout: float = 5.0) -> Asked:
            server = await stack.enter_async_context(raw_server(*answers))
            keys = EnvironmentKeys({"KEY": KEY})
            client = LiteLLMClient(resolve=lambda spec: resolve(spec, keys), timeout=timeout)
            stack.push_async_callback(client.close)
            return Asked(server, client, name)

        yield start
