"""The providers we know by name, and where a configured model leads: provider, endpoint, key, adapter.

Pure: a table and its reading. Nothing here opens a connection or imports a provider library.
"""

import re
from collections.abc import Callable
from dataclasses import field
from typing import Literal
from urllib.parse import urlsplit

from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import ModelSpec
from equitr_coder.ports import KeyStore

ListShape = Literal["openai", "anthropic", "gemini", "ollama"]
Wire = Literal["openai", "anthropic"]

COMPATIBLE = "openai-compatible"
"""Provider of a bare model name with an `api_base`: an endpoint of the person's own."""


@frozen
class Provider:
    """One row of the table."""

    name: str
    keys: tuple[str, ...] = ()
    """Usual variables of the key; the first that is set counts. Empty: none is needed, or several make up one login."""
    endpoint: str | None = None
    path: str = ""
    """Where our wire is spoken beneath the endpoint, at which the provider's own forms begin."""
    wire: Wire | None = None
    """What it speaks that we speak too, so that no library is needed; None leaves it to litellm."""
    lists: ListShape | None = None
    """The shape of its list of models."""
    caches: bool = False
    """Known to cache prefixes, by itself or by our marks."""
    litellm: str = ""
    """What litellm calls it; empty: the same."""
    needs_key: bool = True
    """False: a key is sent when it is set, and nothing is amiss without one."""
    health: str = ""
    """What to ask, beneath the wire's path, whether the key holds, where the list of models is open to everybody."""
    reports_cost: bool = False
    """The `cost` in its usage is US dollars."""

    @property
    def direct(self) -> bool:
        return self.wire is not None


def _compatible(name: str, key: str, endpoint: str, *more_keys: str, caches: bool = False) -> Provider:
    """A provider that documents its endpoint as OpenAI's, its list of models included."""
    return Provider(name, (key, *more_keys), endpoint, wire="openai", lists="openai", caches=caches)


def _local(name: str, endpoint: str, *, litellm: str = "") -> Provider:
    return Provider(name, endpoint=endpoint, wire="openai", lists="openai", litellm=litellm)


PROVIDERS = {
    row.name: row
    for row in (
        _compatible("openai", "OPENAI_API_KEY", "https://api.openai.com/v1", caches=True),
        Provider(
            "openrouter",
            ("OPENROUTER_API_KEY",),
            "https://openrouter.ai/api/v1",
            wire="openai",
            lists="openai",
            health="/key",
            reports_cost=True,
        ),
        _compatible("groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1"),
        _compatible("deepseek", "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1", caches=True),
        _compatible("mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1"),
        _compatible("cerebras", "CEREBRAS_API_KEY", "https://api.cerebras.ai/v1"),
        _compatible("xai", "XAI_API_KEY", "https://api.x.ai/v1", caches=True),
        _compatible("moonshot", "MOONSHOT_API_KEY", "https://api.moonshot.ai/v1", caches=True),
        _compatible("together_ai", "TOGETHER_API_KEY", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
        _compatible(
            "fireworks_ai", "FIREWORKS_API_KEY", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"
        ),
        Provider(
            "anthropic",
            ("ANTHROPIC_API_KEY",),
            "https://api.anthropic.com",
            path="/v1",
            wire="anthropic",
            lists="anthropic",
            caches=True,
        ),
        Provider(
            "gemini",
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            "https://generativelanguage.googleapis.com",
            path="/v1beta/openai",
            wire="openai",
            lists="gemini",
            caches=True,
        ),
        Provider(
            "ollama",
            ("OLLAMA_API_KEY",),
            "http://localhost:11434",
            path="/v1",
            wire="openai",
            lists="ollama",
            litellm="ollama_chat",  # litellm's own `ollama` forces every answer into JSON when tools are offered
            needs_key=False,
        ),
        Provider("ollama_chat", endpoint="http://localhost:11434", path="/v1", wire="openai", lists="ollama"),
        Provider(COMPATIBLE, wire="openai", lists="openai", litellm="openai"),
        _local("hosted_vllm", "http://localhost:8000/v1"),
        _local("lm_studio", "http://localhost:1234/v1"),
        _local("llama_cpp", "http://localhost:8080/v1", litellm="openai"),
        Provider("azure", ("AZURE_API_KEY",)),
        Provider("bedrock"),
        Provider("vertex_ai"),
        Provider("cohere", ("COHERE_API_KEY",)),
        Provider("perplexity", ("PERPLEXITYAI_API_KEY",)),
    )
}

_VERSIONED = re.compile(r"/v\d+(beta)?(/openai)?$")
"""The end of a base that already says where the wire is spoken."""


@frozen
class Route:
    """Where one configured model leads."""

    provider: Provider
    via: Literal["scripted", "direct", "litellm"]
    model: str
    """The name as the adapter takes it: on the wire for `direct`, litellm's own for `litellm`."""
    base: str | None
    """Where the adapter speaks, without a slash at the end; None when litellm decides."""
    is_own_endpoint: bool
    """The configuration names the endpoint, so a missing key is no error."""
    key_variable: str | None = None
    key: str | None = field(default=None, repr=False)
    is_stored: bool = False
    """The key comes from the key store, not from the environment."""
    hint: str = ""
    """What else to know when the provider refuses."""
    root: str | None = None
    """Where the provider's own forms begin; the same as `base` for most."""

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def is_loopback(self) -> bool:
        host = urlsplit(self.base or "").hostname or ""
        return host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")


Resolve = Callable[[ModelSpec], Route]


def resolve(spec: ModelSpec, keys: KeyStore, *, with_key: bool = True) -> Route:
    """Read one configured model. Without the key no store is opened and nobody is asked for a passphrase.

    Raises:
        UserError: the prefix is unknown and there is no `api_base`, the adapter cannot serve the provider, or the key
            is in a store that cannot be opened.
    """
    prefix, rest = _split(spec.name)
    if spec.adapter == "scripted" or (prefix == "scripted" and spec.adapter == "auto"):
        return Route(Provider("scripted"), "scripted", rest, None, is_own_endpoint=True)
    provider = _provider(spec, prefix)
    via = _adapter(spec, provider)
    base, root = _addresses(spec, provider, is_direct=via == "direct")
    variable = _key_variable(spec, provider, keys)
    key = keys.get(variable) if with_key and variable is not None else None
    return Route(
        provider=provider,
        via=via,
        model=rest if via == "direct" else f"{provider.litellm or provider.name}/{rest}",
        base=base,
        is_own_endpoint=spec.api_base is not None,
        key_variable=variable,
        key=key,
        is_stored=_is_stored(variable, keys),
        hint=_hint(spec, provider, prefix, rest),
        root=root,
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
    way = "rotate" if route.is_stored else "set"
    raise ModelError(
        f"no key for {route.name}: {route.key_variable} {what}",
        kind=ModelErrorKind.AUTH,
        provider=route.name,
        hint=f"Run `export {route.key_variable}=...`, or `equitrcoder keys {way} {route.key_variable}`, and then "
        "`equitrcoder doctor`.",
        sent=False,
    )


def _addresses(spec: ModelSpec, provider: Provider, *, is_direct: bool) -> tuple[str | None, str | None]:
    """Where the adapter speaks, and the root above it."""
    if (url := spec.api_base or provider.endpoint) is None:
        return None, None
    base = _base(url)
    if not provider.path:
        return base, base
    version = _VERSIONED.search(base)
    root = base[: version.start()] if version else base
    if not is_direct:
        return root, root
    return (base if version else base + provider.path), root


def _base(url: str) -> str:
    hint = "Write it like http://127.0.0.1:8080/v1."
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(f"api_base `{url}` is no URL: {error}", hint=hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"api_base `{url}` is no URL", hint=hint)
    return url.rstrip("/").removesuffix("/chat/completions").removesuffix("/messages")


def _split(name: str) -> tuple[str, str]:
    prefix, slash, rest = name.partition("/")
    return (prefix, rest) if slash and rest else ("", name)


def _provider(spec: ModelSpec, prefix: str) -> Provider:
    if not prefix:
        return PROVIDERS[COMPATIBLE] if spec.api_base else PROVIDERS["openai"]
    if prefix in PROVIDERS:
        return PROVIDERS[prefix]
    if spec.api_base:
        return Provider(prefix, wire="openai", lists="openai", litellm="openai")
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
            f"model {spec.name}: {provider.name} speaks neither the OpenAI wire nor Anthropic's",
            hint="Set llm.adapter: auto, or llm.api_base to an endpoint that speaks OpenAI's.",
        )
    if provider.name == COMPATIBLE and not spec.api_base:
        raise UserError(f"model {spec.name}: no endpoint", hint="Set llm.api_base to the endpoint's URL.")
    return "direct" if provider.direct or spec.adapter == "direct" else "litellm"


def _key_variable(spec: ModelSpec, provider: Provider, keys: KeyStore) -> str | None:
    """The name of the variable whose key is sent.

    One named in the configuration is needed. The provider's usual one goes to an endpoint of the person's own only
    when the model names that provider, and may be missing there. What the environment holds comes before the store.
    """
    if spec.api_key_env:
        return spec.api_key_env
    found = {variable: source for variable in provider.keys if (source := keys.source(variable)) is not None}
    for variable, source in found.items():
        if source.kind == "environment":
            return variable
    needed = provider.keys and provider.needs_key and not spec.api_base
    return next(iter(found), provider.keys[0] if needed else None)


def _is_stored(variable: str | None, keys: KeyStore) -> bool:
    source = keys.source(variable) if variable is not None else None
    return source is not None and source.kind != "environment"


def _hint(spec: ModelSpec, provider: Provider, prefix: str, rest: str) -> str:
    if not prefix and not spec.api_base:
        return f"A bare name means OpenAI; for another provider write it as `provider/{spec.name}`."
    if prefix and prefix not in PROVIDERS and provider.direct:
        return f"It was asked for as `{rest}`; to keep the prefix write `{COMPATIBLE}/{spec.name}`."
    return ""


KEY_VARIABLES = frozenset(variable for row in PROVIDERS.values() for variable in row.keys)
"""Every variable that holds the key of a provider."""


def variables_of(name: str) -> tuple[str, ...]:
    """The usual variables of a provider's key; empty for a provider without one and for a name we do not know."""
    return PROVIDERS[name].keys if name in PROVIDERS else ()


def providers_of(variable: str) -> tuple[str, ...]:
    """The providers whose key it usually holds."""
    return tuple(row.name for row in PROVIDERS.values() if variable in row.keys)
