"""The body of a good answer to its events: a stream, or the whole message from servers that do not stream."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from equitr_coder.adapters.direct.bounds import drain
from equitr_coder.adapters.direct.sse import EventStream
from equitr_coder.adapters.models.errors import Refusal, bad_response, web_page
from equitr_coder.adapters.models.providers import Route

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_WIRE = "Anthropic messages"
_HINT = f"Check llm.api_base: it has to lead to an endpoint for {_WIRE}."


async def read_events(pieces: AsyncIterator[bytes], route: Route) -> AsyncGenerator[Mapping[str, Any], None]:
    """Every event, `message_stop` last; then the connection is read to its end, so that it can be used again."""
    head, events = b"", EventStream()
    is_stream = False
    async for piece in pieces:
        received = piece
        if not is_stream:
            head = received = head + piece
            is_stream = head.lstrip()[:1] not in (b"", b"{", b"[", b"<")
        for payload in events.feed(received) if is_stream else ():
            event = _parse(payload, route)
            yield event
            if event.get("type") == "message_stop":
                await drain(pieces)
                return
    for payload in events.close() if is_stream else ():
        yield _parse(payload, route)
    if not is_stream:
        yield _whole(head, route)


def find_error(event: Mapping[str, Any], *, has_begun: bool) -> Refusal | None:
    """An error inside an answer with status 200; before any content its kind counts as the status it stands for."""
    error = event.get("error")
    if event.get("type") != "error" and not error:
        return None
    kind = str(error.get("type") or "") if isinstance(error, Mapping) else ""
    text = error.get("message") if isinstance(error, Mapping) else error
    return Refusal(None if has_begun else _STATUSES.get(kind), str(text or kind or event), kind)


def _parse(payload: str, route: Route) -> Mapping[str, Any]:
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise bad_response("a piece of the stream is no JSON; it broke off or is damaged", route) from error
    if not isinstance(event, dict):
        raise bad_response("a piece of the stream is no JSON object", route)
    return event


def _whole(body: bytes, route: Route) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        if not body.strip() or body.lstrip()[:1] == b"{":
            raise bad_response("the answer broke off", route) from error
        raise web_page(_WIRE, route) from error
    if not isinstance(answer, dict) or answer.get("type") not in ("message", "error"):
        raise bad_response("the answer is no message", route, hint=_HINT, retryable=False)
    return answer
