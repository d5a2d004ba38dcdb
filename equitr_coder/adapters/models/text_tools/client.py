"""Stands between the router and every adapter: offers tools natively or as text, and hands on calls as calls."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from equitr_coder.adapters.models.text_tools.hold_back import HoldBack
from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.models import AssistantMessage, Delta, ModelRequest, ModelSpec, Reply, TextDelta
from equitr_coder.ports import ModelClient, PriceBook

_REFUSALS = (
    "not support tool",
    "not support function",
    "not support native tool",
    "tools are not supported",
    "tools is not supported",
    "tool use is not supported",
    "tool calling is not supported",
    "tool calls are not supported",
    "function calling is not supported",
    "no endpoints found that support tool",
    "--enable-auto-tool-choice",
    "tools param requires",
)
"""How endpoints say that they take no tools: Ollama, Groq, OpenRouter, vLLM, llama.cpp and those like them."""

Endpoint = tuple[str | None, str]
"""Address, and the model's name there."""


class ToolProtocol:
    """Chooses the form by capability (`ModelSpec.tools` forces one), and remembers endpoints that refused tools."""

    def __init__(self, *, prices: PriceBook | None = None) -> None:
        self._prices = prices
        self._without_tools: set[Endpoint] = set()

    def _speaks_text(self, model: ModelSpec, endpoint: Endpoint) -> bool:
        if model.tools != "auto":
            return model.tools == "text"
        info = self._prices.info(model.name) if self._prices is not None else None
        return endpoint in self._without_tools or (info is not None and info.tools is False)

    def _as_sent(self, request: ModelRequest, endpoint: Endpoint) -> ModelRequest:
        """The request in the form that the adapter gets."""
        has_calls = any(isinstance(message, AssistantMessage) and message.calls for message in request.messages)
        is_text = (request.tools or has_calls) and self._speaks_text(request.model, endpoint)
        if not is_text:
            return request
        from equitr_coder.adapters.models.text_tools.prompt import as_text

        return as_text(request)

    async def stream(
        self, client: ModelClient, request: ModelRequest, *, endpoint: Endpoint
    ) -> AsyncGenerator[Delta | Reply, None]:
        sent = self._as_sent(request, endpoint)
        try:
            async with aclosing(_read(client.stream(sent), request, asked=sent is not request)) as parts:
                async for part in parts:
                    yield part
            return
        except ModelError as error:
            if sent is not request or not request.tools or not self._may_speak_text(request.model, error):
                raise
        # Refused with a status, so it cost nothing, and the same reservation covers the same call in the other form.
        self._without_tools.add(endpoint)
        sent = self._as_sent(request, endpoint)
        async with aclosing(_read(client.stream(sent), request, asked=True)) as parts:
            async for part in parts:
                yield part

    def _may_speak_text(self, model: ModelSpec, error: ModelError) -> bool:
        words = str(error).lower()
        return model.tools == "auto" and error.status is not None and any(refusal in words for refusal in _REFUSALS)


async def _read(
    parts: AsyncIterator[Delta | Reply], request: ModelRequest, *, asked: bool
) -> AsyncGenerator[Delta | Reply, None]:
    """The adapter's answer; text that may be a call is shown only when it turns out to be none."""
    held = HoldBack()
    try:
        async for part in parts:
            match part:
                case Reply():
                    from equitr_coder.adapters.models.text_tools.reading import read_reply

                    reply = read_reply(part, request, asked=asked)
                    if rest := held.rest(reply.message.text):
                        yield TextDelta(text=rest)
                    yield reply
                case TextDelta() if request.tools:
                    if free := held.feed(part.text):
                        yield TextDelta(text=free)
                case _:
                    yield part
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()
