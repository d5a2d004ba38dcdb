"""A request in the form of OpenAI chat completions, read once: what rules match on. No checking, no sending."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import AssistantMessage, Message, ModelRequest, ToolMessage, ToolSpec, UserMessage
from equitr_coder.testing.images import data_url, is_image, tokens_of


@frozen
class WireRequest:
    """The body of a *sound* request (see `requests.request_problems`)."""

    body: Mapping[str, Any]
    tools_as_text: bool = False
    """Tools that stand in the system prompt, one JSON object a line, count as offered."""

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        messages: Sequence[Mapping[str, Any]] = self.body["messages"]
        return messages

    @cached_property
    def tool_names(self) -> tuple[str, ...]:
        native = tuple(tool["function"]["name"] for tool in self.body.get("tools") or ())
        return native or (tuple(_names_in(self.system)) if self.tools_as_text else ())

    @cached_property
    def turn(self) -> int:
        """Assistant messages already there."""
        return sum(message["role"] == "assistant" for message in self.messages)

    @cached_property
    def system(self) -> str:
        return "\n".join(content_text(m) for m in self.messages if m["role"] in ("system", "developer"))

    @cached_property
    def first(self) -> str:
        """The first user message: what a session is about."""
        return next((content_text(m) for m in self.messages if m["role"] == "user"), "")

    @cached_property
    def last(self) -> str:
        return content_text(self.messages[-1])

    @cached_property
    def everything(self) -> str:
        """All text of all messages, tool calls included."""
        return "\n".join(text for message in self.messages for text in _texts(message))

    def after(self, text: str) -> str | None:
        """What was said to the model right after its message that holds `text`; None when there is no such message."""
        for asked, said in zip(self.messages, self.messages[1:], strict=False):
            if asked["role"] == "assistant" and any(text in part for part in _texts(asked)):
                return content_text(said)
        return None

    @cached_property
    def call_ids(self) -> frozenset[str]:
        return frozenset(call["id"] for message in self.messages for call in message.get("tool_calls") or ())

    @property
    def max_tokens(self) -> int | None:
        return self.body.get("max_completion_tokens") or self.body.get("max_tokens")

    @property
    def is_streamed(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self) -> bool:
        """Whether usage is to be reported: always without streaming, on request with it."""
        return not self.is_streamed or bool((self.body.get("stream_options") or {}).get("include_usage"))

    @cached_property
    def tokens(self) -> int:
        """Our estimate of what the model reads: a token per four bytes, and images by their size."""
        read = json.dumps([list(map(_unseen, self.messages)), self.body.get("tools") or []], ensure_ascii=False)
        seen = sum(tokens_of(part) for message in self.messages for part in image_parts(message))
        return max(1, len(read.encode(errors="replace")) // 4) + seen


def _names_in(system: str) -> Iterator[str]:
    for line in system.split("\n"):
        if line.startswith('{"name":') and '"parameters":' in line:
            yield str(json.loads(line)["name"])


def content_text(message: Mapping[str, Any]) -> str:
    """The text of a message whose content is a string, a list of parts, or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())


def image_parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if is_image(part)] if isinstance(content, list) else []


def _unseen(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if not image_parts(message):
        return message
    return {**message, "content": [part for part in message["content"] if not is_image(part)]}


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    yield content_text(message)
    for call in message.get("tool_calls") or ():
        yield str(call["function"]["name"])
        yield str(call["function"]["arguments"])


def body_of(request: ModelRequest) -> dict[str, Any]:
    """The body that a client of the OpenAI wire sends for `request`. Any provider prefix is left out of the model."""
    body: dict[str, Any] = {
        "model": request.model.name.partition("/")[2] or request.model.name,
        "messages": [{"role": "system", "content": request.system}] if request.system else [],
        "max_tokens": request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body["messages"] += [_wire_message(message, request.image_data) for message in request.messages]
    if request.tools:
        body["tools"] = [_wire_tool(tool) for tool in request.tools]
    if request.model.temperature is not None:
        body["temperature"] = request.model.temperature
    return body


def _wire_message(message: Message, image_data: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(message, UserMessage) and message.images:
        urls = [data_url(image.media_type, image_data[image.digest]) for image in message.images]
        shown = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        return {"role": "user", "content": [{"type": "text", "text": message.text}, *shown]}
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.call, "content": message.text}
    if isinstance(message, AssistantMessage) and message.calls:
        return {
            "role": "assistant",
            "content": message.text or None,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.calls
            ],
        }
    return {"role": message.role, "content": message.text}


def _wire_tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
