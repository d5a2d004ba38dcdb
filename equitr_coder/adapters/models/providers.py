"""The providers we know by name, and where a configured model leads: provider, endpoint, key, adapter.

Pure: a table and its reading. Nothing here opens a connection or imports a provider library.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import ModelSpec
from equitr_coder.ports import KeyStore

ListShape = Literal["openai", "anthropic", "gemini", "ollama"]

COMPATIBLE = "openai-compatible"
"""Provider of a bare model name with an `api_base`: an endpoint of the person's own."""


@dataclass(frozen=True)
class Provider:
    """One row of the table."""

    name: str
    keys: tuple[str, ...] = ()
    """Usual variables of the key; the first that is set counts. Empty: none is needed, or several make up one login."""
    endpoint: str | None = None
    direct: bool = False
    """Speaks OpenAI chat completions, so that no library is needed."""
    lists: ListShape | None = None
    """The shape of its list of models."""
    caches: bool = False
    """Known to cache prefixes, by itself or by our marks."""
    litellm: str = ""
    """What litellm calls it; empty: the same."""


PROVIDERS = {
    row.name: row
    for row in (
        Provider("openai", ("OPENAI_API_KEY",), "https://api.openai.com/v1", direct=True, lists="openai", caches=True),
        Provider("openrouter", ("OPENROUTER_API_KEY",), "https://openrouter.ai/api/v1", direct=True, lists="openai"),
        Provider("groq", ("GROQ_API_KEY",), "https://api.groq.com/openai/v1", direct=True, lists="openai"),
        Provider(
            "deepseek", ("DEEPSEEK_API_KEY",), "https://api.deepseek.com/v1", direct=True, lists="openai", caches=True
        ),
        Provider("mistral", ("MISTRAL_API_KEY",), "https://api.mistral.ai/v1", direct=True, lists="openai"),
        Provider(COMPATIBLE, direct=True, lists="openai", litellm="openai"),
        Provider("hosted_vllm", endpoint="http://localhost:8000/v1", direct=True, lists="openai"),
        Provider("lm_studio", endpoint="http://localhost:1234/v1", direct=True, lists="openai"),
        Provider("anthropic", ("ANTHROPIC_API_KEY",), "https://api.anthropic.com", lists="anthropic", caches=True),
        Provider(
            "gemini",
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            "https://generativelanguage.googleapis.com",
            lists="gemini",
        ),
        # litellm's own `ollama` forces every answer into JSON when tools are offered
        Provider("ollama", endpoint="http://localhost:11434", lists="ollama", litellm="ollama_chat"),
        Provider("ollama_chat", endpoint="http://localhost:11434", lists="ollama"),
        Provider("azure", ("AZURE_API_KEY",)),
        Provider("bedrock"),
        Provider("vertex_ai"),
        Provider("cerebras", ("CEREBRAS_API_KEY",), "https://api.cerebras.ai/v1", lists="openai"),
        Provider("cohere", ("COHERE_API_KEY",)),
        Provider("fireworks_ai", ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY")),
        Provider("moonshot", ("MOONSHOT_API_KEY",)),
        Provider("perplexity", ("PERPLEXITYAI_API_KEY",)),
        Provider("together_ai", ("TOGETHERAI_API_KEY",), "https://api.together.ai/v1", lists="openai"),
        Provider("xai", ("XAI_API_KEY",), "https://api.x.ai/v1", lists="openai"),
    )
}


@dataclass(frozen=True)
class Route:
    """Where one configured model leads."""

    provider: Provider
    via: Literal["scripted", "direct", "litellm"]
    model: str
    """The name as the adapter takes it: on the wire for `direct`, litellm's own for `litellm`."""
    base: str | None
    """Endpoint, without a slash at the end; None when litellm decides."""
    is_own_endpoint: bool
    """The configuration names the endpoint, so a missing key is no error."""
    key_variable: str | None = None
    key: str | None = field(default=None, repr=False)
    hint: str = ""
    """What else to know when the provider refuses."""

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def is_loopback(self) -> bool:
        host = urlsplit(self.base or "").hostname or ""
        return host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")


Resolve = Callable[[ModelSpec], Route]


def resolve(spec: ModelSpec, keys: KeyStore) -> Route:
    """Read one configured model.

    Raises:
        UserError: the prefix is unknown and there is no `api_base`, or the adapter cannot serve the provider.
    """
    prefix, rest = _split(spec.name)
    if spec.adapter == "scripted" or (prefix == "scripted" and spec.adapter == "auto"):
        return Route(Provider("scripted"), "scripted", rest, None, is_own_endpoint=True)
    provider = _provider(spec, prefix)
    base = spec.api_base or provider.endpoint
    via = _adapter(spec, provider)
    variable, key = _key(spec, provider, keys)
    return Route(
        provider=provider,
        via=via,
        model=rest if via == "direct" else f"{provider.litellm or provider.name}/{rest}",
        base=_base(base) if base else None,
        is_own_endpoint=spec.api_base is not None,
        key_variable=variable,
        key=key,
        hint=_hint(spec, provider, prefix, rest),
    )


def require_key(route: Route) -> None:
    """Stop before anything is sent when a key is needed and not there.

    Raises:
        ModelError: kind AUTH, never sent; names the variable.
    """
    if route.key_variable is None:
        return
    if route.key is not None and route.key.isascii() and route.key.isprintable() and " " not in route.key:
        return
    what = "is not set" if route.key is None else "holds characters that no key has"
    raise ModelError(
        f"no key for {route.name}: {route.key_variable} {what}",
        kind=ModelErrorKind.AUTH,
        provider=route.name,
        hint=f"Run `export {route.key_variable}=...` and then `equitrcoder doctor`.",
        sent=False,
    )


def _base(url: str) -> str:
    hint = "Write it like http://127.0.0.1:8080/v1."
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(f"api_base `{url}` is no URL: {error}", hint=hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"api_base `{url}` is no URL", hint=hint)
    return url.rstrip("/").removesuffix("/chat/completions")


def _split(name: str) -> tuple[str, str]:
    prefix, slash, rest = name.partition("/")
    return (prefix, rest) if slash and rest else ("", name)


def _provider(spec: ModelSpec, prefix: str) -> Provider:
    if not prefix:
        return PROVIDERS[COMPATIBLE] if spec.api_base else PROVIDERS["openai"]
    if prefix in PROVIDERS:
        return PROVIDERS[prefix]
    if spec.api_base:
        return Provider(prefix, direct=True, lists="openai", litellm="openai")
    if spec.adapter == "litellm":
        return Provider(prefix)
    raise UserError(
        f"model {spec.name}: no provider is called `{prefix}` and no api_base is set",
        hint=f"Known providers: {', '.join(sorted(PROVIDERS))}. For an endpoint of your own set llm.api_base; "
        "for any other provider of litellm set llm.adapter: litellm.",
    )


def _adapter(spec: ModelSpec, provider: Provider) -> Literal["direct", "litellm"]:
    if spec.adapter == "litellm":
        return "litellm"
    if spec.adapter == "direct" and not (provider.direct or spec.api_base):
        raise UserError(
            f"model {spec.name}: {provider.name} does not speak the OpenAI wire",
            hint="Set llm.adapter: auto, or llm.api_base to an endpoint that speaks it.",
        )
    if provider.name == COMPATIBLE and not spec.api_base:
        raise UserError(f"model {spec.name}: no endpoint", hint="Set llm.api_base to the endpoint's URL.")
    return "direct" if provider.direct or spec.adapter == "direct" else "litellm"


def _key(spec: ModelSpec, provider: Provider, keys: KeyStore) -> tuple[str | None, str | None]:
    """The variable and what it holds.

    A variable named in the configuration is needed. The provider's usual one goes to an endpoint of the person's own
    only when the model names that provider, and may be missing there.
    """
    if spec.api_key_env:
        return spec.api_key_env, keys.get(spec.api_key_env)
    for variable in provider.keys:
        if key := keys.get(variable):
            return variable, key
    needed = provider.keys and not spec.api_base
    return (provider.keys[0] if needed else None), None


def _hint(spec: ModelSpec, provider: Provider, prefix: str, rest: str) -> str:
    if not prefix and not spec.api_base:
        return f"A bare name means OpenAI; for another provider write it as `provider/{spec.name}`."
    if prefix and prefix not in PROVIDERS and provider.direct:
        return f"It was asked for as `{rest}`; to keep the prefix write `{COMPATIBLE}/{spec.name}`."
    return ""
