"""One script, played through every adapter there is, on both wires that carry most traffic."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.models import (
    Delta,
    Message,
    ModelRequest,
    ModelSpec,
    ReasoningDelta,
    Reply,
    TextDelta,
    Tier,
    ToolSpec,
    UserMessage,
)
from equitr_coder.testing import Recorded, Script, ScriptedModel, ScriptedReply
from equitr_coder.testing.backend import Backend, WireError
from equitr_coder.testing.http import HttpRequest
from equitr_coder.testing.script import Rule
from equitr_coder.testing.wires import Anthropic, Compatible, ProviderServer
from equitr_coder.testing.wires.wire_format import WireFormat

KEY = "sk-contract-0123456789abcdef"
TOOLS = tuple(
    ToolSpec(name=name, description=f"Does {name}.", parameters={"type": "object", "properties": {}})
    for name in ("read_file", "hand_in")
)
WIRES: dict[str, type[WireFormat]] = {"openai": Compatible, "anthropic": Anthropic}

Scripted = Script | Sequence[Rule] | Sequence[ScriptedReply]


@dataclass(frozen=True)
class Played:
    """A client, and what stands behind it."""

    client: ModelRouter
    backend: Backend
    provider: str
    adapter: str
    server: ProviderServer | None = None

    @property
    def requests(self) -> Sequence[Recorded]:
        return self.backend.requests

    def spec(self, **fields: Any) -> ModelSpec:
        where = {"adapter": self.adapter}
        if self.server is not None:
            where |= {"api_base": self.server.url, "api_key_env": "KEY"}
        return ModelSpec(name=f"{self.provider}/m-1", tier=Tier.WEAK, **{**where, **fields})

    def request(self, *messages: Message, tools: tuple[ToolSpec, ...] = TOOLS, **spec: Any) -> ModelRequest:
        return ModelRequest(
            model=self.spec(**spec),
            system="You work.",
            messages=messages or (UserMessage(text="Task T1"),),
            tools=tools,
            max_tokens=500,
            session="T1.1",
        )

    async def all(self, request: ModelRequest | None = None) -> tuple[list[Delta], Reply]:
        """The deltas, and the reply that has to be last and alone."""
        parts = [part async for part in self.client.stream(request or self.request())]
        *deltas, reply = parts
        assert isinstance(reply, Reply)
        kept: list[Delta] = [delta for delta in deltas if isinstance(delta, TextDelta | ReasoningDelta)]
        assert kept == deltas
        return kept, reply

    def status(self, refusal: ScriptedReply) -> int:
        """With what this wire says it."""
        error = refusal.error
        assert error is not None
        if self.server is None:
            return error.status
        told = WireError(error.status, error.message, code=error.code)
        return WIRES[self.provider]().refusal(told, HttpRequest("POST", "/", {}, b""))[0]


Play = Callable[..., Awaitable[Played]]


LITELLM = (
    pytest.mark.xdist_group("litellm"),  # one import of several seconds, not one in each worker
    # litellm silences this where it is imported; pytest turns it on again for each test.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning"),
)


@pytest.fixture(
    params=[
        "scripted/scripted",
        "direct/openai",
        "direct/anthropic",
        pytest.param("litellm/openai", marks=LITELLM),
        pytest.param("litellm/anthropic", marks=LITELLM),
    ]
)
def way(request: pytest.FixtureRequest) -> str:
    """Adapter and wire."""
    name: str = request.param
    return name


@pytest.fixture
async def play(way: str) -> AsyncIterator[Play]:
    adapter, _, provider = way.partition("/")
    async with AsyncExitStack() as stack:

        async def start(script: Scripted, *, headers: dict[str, str] | None = None, key: str = KEY) -> Played:
            keys = EnvironmentKeys({"KEY": key})
            if adapter == "scripted":
                model = ScriptedModel(script)
                return Played(ModelRouter(keys=keys, scripted=model), model.backend, provider, adapter)
            server = await stack.enter_async_context(ProviderServer(script, WIRES[provider](), headers=headers))
            client = ModelRouter(keys=keys, timeout=5.0)
            stack.push_async_callback(client.close)
            return Played(client, server.backend, provider, adapter, server)

        yield start
