from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.providers import PROVIDERS, Route, require_key, resolve
from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import ModelSpec, Tier

BASE = "http://127.0.0.1:8080/v1"
KEYS = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_API_KEY": "sk-ant", "MINE": "sk-mine"}


def route(name: str, environ: dict[str, str] | None = None, **fields: Any) -> Route:
    spec = ModelSpec(name=name, tier=Tier.WEAK, **fields)
    return resolve(spec, EnvironmentKeys(KEYS if environ is None else environ))


@pytest.mark.parametrize(
    ("name", "fields", "via", "model", "base"),
    [
        ("gpt-4o", {}, "direct", "gpt-4o", "https://api.openai.com/v1"),
        ("openai/gpt-4o", {}, "direct", "gpt-4o", "https://api.openai.com/v1"),
        ("openrouter/qwen/qwen3", {}, "direct", "qwen/qwen3", "https://openrouter.ai/api/v1"),
        ("groq/llama", {}, "direct", "llama", "https://api.groq.com/openai/v1"),
        ("m-1", {"api_base": BASE}, "direct", "m-1", BASE),
        ("stub/m-1", {"api_base": BASE}, "direct", "m-1", BASE),
        ("openai/m-1", {"api_base": BASE + "/"}, "direct", "m-1", BASE),
        ("openai-compatible/Qwen/Qwen3", {"api_base": BASE}, "direct", "Qwen/Qwen3", BASE),
        ("m-1", {"api_base": BASE + "/chat/completions"}, "direct", "m-1", BASE),
        ("deepseek/deepseek-chat", {}, "direct", "deepseek-chat", "https://api.deepseek.com/v1"),
        ("mistral/large", {}, "direct", "large", "https://api.mistral.ai/v1"),
        ("together_ai/a/b", {}, "direct", "a/b", "https://api.together.xyz/v1"),
        ("fireworks_ai/a", {}, "direct", "a", "https://api.fireworks.ai/inference/v1"),
        ("cerebras/a", {}, "direct", "a", "https://api.cerebras.ai/v1"),
        ("xai/grok", {}, "direct", "grok", "https://api.x.ai/v1"),
        ("moonshot/kimi", {}, "direct", "kimi", "https://api.moonshot.ai/v1"),
        ("hosted_vllm/a/b", {}, "direct", "a/b", "http://localhost:8000/v1"),
        ("lm_studio/a", {}, "direct", "a", "http://localhost:1234/v1"),
        ("llama_cpp/a", {}, "direct", "a", "http://localhost:8080/v1"),
        ("llama_cpp/a", {"adapter": "litellm"}, "litellm", "openai/a", "http://localhost:8080/v1"),
        ("anthropic/claude", {}, "direct", "claude", "https://api.anthropic.com/v1"),
        ("anthropic/claude", {"api_base": BASE}, "direct", "claude", BASE),
        ("anthropic/claude", {"api_base": "http://h/anthropic/"}, "direct", "claude", "http://h/anthropic/v1"),
        ("anthropic/claude", {"api_base": BASE + "/messages"}, "direct", "claude", BASE),
        ("anthropic/claude", {"api_base": BASE, "adapter": "direct"}, "direct", "claude", BASE),
        ("anthropic/claude", {"adapter": "litellm"}, "litellm", "anthropic/claude", "https://api.anthropic.com"),
        (
            "anthropic/claude",
            {"adapter": "litellm", "api_base": BASE},
            "litellm",
            "anthropic/claude",
            "http://127.0.0.1:8080",
        ),
        ("gemini/flash", {}, "direct", "flash", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("gemini/flash", {"api_base": BASE}, "direct", "flash", BASE),
        (
            "gemini/flash",
            {"adapter": "litellm"},
            "litellm",
            "gemini/flash",
            "https://generativelanguage.googleapis.com",
        ),
        ("ollama/llama3", {}, "direct", "llama3", "http://localhost:11434/v1"),
        ("ollama/llama3", {"api_base": "http://box:11434"}, "direct", "llama3", "http://box:11434/v1"),
        ("ollama/llama3", {"api_base": "http://box:11434/v1"}, "direct", "llama3", "http://box:11434/v1"),
        ("ollama/llama3", {"adapter": "litellm"}, "litellm", "ollama_chat/llama3", "http://localhost:11434"),
        (
            "ollama/llama3",
            {"adapter": "litellm", "api_base": "http://box:11434/v1"},
            "litellm",
            "ollama_chat/llama3",
            "http://box:11434",
        ),
        ("bedrock/anthropic.claude", {}, "litellm", "bedrock/anthropic.claude", None),
        ("openai/gpt-4o", {"adapter": "litellm"}, "litellm", "openai/gpt-4o", "https://api.openai.com/v1"),
        ("gpt-4o", {"adapter": "litellm"}, "litellm", "openai/gpt-4o", "https://api.openai.com/v1"),
        ("m-1", {"adapter": "litellm", "api_base": BASE}, "litellm", "openai/m-1", BASE),
        ("stub/m-1", {"adapter": "litellm", "api_base": BASE}, "litellm", "openai/m-1", BASE),
        ("sambanova/m-1", {"adapter": "litellm"}, "litellm", "sambanova/m-1", None),
        ("scripted/strong", {}, "scripted", "strong", None),
        ("strong", {"adapter": "scripted"}, "scripted", "strong", None),
    ],
)
def test_a_name_leads_to_adapter_model_and_endpoint(
    name: str, fields: dict[str, Any], via: str, model: str, base: str | None
) -> None:
    found = route(name, **fields)

    assert (found.via, found.model, found.base) == (via, model, base)


@pytest.mark.parametrize(
    ("name", "fields", "variable", "key"),
    [
        ("gpt-4o", {}, "OPENAI_API_KEY", "sk-openai"),
        ("groq/llama", {}, "GROQ_API_KEY", None),
        ("gemini/flash", {}, "GEMINI_API_KEY", None),
        ("ollama/llama3", {}, None, None),
        ("together_ai/a", {}, "TOGETHER_API_KEY", None),
        ("mistral/a", {}, "MISTRAL_API_KEY", None),
        ("openai/m-1", {"api_base": BASE}, "OPENAI_API_KEY", "sk-openai"),
        ("groq/m-1", {"api_base": BASE}, None, None),
        ("groq/m-1", {"api_base": BASE, "api_key_env": "MINE"}, "MINE", "sk-mine"),
        ("gpt-4o", {"api_key_env": "MINE"}, "MINE", "sk-mine"),
        ("scripted/strong", {}, None, None),
    ],
)
def test_the_key_comes_from_the_named_or_the_usual_variable(
    name: str, fields: dict[str, Any], variable: str | None, key: str | None
) -> None:
    found = route(name, **fields)

    assert (found.key_variable, found.key) == (variable, key)


def test_the_first_usual_variable_that_is_set_counts() -> None:
    found = route("gemini/flash", {"GOOGLE_API_KEY": "g", "GEMINI_API_KEY": " "})

    assert (found.key_variable, found.key) == ("GOOGLE_API_KEY", "g")


def test_ollamas_key_is_sent_when_there_is_one_and_not_missed() -> None:
    assert route("ollama/llama3", {"OLLAMA_API_KEY": "k"}).key == "k"
    assert route("ollama/llama3", {}).key_variable is None


@pytest.mark.parametrize("adapter", ["auto", "litellm"])
@pytest.mark.parametrize(
    ("name", "base", "root"),
    [
        ("ollama/x", "http://box:1/v1", "http://box:1"),
        ("gemini/x", "http://box:1/v1beta/openai", "http://box:1"),
        ("anthropic/x", "http://box:1/v1", "http://box:1"),
        ("openai/x", "http://box:1/v1", "http://box:1/v1"),
    ],
)
def test_a_providers_own_forms_begin_above_our_wire(name: str, base: str, root: str, adapter: str) -> None:
    assert route(name, api_base=base, adapter=adapter).root == root


@pytest.mark.parametrize("name", ["m-1", "stub/m-1", "openai-compatible/m-1"])
def test_a_providers_key_never_goes_to_an_endpoint_that_the_model_does_not_name_as_that_provider(name: str) -> None:
    assert route(name, api_base=BASE).key is None


@pytest.mark.parametrize(
    ("name", "fields", "needed"),
    [
        ("groq/llama", {}, "GROQ_API_KEY"),
        ("m-1", {"api_base": BASE, "api_key_env": "NOT_THERE"}, "NOT_THERE"),
        ("openai/gpt-4o", {"api_key_env": "QUOTED"}, "QUOTED"),
    ],
)
def test_a_missing_or_unusable_key_stops_before_anything_is_sent(
    name: str, fields: dict[str, Any], needed: str
) -> None:
    with pytest.raises(ModelError) as caught:
        require_key(route(name, {"QUOTED": "“sk-secret”"}, **fields))

    error = caught.value
    assert (error.kind, error.sent, error.retryable) == (ModelErrorKind.AUTH, False, False)
    assert needed in str(error)
    assert f"export {needed}=" in error.hint
    assert "sk-secret" not in str(error) + error.hint


@pytest.mark.parametrize(
    ("name", "fields"), [("ollama/x", {}), ("m", {"api_base": BASE}), ("openai/m", {"api_base": BASE})]
)
def test_no_key_is_needed_for_local_models_and_endpoints_of_ones_own(name: str, fields: dict[str, Any]) -> None:
    require_key(route(name, {}, **fields))


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="`stub`") as caught:
        route("stub/m-1")

    assert "anthropic, azure" in caught.value.hint
    assert "llm.api_base" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("m", {"api_base": "127.0.0.1:8080"}, "api_base"),
        ("m", {"api_base": "http://[::1"}, "api_base"),
        ("m", {"api_base": "ftp://host/v1"}, "api_base"),
        ("bedrock/claude", {"adapter": "direct"}, "OpenAI wire"),
        ("openai-compatible/m", {}, "no endpoint"),
    ],
)
def test_what_cannot_be_called_is_told_with_a_way_out(name: str, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        route(name, **fields)

    assert "llm.api_base" in caught.value.hint or "http://" in caught.value.hint


def test_a_bare_name_that_openai_refuses_is_hinted_at_its_provider() -> None:
    assert "`provider/claude-4`" in route("claude-4").hint


@pytest.mark.parametrize(
    ("base", "is_loopback"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.9.1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://api.localhost", True),
        ("https://localhost.example.com", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_loopback_is_told_by_the_host(base: str, is_loopback: bool) -> None:
    assert route("m", api_base=base).is_loopback is is_loopback


def test_a_route_shown_does_not_show_its_key() -> None:
    assert "sk-openai" not in repr(route("gpt-4o"))


def test_every_direct_provider_can_be_listed_and_names_a_sound_endpoint() -> None:
    for provider in PROVIDERS.values():
        assert not provider.direct or provider.lists is not None
        assert not provider.path or provider.endpoint is not None
        assert provider.endpoint is None or provider.endpoint == provider.endpoint.rstrip("/")
