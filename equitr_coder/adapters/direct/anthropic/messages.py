"""Our request as Anthropic messages, system and tools, with the marks up to where its cache holds.

Equal requests give equal bytes, and what was sent is a prefix of what is sent next: marks are no part of the prefix.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from equitr_coder.adapters.direct.messages import read_object, tool_name
from equitr_coder.adapters.direct.recollection import Recollection
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

Block = dict[str, Any]
Thoughts = Recollection[Sequence[Block]]
"""Answers as they came, by their first call, where they hold signed thoughts."""

_MARK = {"type": "ephemeral"}
_GO_ON = "Go on."
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def write_system(text: str) -> list[Block]:
    """Marked: it ends what all requests of one agent share. An empty text may not be sent."""
    return [{"type": "text", "text": text, "cache_control": _MARK}] if text.strip() else []


def write_tools(tools: Sequence[ToolSpec]) -> list[Block]:
    """The last is marked: agents that differ in the system text alone share them."""
    written: list[Block] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in tools
    ]
    if written:
        written[-1]["cache_control"] = _MARK
    return written


def write_messages(request: ModelRequest, thoughts: Thoughts | None = None) -> list[dict[str, Any]]:
    """User and assistant by turns, the first and the last of the user.

    Marked are the end, and the end of the request before this one: the cache is looked up from each mark only a few
    blocks back, and a turn of many parallel calls is longer than that.
    """
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = list(_blocks(message, request, thoughts))
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif turns or role == "user":
            turns.append({"role": role, "content": blocks})
        else:
            turns += [_going_on(), {"role": role, "content": blocks}]
    if not turns or turns[-1]["role"] == "assistant":
        turns.append(_going_on())
    for turn in [turn for turn in turns if turn["role"] == "user"][-2:]:
        turn["content"][-1]["cache_control"] = _MARK
    return turns


def replayed(content: Sequence[Block]) -> bool:
    """Whether an answer has to go back as it came: it holds signed thoughts, and every part of it can be sent."""
    has_thoughts = any(block["type"] in ("thinking", "redacted_thinking") for block in content)
    return has_thoughts and all(isinstance(block.get("input", {}), dict) for block in content)


def _going_on() -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": _GO_ON}]}


def _blocks(message: Message, request: ModelRequest, thoughts: Thoughts | None) -> Iterator[Block]:
    model = request.model.name
    match message:
        case SystemMessage():
            yield from _text(message.text)
        case UserMessage():
            yield from _text(message.text)
            yield from (_image(image, request.image_data) for image in message.images)
        case AssistantMessage():
            kept = thoughts.get(model, message.calls[0].id) if thoughts is not None and message.calls else None
            if kept is not None and _is_same(kept, message):
                yield from (dict(block) for block in kept)
                return
            yield from _text(message.text)
            yield from (_call(call) for call in message.calls)
        case ToolMessage():
            yield _result(message)
        case _ as unreachable:
            assert_never(unreachable)


def _text(text: str) -> Iterator[Block]:
    if text.strip():
        yield {"type": "text", "text": text}


def _image(image: Image, image_data: Mapping[str, str]) -> Block:
    source = {"type": "base64", "media_type": image.media_type, "data": image_data[image.digest]}
    return {"type": "image", "source": source}


def _call(call: ToolCall) -> Block:
    arguments = read_object(call.arguments) if call.arguments.strip() else {}
    return {
        "type": "tool_use",
        "id": _call_id(call.id),
        "name": tool_name(call.name),
        "input": {"malformed_arguments": call.arguments} if arguments is None else arguments,
    }


def _result(message: ToolMessage) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": _call_id(message.call)}
    if message.text.strip():
        block["content"] = [{"type": "text", "text": message.text}]
    if message.is_error:
        block["is_error"] = True
    return block


def _call_id(call_id: str) -> str:
    """Ids of other providers come into a history by a fallback, and some hold dots and colons."""
    return call_id if _ID.fullmatch(call_id) else f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:16]}"


def _is_same(kept: Sequence[Block], message: AssistantMessage) -> bool:
    calls = [block["id"] for block in kept if block["type"] == "tool_use"]
    text = "".join(str(block["text"]) for block in kept if block["type"] == "text")
    return calls == [call.id for call in message.calls] and text == message.text


def request_body(request: ModelRequest, model: str, thoughts: Thoughts | None) -> dict[str, Any]:
    """Everything but what the endpoint may refuse: limit and temperature."""
    body: dict[str, Any] = {"model": model, "stream": True}
    if tools := write_tools(request.tools):
        body["tools"] = tools
    if system := write_system(request.system):
        body["system"] = system
    body["messages"] = write_messages(request, thoughts)
    return body
