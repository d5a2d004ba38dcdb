"""An Anthropic client before a raw server, or before a scripted one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from equitr_coder.adapters.direct.anthropic.client import AnthropicClient
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.providers import resolve
from equitr_coder.domain.models import Delta, Message, ModelRequest, ModelSpec, Reply, Tier, ToolSpec, UserMessage
from tests.adapters.direct.wire import Pieces, RawServer, raw_server

KEY = "sk-ant-0123456789abcdef"
TOOL = ToolSpec(name="read", description="Reads.", parameters={"type": "object", "properties": {}})


def request(*messages: Message, base: str = "http://127.0.0.1:1", **spec: Any) -> ModelRequest:
    fields = {"name": "anthropic/claude-9", "api_base": base, "api_key_env": "KEY", **spec}
    return ModelRequest(
        model=ModelSpec(tier=Tier.WEAK, **fields),
        system="You work.",
        messages=messages or (UserMessage(text="hi"),),
        tools=(TOOL,),
        max_tokens=100,
    )


@dataclass(frozen=True)
class Asked:
    server: RawServer
    client: AnthropicClient

    async def all(self, *messages: Message, **spec: Any) -> tuple[list[Delta], Reply]:
        asked = request(*messages, base=self.server.base, **spec)
        parts = [part async for part in self.client.stream(asked)]
        assert isinstance(parts[-1], Reply)
        return [part for part in parts if not isinstance(part, Reply)], parts[-1]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [got["body"] for got in self.server.requests]


Ask = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    async with AsyncExitStack() as stack:

        async def start(*answers: Pieces, timeout: float = 5.0) -> Asked:
            server = await stack.enter_async_context(raw_server(*answers))
            keys = EnvironmentKeys({"KEY": KEY})
            client = AnthropicClient(resolve=lambda spec: resolve(spec, keys), timeout=timeout)
            stack.push_async_callback(client.close)
            return Asked(server, client)

        yield start
