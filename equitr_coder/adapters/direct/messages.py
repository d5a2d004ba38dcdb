"""Our request as OpenAI chat messages and tools. Equal requests give equal bytes, so that provider caches hit."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, assert_never

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

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_NINE = re.compile(r"[A-Za-z0-9]{9}")

More = Callable[[ToolCall, bool], Mapping[str, Any]]
"""More fields for a call in the history; the second argument says whether it is the first of its message."""


def write_messages(
    request: ModelRequest, *, id_of: Callable[[str], str] = str, more: More = lambda _call, _is_first: {}
) -> list[dict[str, Any]]:
    """`id_of` gives call ids the form that the provider takes; messages with nothing in them are left out."""
    system = [{"role": "system", "content": request.system}] if request.system else []
    said = (message for message in request.messages if not is_empty(message))
    return [*system, *(_message(message, id_of, more, request.image_data) for message in said)]


def is_empty(message: Message) -> bool:
    """An answer that was all reasoning leaves nothing that could be sent back."""
    return isinstance(message, AssistantMessage) and not message.text and not message.calls


def write_tools(tools: tuple[ToolSpec, ...]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def nine_letters(call_id: str) -> str:
    """The only form of call ids that Mistral takes; ids of other providers come into a history by a fallback."""
    return call_id if _NINE.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def tool_name(name: str) -> str:
    """A name that endpoints take back; what a model made up may hold anything."""
    return _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME] or "unknown"


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a call's arguments are; None when they are none."""
    try:
        found = json.loads(text, parse_constant=_reject)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _message(
    message: Message, id_of: Callable[[str], str], more: More, image_data: Mapping[str, str]
) -> dict[str, Any]:
    match message:
        case UserMessage() if message.images:
            text = [{"type": "text", "text": message.text}] if message.text else []
            return {"role": "user", "content": [*text, *(_image(one, image_data) for one in message.images)]}
        case SystemMessage() | UserMessage():
            return {"role": message.role, "content": message.text}
        case AssistantMessage(calls=()):
            return {"role": "assistant", "content": message.text}
        case AssistantMessage():
            calls = [
                {**_call(call, id_of(call.id)), **more(call, index == 0)} for index, call in enumerate(message.calls)
            ]
            return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
        case ToolMessage():
            return {"role": "tool", "tool_call_id": id_of(message.call), "content": message.text}
        case _ as unreachable:
            assert_never(unreachable)


def _image(image: Image, image_data: Mapping[str, str]) -> dict[str, Any]:
    """In high detail, said aloud: what a provider takes for itself may cost more than the bound."""
    url = f"data:{image.media_type};base64,{image_data[image.digest]}"
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


def _call(call: ToolCall, call_id: str) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": tool_name(call.name), "arguments": _arguments(call.arguments)},
    }


def _arguments(text: str) -> str:
    """Text that is no JSON object goes back wrapped in one: many servers parse the history and fail on it."""
    if not text.strip():
        return "{}"
    return text if read_object(text) is not None else json.dumps({"malformed_arguments": text}, ensure_ascii=False)


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
