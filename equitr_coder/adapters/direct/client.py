"""The direct model client: one request, one stream, one reply. Never retries; it only learns an endpoint's spelling."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from equitr_coder.adapters.direct.answer import Answer
from equitr_coder.adapters.direct.assembly import ReplyAssembly
from equitr_coder.adapters.direct.bounds import Bounds
from equitr_coder.adapters.direct.envelope import as_json, call_ids, sign_reply
from equitr_coder.adapters.direct.messages import nine_letters, write_messages, write_tools
from equitr_coder.adapters.direct.ollama import OllamaContext
from equitr_coder.adapters.direct.recollection import Signatures
from equitr_coder.adapters.direct.refusals import Spelling, find_error, read_refusal, respell
from equitr_coder.adapters.direct.transport import Connections, read_error_body, transport_errors
from equitr_coder.adapters.models.errors import bad_response, refused
from equitr_coder.adapters.models.providers import Resolve, Route, require_key
from equitr_coder.domain.models import Delta, ModelRequest, Reply

if TYPE_CHECKING:
    import httpx


class DirectClient:
    """A `ports.ModelClient`. `timeout` is the longest silence in seconds, before the answer and within it."""

    def __init__(self, *, resolve: Resolve, timeout: float) -> None:
        self._resolve = resolve
        self._timeout = timeout
        self._connections = Connections(timeout=timeout)
        self._spellings: dict[tuple[str | None, str], Spelling] = {}
        self._paths: dict[str | None, str] = {}
        self._signatures = Signatures()
        self._ollama = OllamaContext()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        route = self._resolve(request.model)
        require_key(route)
        assembly = ReplyAssembly(taken=call_ids(request))
        with transport_errors(route, timeout=self._timeout, is_finished=lambda: assembly.is_finished):
            async with self._open(request, route) as (response, body):
                bounds = Bounds(route, timeout=self._timeout, max_tokens=request.max_tokens)
                answer = Answer(bounds.pieces(response.aiter_bytes()), route)
                async with aclosing(answer.chunks()) as chunks:
                    async for chunk in chunks:
                        bounds.note(chunk)
                        if error := find_error(chunk, has_begun=assembly.has_content):
                            raise refused(error, route)
                        if route.name == "gemini":
                            self._signatures.note(route.model, chunk)
                        for delta in assembly.add(chunk):
                            yield delta
        if not assembly.is_finished and not (answer.is_complete and assembly.is_whole):
            raise bad_response("the answer broke off", route)
        reply = assembly.reply(body, request_id=response.headers.get("x-request-id"))
        yield sign_reply(reply, route, response.headers)

    async def close(self) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def _open(
        self, request: ModelRequest, route: Route
    ) -> AsyncIterator[tuple["httpx.Response", dict[str, Any]]]:
        """The open answer with a good status, and the body that was sent for it."""
        client = self._connections.client(route)
        spelling = self._spelling(route)
        is_ollama = route.provider.lists == "ollama"
        while True:
            body = write_body(request, route, spelling, signatures=self._signatures)
            if is_ollama:
                await self._ollama.check(client, route, body, sent=False)
            sent = client.stream(
                "POST", f"{route.base}{spelling.path}/chat/completions", content=as_json(body), headers=_headers(route)
            )
            async with sent as response:
                if response.status_code == 200:
                    self._remember(route, spelling)
                    if is_ollama:
                        await self._ollama.check(client, route, body, sent=True)
                    yield response, body
                    return
                refusal = read_refusal(response.status_code, await read_error_body(response), response.headers)
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


def write_body(
    request: ModelRequest, route: Route, spelling: Spelling, *, signatures: Signatures | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {"model": route.model, "messages": _messages(request, route, signatures), "stream": True}
    if request.tools:
        body["tools"] = write_tools(request.tools)
    if spelling.asks_usage:
        body["stream_options"] = {"include_usage": True}
    if route.name == "openrouter":
        body["usage"] = {"include": True}
    if request.model.temperature is not None and spelling.has_temperature:
        body["temperature"] = request.model.temperature
    body[spelling.limit] = request.max_tokens
    return body


def _messages(request: ModelRequest, route: Route, signatures: Signatures | None) -> list[dict[str, Any]]:
    if route.name == "mistral":
        return write_messages(request, id_of=nine_letters)
    if route.name == "gemini" and signatures is not None:
        return write_messages(request, more=lambda call, first: signatures.more(route.model, call, first))
    return write_messages(request)


def _headers(route: Route) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
    if route.key is not None:
        headers["authorization"] = f"Bearer {route.key}"
    return headers
