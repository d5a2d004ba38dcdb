"""Anthropic messages. Refuses what Anthropic refuses, and turns of one role in a row besides."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.chunks import pieces
from equitr_coder.testing.http import HttpRequest
from equitr_coder.testing.images import data_problem, data_url, said_with_images
from equitr_coder.testing.schemas import schema_problems
from equitr_coder.testing.script import ScriptedCall
from equitr_coder.testing.wires.wire_format import Body, Page, Stream, dumped, malformed, read_json, require
from equitr_coder.testing.wires.wire_format import require_known as known

_FIELDS = frozenset(
    [
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "stream",
        "temperature",
        "metadata",
        "stop_sequences",
        "thinking",
        "top_k",
        "top_p",
        "service_tier",
        "output_config",
    ]
)
_BLOCKS = {
    "user": {
        "text": frozenset(["type", "text", "cache_control"]),
        "image": frozenset(["type", "source", "cache_control"]),
        "tool_result": frozenset(["type", "tool_use_id", "content", "is_error", "cache_control"]),
    },
    "assistant": {
        "text": frozenset(["type", "text", "cache_control"]),
        "tool_use": frozenset(["type", "id", "name", "input", "cache_control"]),
        "thinking": frozenset(["type", "thinking", "signature"]),
        "redacted_thinking": frozenset(["type", "data"]),
    },
}
_MARKS = 4
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
_WORDS = {
    "context_length_exceeded": (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    "insufficient_quota": (
        400,
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
    ),
    "invalid_api_key": (401, "invalid x-api-key"),
}
"""How Anthropic says what a script names by OpenAI's codes."""


class Anthropic:
    base = ""
    stream_type = "text/event-stream; charset=utf-8"

    def key(self, request: HttpRequest) -> str | None:
        return request.headers.get("x-api-key") or None

    def is_chat(self, request: HttpRequest) -> bool:
        return request.method == "POST" and request.path == "/v1/messages"

    def read(self, request: HttpRequest) -> Body:
        require(request.headers.get("anthropic-version"), "anthropic-version: header is required")
        body = read_json(request)
        known(body, _FIELDS)
        require(isinstance(body.get("model"), str) and body["model"], "model: Field required")
        limit = body.get("max_tokens")
        require(isinstance(limit, int), "max_tokens: Field required")
        require(isinstance(limit, int) and limit >= 1, "max_tokens: Input should be greater than or equal to 1")
        temperature = body.get("temperature", 1)
        require(isinstance(temperature, int | float) and 0 <= temperature <= 1, "temperature: range: 0..1")
        marks = request.body.count(b'"cache_control"')
        require(marks <= _MARKS, f"A maximum of {_MARKS} blocks with cache_control may be provided. Found {marks}.")
        chat: Body = {
            "model": body["model"],
            "messages": [*_system(body.get("system")), *_messages(body.get("messages"))],
            "max_tokens": limit,
            "stream": body.get("stream", False),
        }
        if "temperature" in body:
            chat["temperature"] = temperature
        if body.get("tools"):
            chat["tools"] = [_tool(index, tool) for index, tool in enumerate(body["tools"])]
        return chat

    def page(self, request: HttpRequest, backend: Backend) -> Page | None:
        if request.method != "GET" or request.path != "/v1/models":
            return None
        require(request.headers.get("anthropic-version"), "anthropic-version: header is required")
        backend.check_key(self.key(request))
        rows = [
            {
                "type": "model",
                "id": model.id,
                "display_name": model.id.title(),
                "created_at": "2026-02-17T00:00:00Z",
                "max_input_tokens": model.context_window or 200_000,
                "max_tokens": 64_000,
            }
            for model in backend.models()
        ]
        return 200, {"data": rows, "has_more": False, "first_id": None, "last_id": None}

    def refusal(self, error: WireError, request: HttpRequest) -> Page:
        del request
        status, text = _WORDS.get(error.code or "", (error.status, str(error)))
        kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return status, {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_scripted"}

    def stream(self, request: HttpRequest, answer: Answer, record: Recorded) -> Stream:
        del request
        message = {**_head(record), "content": [], "stop_reason": None, "stop_sequence": None}
        if not answer.reply.no_usage:
            message["usage"] = {**_usage(answer), "output_tokens": 1}
        content = [_event({"type": "message_start", "message": message}) + _event({"type": "ping"})]
        for index, (block, deltas) in enumerate(_blocks(answer)):
            spoken = [_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
            spoken[0] = _event({"type": "content_block_start", "index": index, "content_block": block}) + spoken[0]
            spoken[-1] += _event({"type": "content_block_stop", "index": index})
            content += spoken
        end: dict[str, Any] = {"type": "message_delta", "delta": _end(answer)}
        if not answer.reply.no_usage:
            end["usage"] = _usage(answer)
        return content, [_event(end), _event({"type": "message_stop"})]

    def whole(self, request: HttpRequest, answer: Answer, record: Recorded) -> Any:
        del request
        content = []
        for block, deltas in _blocks(answer):
            match block["type"]:
                case "text":
                    content.append({**block, "text": "".join(delta["text"] for delta in deltas)})
                case "thinking":
                    spoken = "".join(delta.get("thinking", "") for delta in deltas)
                    content.append({"type": "thinking", "thinking": spoken, "signature": _SIGNATURE})
                case _:
                    written = "".join(delta["partial_json"] for delta in deltas)
                    content.append({**block, "input": json.loads(written or "{}")})
        return {**_head(record), "content": content, **_end(answer), "usage": _usage(answer)}


_SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzY3JpcHQ="


def _system(system: object) -> Iterator[Body]:
    if system is None:
        return
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    if not isinstance(blocks, list):
        raise malformed("system: Input should be a valid list")
    texts = [_text_block(block, f"system.{index}") for index, block in enumerate(blocks)]
    yield {"role": "system", "content": "\n".join(texts)}


def _messages(messages: object) -> Iterator[Body]:
    if not isinstance(messages, list) or not messages:
        raise malformed("messages: at least one message is required")
    previous, open_calls = "", set[str]()
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        role = message.get("role")
        require(role in _BLOCKS, f"{where}.role: Input should be 'user' or 'assistant'")
        require(index or role == "user", f"{where}: first message must use the user role")
        require(role != previous, f"{where}: roles must alternate")
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        require(isinstance(blocks, list) and blocks, f"{where}: all messages must have non-empty content")
        for number, block in enumerate(blocks):
            _check_block(block, role, f"{where}.content.{number}")
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        missing, unasked = open_calls - answered, answered - open_calls
        require(not missing, f"{where}: `tool_use` ids were found without `tool_result` blocks: {sorted(missing)}")
        require(not unasked, f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {sorted(unasked)}")
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        yield from _assistant(blocks) if role == "assistant" else _user(blocks, where)
        previous = role
    require(previous == "user", "This model does not support assistant message prefill.")


def _check_block(block: Any, role: str, where: str) -> None:
    kind = str(block.get("type")) if isinstance(block, Mapping) else ""
    require(kind in _BLOCKS[role], f"{where}: Input tag {kind!r} found using 'type' is not expected for {role}")
    known(block, _BLOCKS[role][kind], f"{where}.")
    if kind == "text":
        _text_block(block, where)
    elif kind == "image":
        source = block.get("source")
        if not isinstance(source, Mapping) or source.keys() != {"type", "media_type", "data"}:
            raise malformed(f"{where}.source: type, media_type and data are required")
        require(source["type"] == "base64", f"{where}.source.type: Input should be 'base64'")
        problem = data_problem(source["media_type"], source["data"])
        require(problem is None, f"{where}.source.base64: {problem}")
    elif kind == "tool_use":
        require(_CALL_ID.fullmatch(str(block.get("id"))), f"{where}.id: String should match pattern")
        require(_TOOL_NAME.fullmatch(str(block.get("name"))), f"{where}.name: String should match pattern")
        require(isinstance(block.get("input"), dict), f"{where}.input: Input should be a valid dictionary")
    elif kind == "thinking":
        require(block["signature"] == _SIGNATURE, f"{where}: Invalid `signature` in `thinking` block")
    elif isinstance(block.get("content"), list):
        for index, part in enumerate(block["content"]):
            _text_block(part, f"{where}.content.{index}")


def _text_block(block: Mapping[str, Any], where: str) -> str:
    text = block.get("text")
    if not isinstance(text, str):
        raise malformed(f"{where}.text: Field required")
    require(text.strip(), f"{where}: text content blocks must contain non-whitespace text")
    return text


def _user(blocks: list[Mapping[str, Any]], where: str) -> Iterator[Body]:
    has_spoken = False
    for block in blocks:
        if block["type"] in ("text", "image"):
            has_spoken = True
            continue
        require(not has_spoken, f"{where}: `tool_result` blocks must come first")
        content = block.get("content", [])
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text or "(empty)"}
    if has_spoken:
        text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        sources = [block["source"] for block in blocks if block["type"] == "image"]
        yield said_with_images(text, [data_url(source["media_type"], source["data"]) for source in sources])


def _assistant(blocks: list[Mapping[str, Any]]) -> Iterator[Body]:
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    message: Body = {"role": "assistant", "content": text or None}
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)},
        }
        for block in blocks
        if block["type"] == "tool_use"
    ]
    yield {**message, "tool_calls": calls} if calls else message


def _tool(index: int, tool: Mapping[str, Any]) -> Body:
    where = f"tools.{index}"
    known(tool, frozenset(["name", "description", "input_schema", "cache_control", "type", "strict"]), f"{where}.")
    require(_TOOL_NAME.fullmatch(str(tool.get("name"))), f"{where}.name: String should match pattern")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise malformed(f"{where}.input_schema.type: Field required")
    require(not list(schema_problems(schema, "input_schema")), f"{where}.input_schema: JSON schema is invalid")
    function = {"name": tool["name"], "description": tool.get("description", ""), "parameters": schema}
    return {"type": "function", "function": function}


def _blocks(answer: Answer) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it is opened, with its deltas."""
    reply = answer.reply
    if reply.reasoning:
        spoken: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": p} for p in pieces(reply.reasoning)]
        signed = {"type": "signature_delta", "signature": _SIGNATURE}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*spoken, signed]
    if reply.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(reply.text)]
    for call, call_id in zip(reply.calls, answer.call_ids, strict=True):
        yield {"type": "tool_use", "id": call_id, "name": call.name, "input": {}}, _arguments(call)


def _arguments(call: ScriptedCall) -> list[dict[str, Any]]:
    """An empty piece comes first, as it does from Anthropic."""
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces(call.text))]


def _head(record: Recorded) -> dict[str, Any]:
    return {"id": f"msg_{record.number}", "type": "message", "role": "assistant", "model": record.model}


def _end(answer: Answer) -> dict[str, Any]:
    reason = answer.reply.finish_reason
    return {"stop_reason": _STOPS.get(reason, reason), "stop_sequence": None}


def _usage(answer: Answer) -> dict[str, Any]:
    usage = answer.reply.usage
    return {
        "input_tokens": answer.input - usage.cached,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": answer.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    }


def _event(event: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), dumped(event))
