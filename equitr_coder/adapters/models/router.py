"""Picks the adapter for every call by the model's name, and answers what a configured model means.

Importing this loads neither httpx nor litellm; each comes with the first call that needs it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING

from equitr_coder.adapters.models.images import ReadImage, nothing_kept, with_image_data
from equitr_coder.adapters.models.providers import Route, require_key, resolve
from equitr_coder.adapters.models.text_tools.client import ToolProtocol
from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import Delta, ModelInfo, ModelRequest, ModelSpec, Reply
from equitr_coder.ports import KeyStore, Lane, ModelClient, PriceBook

if TYPE_CHECKING:
    from equitr_coder.adapters.models.catalog import EndpointCatalog


class ModelRouter:
    """A `ports.ModelClient` and `ports.ModelCatalog` over all adapters.

    `scripted` serves the models called `scripted/...`; `prices` completes what an endpoint does not say of its
    models; `timeout` is the longest silence of a provider, in seconds; `read_image` gives an image's bytes by its hash.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        scripted: ModelClient | None = None,
        timeout: float = 120.0,
        prices: PriceBook | None = None,
        read_image: ReadImage = nothing_kept,
    ) -> None:
        self._keys = keys
        self._scripted = scripted
        self._timeout = timeout
        self._prices = prices
        self._read_image = read_image
        self._clients: dict[str, ModelClient] = {}
        self._tools = ToolProtocol(prices=prices)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        """As in the port; a key that was replaced while the request was on its way is no reason to fail."""
        route = self._resolve(request.model)
        require_key(route)
        request = await with_image_data(request, self._read_image)
        has_begun = False
        try:
            async with aclosing(self._stream(request, route)) as answer:
                async for part in answer:
                    has_begun = True
                    yield part
        except ModelError as error:
            if error.kind is not ModelErrorKind.AUTH or has_begun:
                raise
            refused, route = route, self._resolve(request.model)
            if route.key in (None, refused.key):
                raise
        else:
            return
        async with aclosing(self._stream(request, route)) as answer:
            async for part in answer:
                yield part

    def _stream(self, request: ModelRequest, route: Route) -> AsyncGenerator[Delta | Reply, None]:
        return self._tools.stream(self._client(route), request, endpoint=(route.base, route.model))

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    async def discover(self, spec: ModelSpec) -> Sequence[ModelInfo]:
        route = self._resolve(spec)
        if route.via == "scripted":
            return [ModelInfo(name=spec.name, tools=True)]
        async with self._catalog(route) as catalog:
            return [self._complete(info) for info in await catalog.discover(spec, route)]

    async def health(self, spec: ModelSpec) -> None:
        """Whether the endpoint of `spec` answers and takes the key. Nothing is generated, nothing is billed.

        Raises:
            ModelError: it cannot be reached, or refused; or the key is missing, and nothing was sent.
            UserError: the provider has nothing that could be asked for free.
        """
        route = self._resolve(spec)
        if route.via != "scripted":
            async with self._catalog(route) as catalog:
                await catalog.check(route)

    def require(self, spec: ModelSpec) -> None:
        """Raises ModelError (AUTH, nothing sent) when the key is missing, and UserError for an unknown prefix."""
        require_key(self._resolve(spec))

    def warm_up(self, spec: ModelSpec) -> None:
        """Load what the first call of this model needs in a thread, while git and the sandbox are asked."""
        if self._outline(spec).via == "direct" and not self._clients:
            from equitr_coder.adapters.direct.transport import warm_up

            Thread(target=warm_up, name="warm-up", daemon=True).start()

    def takes_images(self, spec: ModelSpec) -> bool | None:
        """As configured, else as the price table says; None when nobody says."""
        if spec.images != "auto":
            return spec.images == "yes"
        if self._outline(spec).via == "scripted":
            return True
        known = self._prices.info(spec.name) if self._prices is not None else None
        return known.images if known is not None else None

    def provider(self, spec: ModelSpec) -> str:
        return self._outline(spec).name

    def endpoint(self, spec: ModelSpec) -> str:
        route = self._outline(spec)
        if route.via == "scripted":
            return "in process"
        return route.base or "chosen by litellm"

    def key_variable(self, spec: ModelSpec) -> str | None:
        return self._outline(spec).key_variable

    def lane(self, spec: ModelSpec) -> Lane:
        route = self._outline(spec)
        name = " ".join(filter(None, (route.name, route.base, route.key_variable)))
        return Lane(name, route.name, caches_prefixes=route.provider.caches and not route.is_own_endpoint)

    @asynccontextmanager
    async def _catalog(self, route: Route) -> AsyncIterator["EndpointCatalog"]:
        require_key(route)
        from equitr_coder.adapters.direct.transport import Connections
        from equitr_coder.adapters.models.catalog import EndpointCatalog

        connections = Connections(timeout=self._timeout)
        try:
            yield EndpointCatalog(connections=connections, timeout=self._timeout)
        finally:
            await connections.close()

    def _resolve(self, spec: ModelSpec) -> Route:
        return resolve(spec, self._keys)

    def _outline(self, spec: ModelSpec) -> Route:
        """What can be said of a model without its key."""
        return resolve(spec, self._keys, with_key=False)

    def _client(self, route: Route) -> ModelClient:
        if route.via == "scripted":
            if self._scripted is None:
                hint = "Set llm.script to the file with its answers, or choose a real model with llm.model."
                raise UserError(f"model scripted/{route.model}: there is no script", hint=hint)
            return self._scripted
        kind = f"{route.via} {route.provider.wire}" if route.via == "direct" else route.via
        if kind not in self._clients:
            self._clients[kind] = self._open(route)
        return self._clients[kind]

    def _open(self, route: Route) -> ModelClient:
        if route.via == "direct" and route.provider.wire == "anthropic":
            from equitr_coder.adapters.direct.anthropic.client import AnthropicClient

            return AnthropicClient(resolve=self._resolve, timeout=self._timeout)
        if route.via == "direct":
            from equitr_coder.adapters.direct.client import DirectClient

            return DirectClient(resolve=self._resolve, timeout=self._timeout)
        from equitr_coder.adapters.litellm.client import LiteLLMClient

        return LiteLLMClient(resolve=self._resolve, timeout=self._timeout)

    def _complete(self, info: ModelInfo) -> ModelInfo:
        known = self._prices.info(info.name) if self._prices is not None else None
        if known is None:
            return info
        return ModelInfo(
            name=info.name,
            tools=known.tools if info.tools is None else info.tools,
            context_window=info.context_window or known.context_window,
            max_output=info.max_output or known.max_output,
            images=known.images if info.images is None else info.images,
        )
