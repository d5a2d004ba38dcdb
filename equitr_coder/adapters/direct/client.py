"""The direct model client: one request, one stream, one reply. Never retries; it only learns an endpoint's spelling."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from equitr_coder.adapters.direct.answer import Answer
from equitr_coder.adapters.direct.assembly import ReplyAssembly
from equitr_coder.adapters.direct.messages import write_messages, write_tools
from equitr_coder.adapters.direct.refusals import Spelling, find_error, read_refusal, respell
from equitr_coder.adapters.direct.transport import Connections, import_httpx, transport_error
from equitr_coder.adapters.models.errors import bad_response, refused
from equitr_coder.adapters.models.providers import Resolve, Route, require_key
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import AssistantMessage, Delta, ModelRequest, Reply

if TYPE_CHECKING:
    import httpx

_MAX_ERROR = 64 * 1024


class DirectClient:
    """A `ports.ModelClient`. `timeout` is the longest silence in seconds, before the answer and within it."""

    def __init__(self, *, resolve: Resolve, timeout: float) -> None:
        self._resolve = resolve
        self._timeout = timeout
        self._connections = Connections(timeout=timeout)
        self._spellings: dict[tuple[str | None, str], Spelling] = {}
        self._paths: dict[str | None, str] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        route = self._resolve(request.model)
        require_key(route)
        assembly = ReplyAssembly(taken=call_ids(request))
        with self._transport_errors(route, assembly):
            async with self._open(request, route) as (response, body):
                answer = Answer(response, route)
                async with aclosing(answer.chunks()) as chunks:
                    async for chunk in chunks:
                        if error := find_error(chunk, has_begun=assembly.has_content):
                            raise refused(error, route)
                        for delta in assembly.add(chunk):
                            yield delta
        if not assembly.is_finished and not (answer.is_complete and assembly.has_content):
            raise bad_response("the answer broke off", route)
        yield assembly.reply(body, request_id=response.headers.get("x-request-id"))

    async def close(self) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def _open(
        self, request: ModelRequest, route: Route
    ) -> AsyncIterator[tuple["httpx.Response", dict[str, Any]]]:
        """The open answer with a good status, and the body that was sent for it."""
        client = self._connections.client(route)
        spelling = self._spelling(route)
        while True:
            body = write_body(request, route, spelling)
            sent = client.stream(
                "POST",
                f"{route.base}{spelling.path}/chat/completions",
                content=json.dumps(body, ensure_ascii=False).encode(),
                headers=_headers(route),
            )
            async with sent as response:
                if response.status_code == 200:
                    self._remember(route, spelling)
                    yield response, body
                    return
                refusal = read_refusal(response.status_code, await _error_body(response), response.headers)
            other = respell(spelling, refusal, route)
            if other is None:
                raise refused(refusal, route)
            spelling = other

    def _spelling(self, route: Route) -> Spelling:
        known = self._spellings.get((route.base, route.model), Spelling())
        return replace(known, path=self._paths.get(route.base, ""))

    def _remember(self, route: Route, spelling: Spelling) -> None:
        self._spellings[route.base, route.model] = spelling
        self._paths[route.base] = spelling.path

    @contextmanager
    def _transport_errors(self, route: Route, assembly: ReplyAssembly) -> Iterator[None]:
        """What httpx raises, as ours. An answer that was complete when the connection broke is kept."""
        httpx = import_httpx()
        try:
            yield
        except (httpx.TransportError, httpx.DecodingError) as error:
            if not assembly.is_finished:
                raise transport_error(error, route, timeout=self._timeout) from error


def write_body(request: ModelRequest, route: Route, spelling: Spelling) -> dict[str, Any]:
    body: dict[str, Any] = {"model": route.model, "messages": write_messages(request), "stream": True}
    if request.tools:
        body["tools"] = write_tools(request.tools)
    if spelling.asks_usage:
        body["stream_options"] = {"include_usage": True}
    if request.model.temperature is not None and spelling.has_temperature:
        body["temperature"] = request.model.temperature
    body[spelling.limit] = request.max_tokens
    return body


def call_ids(request: ModelRequest) -> set[CallId]:
    """Every call id the conversation already uses."""
    return {call.id for message in request.messages if isinstance(message, AssistantMessage) for call in message.calls}


def _headers(route: Route) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
    if route.key is not None:
        headers["authorization"] = f"Bearer {route.key}"
    return headers


async def _error_body(response: "httpx.Response") -> bytes:
    """As much as came: the status is the answer, the text only explains it."""
    httpx, body = import_httpx(), b""
    try:
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > _MAX_ERROR:
                break
    except (httpx.TransportError, httpx.DecodingError):
        return body
    return body
