"""What an endpoint offers: its list of models, in the shapes providers publish it, with what it says of tool calls."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from equitr_coder.adapters.direct.refusals import lacks_path, read_refusal
from equitr_coder.adapters.direct.transport import Connections, import_httpx, transport_error
from equitr_coder.adapters.models.errors import bad_response, refused
from equitr_coder.adapters.models.providers import COMPATIBLE, ListShape, Route
from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import ModelInfo, ModelSpec

_PATHS: Mapping[ListShape, str] = {
    "openai": "/models",
    "anthropic": "/v1/models?limit=1000",
    "gemini": "/v1beta/models?pageSize=1000",
    "ollama": "/api/tags",
}
_WINDOW = (
    "context_length",
    "context_window",
    "max_context_length",
    "max_model_len",
    "max_input_tokens",
    "inputTokenLimit",
)
_OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_tokens", "outputTokenLimit")
_TOOL_WORDS = {"tools", "tool_use", "function-calling", "function_calling"}
_PARALLEL = 8


class EndpointCatalog:
    """Asks endpoints over HTTP, also those whose models are called through litellm."""

    def __init__(self, *, connections: Connections, timeout: float) -> None:
        self._connections = connections
        self._timeout = timeout

    async def discover(self, spec: ModelSpec, route: Route) -> Sequence[ModelInfo]:
        """Every chat model, sorted, named as the configuration would name it.

        Raises:
            ModelError: the endpoint cannot be reached, or refused.
            UserError: the provider publishes no list that we can read.
        """
        await self._check_key(route)
        payload, shape = await self._list(route, _shape(route))
        rows = _rows(payload)
        if rows is None:
            raise bad_response("the list of models cannot be read", route, retryable=False)
        if shape == "ollama":
            rows = await self._show_all(route, rows)
        found = [info for row in rows if (info := read_model(row)) is not None]
        named = [info.model_copy(update={"name": configured_name(spec, info.name)}) for info in found]
        return sorted(named, key=lambda info: info.name)

    async def check(self, route: Route) -> None:
        """Whether the endpoint answers and takes the key; costs nothing.

        Raises:
            ModelError: it cannot be reached, or refused.
            UserError: the provider has nothing that could be asked for free.
        """
        if not await self._check_key(route):
            await self._list(route, _shape(route))

    async def _check_key(self, route: Route) -> bool:
        """Where the list is open to everybody, the key is tried apart; False when there is nothing for that."""
        if not route.provider.health or route.key is None:
            return False
        try:
            await self._ask(route, "openai", route.provider.health)
        except ModelError as error:
            if error.kind is not ModelErrorKind.NOT_FOUND or not route.is_own_endpoint:
                raise
            return False
        return True

    async def _list(self, route: Route, shape: ListShape) -> tuple[object, ListShape]:
        """The list, and the shape it turned out to have."""
        if shape != "openai":
            try:
                return await self._ask(route, shape, _PATHS[shape]), shape
            except ModelError as error:
                # An endpoint of the person's own may speak a provider's wire without its other forms.
                if error.kind is not ModelErrorKind.NOT_FOUND or not route.is_own_endpoint:
                    raise
        return await self._list_compatible(route), "openai"

    async def _list_compatible(self, route: Route) -> object:
        try:
            return await self._ask(route, "openai", _PATHS["openai"])
        except ModelError as error:
            # Many people leave out the /v1 of an OpenAI endpoint; some servers show a page there instead of a 404.
            is_elsewhere = error.kind in (ModelErrorKind.NOT_FOUND, ModelErrorKind.BAD_RESPONSE)
            if not lacks_path(route) or not is_elsewhere:
                raise
        return await self._ask(route, "openai", "/v1" + _PATHS["openai"])

    async def _show_all(self, route: Route, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Ollama tells what a model can do only model by model."""
        slots = asyncio.Semaphore(_PARALLEL)

        async def show(row: Mapping[str, Any]) -> Mapping[str, Any]:
            async with slots:
                shown = await self._ask(route, "ollama", "/api/show", {"model": row.get("name") or row.get("model")})
            return {**row, **shown} if isinstance(shown, dict) else row

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(show(row)) for row in rows]
        return [task.result() for task in tasks]

    async def _ask(self, route: Route, shape: ListShape, path: str, body: dict[str, Any] | None = None) -> object:
        httpx = import_httpx()
        client = self._connections.client(route)
        method = "GET" if body is None else "POST"
        try:
            start = route.base if shape == "openai" else route.root
            response = await client.request(method, f"{start}{path}", headers=_headers(route, shape), json=body)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise transport_error(error, route, timeout=self._timeout) from error
        if response.status_code != 200:
            raise refused(read_refusal(response.status_code, response.content, response.headers), route)
        try:
            return json.loads(response.content)
        except ValueError as error:
            hint = "Check llm.api_base: it has to lead to an endpoint for OpenAI chat completions."
            raise bad_response("the list of models is no JSON", route, hint=hint, retryable=False) from error


def _shape(route: Route) -> ListShape:
    shape = route.provider.lists or ("openai" if route.via == "direct" else None)
    if shape is None or route.root is None:
        hint = "Name its model as `provider/model` in llm.model; its documentation lists them."
        raise UserError(f"{route.name} cannot be asked for its models", hint=hint)
    return shape


def read_model(row: Mapping[str, Any]) -> ModelInfo | None:
    """One row of a list; None for a model that does not chat."""
    name = row.get("id") or row.get("name") or row.get("model")
    methods, abilities = row.get("supportedGenerationMethods"), row.get("capabilities")
    is_other = (isinstance(methods, list) and "generateContent" not in methods) or (
        isinstance(abilities, Mapping) and abilities.get("completion_chat") is False
    )
    if not isinstance(name, str) or is_other:
        return None
    return ModelInfo(
        name=name.removeprefix("models/"),
        tools=_tools(row),
        context_window=_figure(row, _WINDOW),
        max_output=_figure(row, _OUTPUT) or _figure(row.get("top_provider"), _OUTPUT),
    )


def configured_name(spec: ModelSpec, name: str) -> str:
    """With the prefix of `spec`; a bare one gets a prefix only where a slash in the name would be taken for one."""
    prefix, slash, _ = spec.name.partition("/")
    if slash:
        return f"{prefix}/{name}"
    return f"{COMPATIBLE if spec.api_base else 'openai'}/{name}" if "/" in name else name


def _rows(payload: object) -> Sequence[Mapping[str, Any]] | None:
    if isinstance(payload, Mapping):
        payload = payload.get("data", payload.get("models"))
    return [row for row in payload if isinstance(row, Mapping)] if isinstance(payload, list) else None


def _tools(row: Mapping[str, Any]) -> bool | None:
    for key in ("supported_parameters", "capabilities"):
        if isinstance(names := row.get(key), list):
            return not _TOOL_WORDS.isdisjoint(name for name in names if isinstance(name, str))
    if isinstance(abilities := row.get("capabilities"), Mapping):
        for key in ("function_calling", "tools", "tool_calls"):
            if isinstance(can := abilities.get(key), bool):
                return can
    for key in ("supports_tools", "tools", "supports_function_calling"):
        if isinstance(can := row.get(key), bool):
            return can
    return None


def _figure(row: object, keys: Sequence[str]) -> int | None:
    found = (row.get(key) for key in keys) if isinstance(row, Mapping) else ()
    return next((value for value in found if isinstance(value, int) and value > 0), None)


def _headers(route: Route, shape: ListShape) -> dict[str, str]:
    if route.key is None:
        return {}
    match shape:
        case "anthropic":
            return {"x-api-key": route.key, "anthropic-version": "2023-06-01"}
        case "gemini":
            return {"x-goog-api-key": route.key}
        case "openai" | "ollama":
            return {"authorization": f"Bearer {route.key}"}
