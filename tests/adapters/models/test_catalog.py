"""Lists of models in the shapes that providers publish them."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import ModelInfo, ModelSpec, Tier
from tests.adapters.direct.wire import STAYS_OPEN, Pieces, RawServer, error, raw_server, whole

KEY = "sk-list-0123456789abcdef"


async def discover(
    *answers: Pieces, name: str = "stub/m", path: str = "/v1", **fields: Any
) -> tuple[Sequence[ModelInfo], RawServer]:
    router = ModelRouter(keys=EnvironmentKeys({"KEY": KEY}), timeout=2)
    async with raw_server(*answers) as server:
        spec = ModelSpec(name=name, tier=Tier.WEAK, api_base=server.base + path, api_key_env="KEY", **fields)
        return await router.discover(spec), server


def listed(*rows: dict[str, Any], under: str = "data") -> Pieces:
    return whole(200, {under: list(rows)})


async def test_a_plain_openai_list_names_the_models_in_order_and_leaves_tools_open() -> None:
    found, server = await discover(listed({"id": "b"}, {"id": "a", "object": "model"}))

    assert found == [ModelInfo(name="stub/a"), ModelInfo(name="stub/b")]
    assert server.paths == ["/v1/models"]
    assert server.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("row", "info"),
    [
        (
            {
                "id": "x",
                "context_length": 131072,
                "top_provider": {"max_completion_tokens": 16384},
                "supported_parameters": ["tools", "temperature"],
            },
            {"tools": True, "context_window": 131072, "max_output": 16384},
        ),
        ({"id": "x", "supported_parameters": ["temperature"]}, {"tools": False}),
        (
            {
                "id": "x",
                "max_context_length": 32768,
                "capabilities": {"completion_chat": True, "function_calling": True},
            },
            {"tools": True, "context_window": 32768},
        ),
        (
            {"id": "x", "context_window": 8192, "max_completion_tokens": 4096},
            {"context_window": 8192, "max_output": 4096},
        ),
        ({"id": "x", "max_model_len": 4096}, {"context_window": 4096}),
        ({"id": "x", "capabilities": ["completion", "tools"]}, {"tools": True}),
        ({"id": "x", "context_length": "big", "capabilities": None}, {}),
    ],
    ids=["openrouter", "openrouter without tools", "mistral", "groq", "vllm", "list of capabilities", "nonsense"],
)
async def test_what_an_endpoint_says_of_a_model_is_read(row: dict[str, Any], info: dict[str, Any]) -> None:
    found, _ = await discover(listed(row))

    assert [model.model_dump(exclude_none=True) for model in found] == [{"name": "stub/x", **info}]


async def test_models_that_do_not_chat_are_left_out() -> None:
    found, _ = await discover(listed({"id": "embed", "capabilities": {"completion_chat": False}}, {"no": "id"}))

    assert found == []


async def test_a_bare_list_is_read() -> None:
    found, _ = await discover(whole(200, json.dumps([{"id": "a"}]).encode()), name="a")

    assert found == [ModelInfo(name="a")]


@pytest.mark.parametrize(
    ("configured", "offered", "name"),
    [
        ("stub/m", "Qwen/Qwen3", "stub/Qwen/Qwen3"),
        ("m", "qwen3", "qwen3"),
        ("m", "Qwen/Qwen3", "openai-compatible/Qwen/Qwen3"),
        ("openai/m", "qwen3", "openai/qwen3"),
    ],
)
async def test_names_are_given_as_the_configuration_would_write_them(configured: str, offered: str, name: str) -> None:
    found, _ = await discover(listed({"id": offered}), name=configured)

    assert [info.name for info in found] == [name]


@pytest.mark.parametrize("first", [whole(404, b"nope"), whole(200, b"<html>a screen</html>", content_type="text/html")])
async def test_a_base_without_a_path_is_asked_under_v1_too(first: Pieces) -> None:
    found, server = await discover(first, listed({"id": "a"}), path="")

    assert found == [ModelInfo(name="stub/a")]
    assert server.paths == ["/models", "/v1/models"]


@pytest.mark.parametrize("first", [error(500, "oops"), error(401, "no"), [STAYS_OPEN]])
async def test_an_endpoint_that_fails_is_not_asked_elsewhere(first: Pieces) -> None:
    router = ModelRouter(keys=EnvironmentKeys({}), timeout=0.2)
    async with raw_server(first) as server:
        with pytest.raises(ModelError):
            await router.discover(ModelSpec(name="m", tier=Tier.WEAK, api_base=server.base))

        assert server.paths == ["/models"]


async def test_anthropics_list_is_asked_in_its_own_way() -> None:
    found, server = await discover(listed({"type": "model", "id": "claude-9"}), name="anthropic/x", path="")

    assert found == [ModelInfo(name="anthropic/claude-9")]
    assert server.paths == ["/v1/models?limit=1000"]
    assert server.requests[0]["headers"]["x-api-key"] == KEY
    assert "authorization" not in server.requests[0]["headers"]


async def test_geminis_list_is_asked_in_its_own_way() -> None:
    rows = (
        {
            "name": "models/flash",
            "inputTokenLimit": 1000,
            "outputTokenLimit": 50,
            "supportedGenerationMethods": ["generateContent"],
        },
        {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
    )
    found, server = await discover(listed(*rows, under="models"), name="gemini/x", path="")

    assert found == [ModelInfo(name="gemini/flash", context_window=1000, max_output=50)]
    assert server.requests[0]["headers"]["x-goog-api-key"] == KEY
    assert KEY not in server.paths[0]


async def test_ollama_is_asked_what_each_model_can_do() -> None:
    found, server = await discover(
        listed({"name": "llama3:8b"}, {"name": "tiny"}, under="models"),
        whole(200, {"capabilities": ["completion", "tools"]}),
        whole(200, {"capabilities": ["completion"]}),
        name="ollama/x",
        path="",
    )

    assert server.paths == ["/api/tags", "/api/show", "/api/show"]
    asked = [request["body"]["model"] for request in server.requests[1:]]
    can = {f"ollama/{asked[0]}": True, f"ollama/{asked[1]}": False}
    assert {info.name: info.tools for info in found} == can
    assert set(can) == {"ollama/llama3:8b", "ollama/tiny"}


async def test_a_list_may_be_refused() -> None:
    with pytest.raises(ModelError) as caught:
        await discover(error(401, "invalid"))

    assert caught.value.kind is ModelErrorKind.AUTH
    assert "KEY" in caught.value.hint


@pytest.mark.parametrize("body", [b"not json", b'{"data": 7}', b"[[[" * 9])
async def test_a_list_that_cannot_be_read_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        await discover(whole(200, body))

    assert caught.value.kind is ModelErrorKind.BAD_RESPONSE


async def test_an_endpoint_that_is_down_is_named() -> None:
    async with raw_server([b""]) as server:
        base = server.base

    with pytest.raises(ModelError, match="cannot reach") as caught:
        await ModelRouter(keys=EnvironmentKeys({}), timeout=2).discover(
            ModelSpec(name="m", tier=Tier.WEAK, api_base=base)
        )

    assert base in str(caught.value)
    assert caught.value.kind is ModelErrorKind.UNREACHABLE


async def test_a_provider_without_a_list_says_so() -> None:
    with pytest.raises(UserError, match="bedrock"):
        await ModelRouter(keys=EnvironmentKeys({})).discover(ModelSpec(name="bedrock/x", tier=Tier.WEAK))
