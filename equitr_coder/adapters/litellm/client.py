"""The litellm model client: one request, one stream, one reply; litellm's habits end here."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from equitr_coder.adapters.direct.assembly import ReplyAssembly
from equitr_coder.adapters.direct.bounds import Bounds
from equitr_coder.adapters.direct.envelope import as_json, call_ids, sign_reply
from equitr_coder.adapters.direct.messages import write_messages, write_tools
from equitr_coder.adapters.direct.transport import CONNECT_TIMEOUT
from equitr_coder.adapters.litellm.errors import litellm_error
from equitr_coder.adapters.litellm.library import import_litellm, make_known
from equitr_coder.adapters.litellm.messages import mark_prefix, wants_marks
from equitr_coder.adapters.models.errors import bad_response
from equitr_coder.adapters.models.providers import Resolve, Route, require_key
from equitr_coder.domain.models import Delta, ModelRequest, Reply

_NO_KEY = "none"
"""Else litellm looks for OpenAI's key in the environment by itself, and sends it to whatever endpoint it is given."""

_RENAMED = "llm_provider-"
_BENEATH = {"gemini": "/v1beta"}
"""What litellm wants to be told of an endpoint beyond its root."""


class LiteLLMClient:
    """A `ports.ModelClient`. `timeout` is the longest silence in seconds. litellm is imported by the first call."""

    def __init__(self, *, resolve: Resolve, timeout: float) -> None:
        self._resolve = resolve
        self._timeout = timeout
        self._litellm: Any = None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        route = self._resolve(request.model)
        require_key(route)
        if self._litellm is None:
            self._litellm = await asyncio.to_thread(import_litellm)
        make_known(self._litellm, route.model)
        import httpx
        import openai

        body = write_body(request, route)
        assembly = ReplyAssembly(taken=call_ids(request))
        bounds = Bounds(route, timeout=self._timeout, max_tokens=request.max_tokens)
        async with AsyncExitStack() as stack:
            try:
                timeout = httpx.Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout))
                answer = await self._litellm.acompletion(**body, **_call_settings(route), timeout=timeout)
                stack.push_async_callback(answer.aclose)
                async for chunk in _watched(answer, bounds):
                    for delta in assembly.add(chunk):
                        yield delta
            except (openai.OpenAIError, httpx.HTTPError) as error:
                raise litellm_error(error, route, timeout=self._timeout) from error
        if not _said_why_it_stopped(answer):
            raise bad_response("the answer broke off", route)
        reply = sign_reply(assembly.reply(body), route, _headers(answer))
        if not _reported_usage(answer):
            reply = reply.model_copy(update={"usage": reply.usage.model_copy(update={"estimated": True})})
        yield reply

    async def close(self) -> None:
        """Close and forget every connection litellm keeps for the process, so that another event loop can begin."""
        if self._litellm is None:
            return
        await self._litellm.close_litellm_async_clients()
        self._litellm.in_memory_llm_clients_cache.flush_cache()
        shared = vars(self._litellm).pop("module_level_aclient", None)  # litellm makes it again when it needs it
        if shared is not None:
            await shared.close()


def write_body(request: ModelRequest, route: Route) -> dict[str, Any]:
    messages = json.loads(as_json(write_messages(request)))
    body: dict[str, Any] = {
        "model": route.model,
        "messages": mark_prefix(messages) if wants_marks(route) else messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
    }
    if request.tools:
        body["tools"] = write_tools(request.tools)
    if request.model.temperature is not None:
        body["temperature"] = request.model.temperature
    return body


async def _watched(answer: Any, bounds: Bounds) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks as mappings. litellm drops keep-alives, so a stream of nothing else looks like a long silence."""
    chunks = aiter(answer)
    while True:
        try:
            async with asyncio.timeout(bounds.silence):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise bounds.only_kept_alive() from error
        said = chunk.model_dump(exclude_none=True)
        bounds.note(said)
        yield said


def _call_settings(route: Route) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,  # parameters that a model does not take (a temperature) are left out
        "_skip_mcp_handler": True,  # else a call with tools imports litellm's MCP server, and fails without its extra
    }
    if route.is_own_endpoint or route.is_loopback:
        settings["api_base"] = f"{route.base}{_BENEATH.get(route.name, '')}"
    if route.key is not None:
        settings["api_key"] = route.key
    elif "api_base" in settings and route.model.startswith("openai/"):
        settings["api_key"] = _NO_KEY
    return settings


def _said_why_it_stopped(answer: Any) -> bool:
    """litellm ends a stream that was cut between two chunks with a `stop` of its own making."""
    reasons = ("received_finish_reason", "intermittent_finish_reason")
    return any(getattr(answer, name, "unknown") is not None for name in reasons)


def _headers(answer: Any) -> dict[str, str]:
    """The provider's, which litellm hands on in a private place; it renames those that OpenAI does not have."""
    headers = {str(name): str(value) for name, value in dict(getattr(answer, "_response_headers", None) or {}).items()}
    renamed = {name.removeprefix(_RENAMED): text for name, text in headers.items() if name.startswith(_RENAMED)}
    return renamed or headers


def _reported_usage(answer: Any) -> bool:
    """litellm counts tokens by itself when the provider reported none, and does not say so."""
    chunks = getattr(answer, "chunks", None)
    return chunks is None or any(getattr(chunk, "usage", None) is not None for chunk in chunks)
