"""The Anthropic client: one request, one stream, one reply. Never retries; it only leaves out what a model refuses."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from equitr_coder.adapters.direct.anthropic.assembly import MessageAssembly
from equitr_coder.adapters.direct.anthropic.events import find_error, read_events
from equitr_coder.adapters.direct.anthropic.messages import Thoughts, replayed, request_body
from equitr_coder.adapters.direct.bounds import Bounds
from equitr_coder.adapters.direct.envelope import as_json, call_ids, sign_reply
from equitr_coder.adapters.direct.recollection import Recollection
from equitr_coder.adapters.direct.refusals import read_refusal
from equitr_coder.adapters.direct.transport import Connections, read_error_body, transport_errors
from equitr_coder.adapters.models.errors import Refusal, bad_response, refused
from equitr_coder.adapters.models.providers import Resolve, Route, require_key
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import Delta, ModelRequest, Reply

if TYPE_CHECKING:
    import httpx

VERSION = "2023-06-01"
_MOST_OUTPUT = re.compile(r"max_tokens: \d+ > (\d+)")


@frozen
class Terms:
    """What one model takes. Learnt from its refusals, which cost nothing."""

    most_output: int | None = None
    has_temperature: bool = True


class AnthropicClient:
    """A `ports.ModelClient`. `timeout` is the longest silence in seconds, before the answer and within it."""

    def __init__(self, *, resolve: Resolve, timeout: float) -> None:
        self._resolve = resolve
        self._timeout = timeout
        self._connections = Connections(timeout=timeout)
        self._terms: dict[tuple[str | None, str], Terms] = {}
        self._thoughts: Thoughts = Recollection()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        route = self._resolve(request.model)
        require_key(route)
        assembly = MessageAssembly(taken=call_ids(request))
        with transport_errors(route, timeout=self._timeout, is_finished=lambda: assembly.is_finished):
            bounds = Bounds(route, timeout=self._timeout, max_tokens=request.max_tokens)
            async with (
                self._open(request, route) as (response, body),
                aclosing(read_events(bounds.pieces(response.aiter_bytes()), route)) as events,
            ):
                async for event in events:
                    bounds.note(event)
                    if error := find_error(event, has_begun=assembly.has_content):
                        raise refused(error, route)
                    for delta in assembly.add(event):
                        yield delta
        if not assembly.is_finished:
            raise bad_response("the answer broke off", route)
        reply = assembly.reply(body, request_id=response.headers.get("request-id"))
        if reply.message.calls and replayed(content := assembly.content()):
            self._thoughts.put(request.model.name, reply.message.calls[0].id, content)
        yield sign_reply(reply, route, response.headers)

    async def close(self) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def _open(
        self, request: ModelRequest, route: Route
    ) -> AsyncIterator[tuple["httpx.Response", dict[str, Any]]]:
        """The open answer with a good status, and the body that was sent for it."""
        client = self._connections.client(route)
        terms = self._terms.get((route.base, route.model), Terms())
        while True:
            body = write_body(request, route, terms, self._thoughts)
            sent = client.stream("POST", f"{route.base}/messages", content=as_json(body), headers=_headers(route))
            async with sent as response:
                if response.status_code == 200:
                    self._terms[route.base, route.model] = terms
                    yield response, body
                    return
                refusal = read_refusal(response.status_code, await read_error_body(response), response.headers)
            if is_about_thoughts(refusal) and self._thoughts.drop(request.model.name, call_ids(request)):
                continue  # They are bound to what stood before them, and that was cut.
            other = renegotiate(terms, refusal, body)
            if other is None:
                raise refused(refusal, route)
            terms = other


def write_body(request: ModelRequest, route: Route, terms: Terms, thoughts: Thoughts) -> dict[str, Any]:
    body = request_body(request, route.model, thoughts)
    if request.model.temperature is not None and terms.has_temperature:
        body["temperature"] = min(1.0, request.model.temperature)
    body["max_tokens"] = min(request.max_tokens, terms.most_output or request.max_tokens)
    return body


def renegotiate(terms: Terms, refusal: Refusal, body: Mapping[str, Any]) -> Terms | None:
    """The terms to try instead; None when the refusal is about something else."""
    words = refusal.text.lower()
    if refusal.status != 400:
        return None
    if (found := _MOST_OUTPUT.search(words)) and (terms.most_output is None or int(found[1]) < terms.most_output):
        return replace(terms, most_output=int(found[1]))
    if "temperature" in body and "temperature" in words:
        return replace(terms, has_temperature=False)
    return None


def is_about_thoughts(refusal: Refusal) -> bool:
    words = refusal.text.lower()
    return refusal.status == 400 and ("thinking" in words or "signature" in words)


def _headers(route: Route) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept-encoding": "identity", "anthropic-version": VERSION}
    if route.key is not None:
        headers["x-api-key"] = route.key
    return headers
