"""One script, played through every adapter there is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from equitr_coder.adapters.direct.client import DirectClient
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.litellm.client import LiteLLMClient
from equitr_coder.adapters.models.providers import resolve
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
from equitr_coder.ports import ModelClient
from equitr_coder.testing import Recorded, Script, ScriptedModel, ScriptedReply
from equitr_coder.testing.backend import Backend
from equitr_coder.testing.script import Rule
from equitr_coder.testing.server import ScriptedServer

KEY = "sk-contract-0123456789abcdef"
TOOLS = tuple(
    ToolSpec(name=name, description=f"Does {name}.", parameters={"type": "object", "properties": {}})
    for name in ("read_file", "hand_in")
)


@dataclass(frozen=True)
class Played:
    """A client, and what stands behind it."""

    client: ModelClient
    backend: Backend
    base: str | None

    @property
    def requests(self) -> Sequence[Recorded]:
        return self.backend.requests

    def request(self, *messages: Message, tools: tuple[ToolSpec, ...] = TOOLS, **spec: Any) -> ModelRequest:
        prefix = "scripted" if self.base is None else "openai"
        return ModelRequest(
            model=ModelSpec(
                name=f"{prefix}/m-1", tier=Tier.WEAK, api_base=self.base, api_key_env=self.base and "KEY", **spec
            ),
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


Play = Callable[[Script | Sequence[Rule] | Sequence[ScriptedReply]], Awaitable[Played]]


LITELLM = (
    pytest.mark.xdist_group("litellm"),  # one import of several seconds, not one in each worker
    # litellm silences this where it is imported; pytest turns it on again for each test.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
)


@pytest.fixture(params=["scripted", "direct", pytest.param("litellm", marks=LITELLM)])
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def play(adapter: str) -> AsyncIterator[Play]:
    async with AsyncExitStack() as stack:

        async def start(script: Script | Sequence[Rule] | Sequence[ScriptedReply]) -> Played:
            if adapter == "scripted":
                model = ScriptedModel(script)
                return Played(model, model.backend, None)
            server = await stack.enter_async_context(ScriptedServer(script))
            make = DirectClient if adapter == "direct" else LiteLLMClient
            spec_of = partial(resolve, keys=EnvironmentKeys({"KEY": KEY}))
            client = make(resolve=lambda spec: spec_of(spec.model_copy(update={"adapter": adapter})), timeout=5.0)
            stack.push_async_callback(client.close)
            return Played(client, server.backend, server.url)

        yield start
