"""Ollama's own chat, lists and loaded models, and its endpoint for OpenAI's form beneath the same root."""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from equitr_coder.domain.image_headers import media_type
from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.chunks import pieces
from equitr_coder.testing.http import HttpRequest
from equitr_coder.testing.images import data_problem, data_url, said_with_images
from equitr_coder.testing.script import OfferedModel
from equitr_coder.testing.wires.compatible import Compatible
from equitr_coder.testing.wires.wire_format import Body, Page, Stream, dumped, malformed, read_json, require
from equitr_coder.testing.wires.wire_format import require_known as known

_FIELDS = frozenset(["model", "messages", "tools", "stream", "options", "format", "keep_alive", "think", "truncate"])


class Ollama(Compatible):
    """`window` is the context every model is loaded with; None for a server too old to say."""

    def __init__(self, *, window: int | None = 131_072) -> None:
        self.window = window

    def is_chat(self, request: HttpRequest) -> bool:
        return super().is_chat(request) or (request.method == "POST" and request.path == "/api/chat")

    def read(self, request: HttpRequest) -> Body:
        body = read_json(request)
        return body if request.path != "/api/chat" else _read_native(body)

    def page(self, request: HttpRequest, backend: Backend) -> Page | None:
        models = backend.models()
        match request.method, request.path:
            case "GET", "/api/tags":
                return 200, {"models": [_row(model) for model in models]}
            case "GET", "/api/ps":
                loaded = {} if self.window is None else {"context_length": self.window}
                return 200, {"models": [{**_row(model), **loaded} for model in models]}
            case "POST", "/api/show":
                name = read_json(request).get("model")
                model = next((model for model in models if _tagged(model.id) == name), None)
                if model is None:
                    raise WireError(404, f"model '{name}' not found")
                return 200, {"capabilities": ["completion", *(["tools"] if model.tools else [])], "details": {}}
            case _:
                return super().page(request, backend)

    def refusal(self, error: WireError, request: HttpRequest) -> Page:
        if request.path.startswith(self.base):
            return super().refusal(error, request)
        return error.status, {"error": str(error)}

    def stream(self, request: HttpRequest, answer: Answer, record: Recorded) -> Stream:
        if request.path != "/api/chat":
            return super().stream(request, answer, record)
        lines = [dumped(_line(record, message)) + b"\n" for message in _spoken(answer)]
        return lines, [dumped(_end(answer, record)) + b"\n"]

    def whole(self, request: HttpRequest, answer: Answer, record: Recorded) -> Any:
        if request.path != "/api/chat":
            return super().whole(request, answer, record)
        return {**_end(answer, record), "message": _message(answer)}


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _row(model: OfferedModel) -> dict[str, Any]:
    return {"name": _tagged(model.id), "model": _tagged(model.id), "size": 4_661_224_676, "details": {"family": "x"}}


def _read_native(body: Mapping[str, Any]) -> Body:
    known(body, _FIELDS)
    require(body.get("model"), "model is required")
    options = body.get("options") or {}
    messages = list(_messages(body.get("messages")))
    chat: Body = {"model": body["model"], "messages": messages, "stream": body.get("stream", True)}
    if chat["stream"]:
        chat["stream_options"] = {"include_usage": True}
    if "num_predict" in options:
        chat["max_tokens"] = options["num_predict"]
    if "temperature" in options:
        chat["temperature"] = options["temperature"]
    if body.get("tools"):
        chat["tools"] = body["tools"]
    return chat


def _messages(messages: object) -> Iterator[Body]:
    if not isinstance(messages, list):
        raise malformed("messages must be a list")
    waiting: list[str] = []
    for index, message in enumerate(messages):
        chat: Body = {"role": message.get("role"), "content": message.get("content") or None}
        if images := message.get("images"):
            chat = said_with_images(message.get("content") or "", [_shown(data) for data in images])
        if calls := message.get("tool_calls"):
            waiting = [f"call{index}x{number}" for number in range(len(calls))]
            chat["tool_calls"] = [_call(call, call_id) for call, call_id in zip(calls, waiting, strict=True)]
        if message.get("role") == "tool":
            require(waiting, "a tool message without a call")
            chat["tool_call_id"] = waiting.pop(0)
        yield chat


def _shown(data: object) -> str:
    """Bare base64, with nothing that says what it is."""
    try:
        kind = media_type(b64decode(str(data), validate=True))
    except binascii.Error as error:
        raise malformed(f"illegal base64 data: {error}") from error
    problem = data_problem(kind, data)
    require(problem is None, f"Failed to load image or audio file: {problem}")
    return data_url(str(kind), str(data))


def _call(call: Mapping[str, Any], call_id: str) -> Body:
    arguments = call["function"]["arguments"]
    require(isinstance(arguments, dict), "json: cannot unmarshal string into api.ToolCallFunctionArguments")
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": call["function"]["name"], "arguments": json.dumps(arguments)},
    }


def _spoken(answer: Answer) -> Iterator[dict[str, Any]]:
    reply = answer.reply
    yield from ({"role": "assistant", "content": "", "thinking": piece} for piece in pieces(reply.reasoning))
    yield from ({"role": "assistant", "content": piece} for piece in pieces(reply.text))
    for call in reply.calls:
        function = {"name": call.name, "arguments": call.arguments}
        yield {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}


def _message(answer: Answer) -> dict[str, Any]:
    reply = answer.reply
    calls = [{"function": {"name": call.name, "arguments": call.arguments}} for call in reply.calls]
    message = {"role": "assistant", "content": reply.text}
    return {**message, "tool_calls": calls} if calls else message


def _line(record: Recorded, message: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": record.model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False}


def _end(answer: Answer, record: Recorded) -> dict[str, Any]:
    end = _line(record, {"role": "assistant", "content": ""})
    reason = "length" if answer.reply.finish_reason == "length" else "stop"
    end |= {"done": True, "done_reason": reason}
    return end if answer.reply.no_usage else end | {"prompt_eval_count": answer.input, "eval_count": answer.output}
