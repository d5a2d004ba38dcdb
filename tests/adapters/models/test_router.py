import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import Delta, ModelInfo, ModelRequest, ModelSpec, Reply, TextDelta, Tier, UserMessage
from equitr_coder.domain.money import Price
from equitr_coder.testing import ScriptedModel, always, says
from equitr_coder.testing.server import ScriptedServer


def spec(name: str, **fields: Any) -> ModelSpec:
    return ModelSpec(name=name, tier=Tier.WEAK, **fields)


def request(model: ModelSpec) -> ModelRequest:
    return ModelRequest(model=model, system="You work.", messages=(UserMessage(text="hi"),), max_tokens=50)


async def text(router: ModelRouter, model: ModelSpec) -> str:
    *_, reply = [part async for part in router.stream(request(model))]
    assert isinstance(reply, Reply)
    return reply.message.text


@pytest.fixture
async def router() -> AsyncIterator[ModelRouter]:
    router = ModelRouter(keys=EnvironmentKeys({}), scripted=ScriptedModel([always(says("in process"))]), timeout=5)
    yield router
    await router.close()


async def test_each_call_goes_where_its_model_leads(router: ModelRouter) -> None:
    async with ScriptedServer([always(says("over the wire"))]) as server:
        assert await text(router, spec("scripted/strong")) == "in process"
        assert await text(router, spec("stub/m-1", api_base=server.url)) == "over the wire"
        assert await text(router, spec("m-2", api_base=server.url.removesuffix("/v1"))) == "over the wire"
        assert [record.model for record in server.requests] == ["m-1", "m-2"]


async def test_a_missing_key_stops_before_anything_is_sent(router: ModelRouter) -> None:
    with pytest.raises(ModelError) as caught:
        await text(router, spec("openai/gpt-4o"))

    assert (caught.value.kind, caught.value.sent) == (ModelErrorKind.AUTH, False)
    assert "OPENAI_API_KEY" in str(caught.value)


async def test_a_scripted_model_without_a_script_says_how_to_give_one() -> None:
    with pytest.raises(UserError) as caught:
        await text(ModelRouter(keys=EnvironmentKeys({})), spec("scripted/strong"))

    assert "llm.script" in caught.value.hint


async def test_leaving_a_stream_early_closes_its_connection(router: ModelRouter) -> None:
    async with ScriptedServer([always(says("A long text in several pieces.", cut_after=2, hang=True))]) as server:
        stream = router.stream(request(spec("m", api_base=server.url)))
        await anext(stream)
        await stream.aclose()
        await server.closed(1)

        assert server.requests[0].outcome == "disconnected"


class Endless:
    """Says one word and waits for ever."""

    is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        try:
            while True:
                yield TextDelta(text="word")
        finally:
            self.is_closed = True

    async def close(self) -> None:
        return


async def test_leaving_a_stream_early_ends_the_adapters_stream_before_anything_else_happens() -> None:
    model = Endless()
    stream = ModelRouter(keys=EnvironmentKeys({}), scripted=model).stream(request(spec("scripted/x")))
    await anext(stream)

    await stream.aclose()

    assert model.is_closed


async def test_a_router_that_was_closed_can_be_used_again(router: ModelRouter) -> None:
    async with ScriptedServer([always(says("again"))]) as server:
        model = spec("m", api_base=server.url)
        await text(router, model)
        await router.close()
        assert await text(router, model) == "again"


@pytest.mark.parametrize(
    ("name", "fields", "provider", "endpoint", "variable"),
    [
        ("gpt-4o", {}, "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("stub/m", {"api_base": "http://h:1/v1/"}, "stub", "http://h:1/v1", None),
        ("m", {"api_base": "http://h:1"}, "openai-compatible", "http://h:1", None),
        ("anthropic/claude", {}, "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
        ("bedrock/claude", {}, "bedrock", "chosen by litellm", None),
        ("scripted/x", {}, "scripted", "in process", None),
    ],
)
def test_the_catalog_says_provider_endpoint_and_key(
    name: str, fields: dict[str, Any], provider: str, endpoint: str, variable: str | None
) -> None:
    catalog, model = ModelRouter(keys=EnvironmentKeys({})), spec(name, **fields)

    assert (catalog.provider(model), catalog.endpoint(model), catalog.key_variable(model)) == (
        provider,
        endpoint,
        variable,
    )


def test_an_unknown_provider_is_a_user_error() -> None:
    with pytest.raises(UserError, match="`stub`"):
        ModelRouter(keys=EnvironmentKeys({})).provider(spec("stub/m"))


class OneModel:
    """Knows one model by heart."""

    def price(self, model: str) -> Price | None:
        return None

    def info(self, model: str) -> ModelInfo | None:
        if model != "stub/m-1":
            return None
        return ModelInfo(name=model, tools=True, context_window=1000, max_output=100, images=True)


async def test_what_an_endpoint_does_not_say_of_a_model_comes_from_the_price_book() -> None:
    router = ModelRouter(keys=EnvironmentKeys({}), prices=OneModel(), timeout=5)
    async with ScriptedServer([always(says("x"), model="m-1"), always(says("x"), model="m-2")]) as server:
        found = await router.discover(spec("stub/m-1", api_base=server.url))

    assert [info.model_dump(exclude_defaults=True) for info in found if info.name == "stub/m-1"] == [
        {"name": "stub/m-1", "tools": True, "context_window": 1000, "max_output": 100, "images": True}
    ]
    assert [info.name for info in found] == ["stub/m-1", "stub/m-2"]


async def test_discovering_without_a_needed_key_sends_nothing() -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        await ModelRouter(keys=EnvironmentKeys({})).discover(spec("openai/gpt-4o"))


async def test_a_scripted_model_is_its_own_catalogue(router: ModelRouter) -> None:
    assert await router.discover(spec("scripted/x")) == [ModelInfo(name="scripted/x", tools=True)]


def test_importing_and_asking_the_router_loads_neither_httpx_nor_litellm() -> None:
    code = """
import sys
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.models import ModelSpec, Tier
router = ModelRouter(keys=EnvironmentKeys({}))
router.endpoint(ModelSpec(name="anthropic/claude", tier=Tier.STRONG))
print(sorted({"httpx", "httpcore", "litellm", "openai", "tiktoken", "aiohttp", "rich"} & set(sys.modules)))
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert shown.stdout == "[]\n"


async def test_a_direct_call_never_imports_litellm() -> None:
    code = """
import asyncio, sys
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.models import ModelRequest, ModelSpec, Tier, UserMessage
async def main(base):
    router = ModelRouter(keys=EnvironmentKeys({}))
    model = ModelSpec(name="stub/m", tier=Tier.WEAK, api_base=base)
    request = ModelRequest(model=model, system="s", messages=(UserMessage(text="hi"),), max_tokens=9)
    *_, reply = [part async for part in router.stream(request)]
    await router.close()
    print(reply.message.text, sorted({"litellm", "openai", "rich", "h2"} & set(sys.modules)))
asyncio.run(main(sys.argv[1]))
"""
    async with ScriptedServer([always(says("hello"))]) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", code, server.url, stdout=asyncio.subprocess.PIPE
        )
        shown, _ = await process.communicate()

    assert shown == b"hello []\n"


@pytest.mark.parametrize(
    ("name", "configured", "takes"),
    [
        ("stub/m-1", "auto", True),
        ("stub/m-1", "no", False),
        ("stub/m-2", "auto", None),
        ("stub/m-2", "yes", True),
        ("scripted/x", "auto", True),
    ],
)
def test_a_model_takes_images_as_configured_else_as_its_data_says(
    name: str, configured: Any, takes: bool | None
) -> None:
    router = ModelRouter(keys=EnvironmentKeys({}), prices=OneModel())

    assert router.takes_images(spec(name, api_base="http://127.0.0.1:9/v1", images=configured)) is takes
