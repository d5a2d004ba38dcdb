"""Each provider by its real prefix and variable, before a scripted server in its own form."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.models import Delta, Message, ModelRequest, ModelSpec, Reply, Tier, ToolSpec, UserMessage
from equitr_coder.testing.wires import Anthropic, Gemini, Groq, Ollama, OpenAI, OpenRouter, ProviderServer, Received
from equitr_coder.testing.wires.server import Scripted
from equitr_coder.testing.wires.wire_format import WireFormat
from tests.pictures import jpeg, png

KEY = "secret-0123456789abcdef"
READ = ToolSpec(
    name="read_file",
    description="Reads a file.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)


@dataclass(frozen=True)
class Case:
    """One provider, and what is seen of it on the wire."""

    wire: Callable[[], WireFormat]
    model: str
    """As it is configured."""
    variable: str
    path: str
    header: str = "authorization"
    sent: str = f"Bearer {KEY}"
    adapter: str = "auto"

    @property
    def on_wire(self) -> str:
        return self.model.partition("/")[2]


CASES = {
    "openai": Case(OpenAI, "openai/gpt-5.2", "OPENAI_API_KEY", "/v1/chat/completions"),
    "anthropic": Case(
        Anthropic, "anthropic/claude-sonnet-5", "ANTHROPIC_API_KEY", "/v1/messages", header="x-api-key", sent=KEY
    ),
    "gemini": Case(Gemini, "gemini/gemini-2.5-pro", "GEMINI_API_KEY", "/v1beta/openai/chat/completions"),
    "openrouter": Case(OpenRouter, "openrouter/qwen/qwen3-coder", "OPENROUTER_API_KEY", "/api/v1/chat/completions"),
    "groq": Case(Groq, "groq/llama-3.3-70b-versatile", "GROQ_API_KEY", "/openai/v1/chat/completions"),
    "ollama": Case(Ollama, "ollama/qwen3:8b", "OLLAMA_API_KEY", "/v1/chat/completions"),
    "gemini natively": Case(
        Gemini,
        "gemini/gemini-2.5-pro",
        "GEMINI_API_KEY",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        header="x-goog-api-key",
        sent=KEY,
        adapter="litellm",
    ),
    "ollama natively": Case(Ollama, "ollama/qwen3:8b", "OLLAMA_API_KEY", "/api/chat", adapter="litellm"),
}
LITELLM = (
    pytest.mark.xdist_group("litellm"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning"),
)


@dataclass(frozen=True)
class Asked:
    case: Case
    server: ProviderServer
    router: ModelRouter

    @property
    def chats(self) -> list[Received]:
        return [got for got in self.server.received if got.path == self.case.path]

    def spec(self, **fields: Any) -> ModelSpec:
        base = {"api_base": self.server.url, "adapter": self.case.adapter, "name": self.case.model}
        return ModelSpec(tier=Tier.WEAK, **{**base, **fields})

    def request(
        self, *messages: Message, tools: tuple[ToolSpec, ...] = (READ,), protocol: str = "auto", **spec: Any
    ) -> ModelRequest:
        """`protocol` is how the tools are offered."""
        return ModelRequest(
            model=self.spec(tools=protocol, **spec),
            system="You work.",
            messages=messages or (UserMessage(text="Task T1"),),
            tools=tools,
            max_tokens=500,
        )

    async def all(self, *messages: Message, **fields: Any) -> tuple[list[Delta], Reply]:
        parts = [part async for part in self.router.stream(self.request(*messages, **fields))]
        assert isinstance(parts[-1], Reply)
        return [part for part in parts if not isinstance(part, Reply)], parts[-1]


PICTURES = {sha256(data).hexdigest(): data for data in (png(30, 20), jpeg(640, 480))}


async def read_picture(digest: str) -> bytes | None:
    return PICTURES.get(digest)


Ask = Callable[..., Awaitable[Asked]]


@pytest.fixture(
    params=[pytest.param(name, marks=LITELLM if case.adapter == "litellm" else ()) for name, case in CASES.items()]
)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    async with AsyncExitStack() as stack:

        async def start(
            case: Case | str,
            script: Scripted,
            *,
            wire: WireFormat | None = None,
            environ: Mapping[str, str] | None = None,
        ) -> Asked:
            found = CASES[case] if isinstance(case, str) else case
            server = await stack.enter_async_context(ProviderServer(script, wire or found.wire()))
            keys = EnvironmentKeys({found.variable: KEY} if environ is None else dict(environ))
            router = ModelRouter(keys=keys, timeout=5.0, read_image=read_picture)
            stack.push_async_callback(router.close)
            return Asked(found, server, router)

        yield start
