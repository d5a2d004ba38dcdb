"""Gemini's own generateContent with its list of models, and its endpoint for OpenAI's form beneath the same root."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.chunks import pieces
from equitr_coder.testing.http import HttpRequest
from equitr_coder.testing.images import data_problem, data_url, said_with_images
from equitr_coder.testing.wires.compatible import Compatible
from equitr_coder.testing.wires.wire_format import (
    Body,
    Page,
    Stream,
    dumped,
    malformed,
    read_json,
    require,
    require_known,
)

_NATIVE = re.compile(r"/v1beta/models/([^/:]+):(streamGenerateContent|generateContent)")
_FIELDS = frozenset(
    [
        "contents",
        "systemInstruction",
        "system_instruction",
        "tools",
        "toolConfig",
        "generationConfig",
        "safetySettings",
        "cachedContent",
        "labels",
    ]
)
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_STOPS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_WORDS = {
    "context_length_exceeded": (
        400,
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "insufficient_quota": (429, "You exceeded your current quota, please check your plan and billing details."),
    "invalid_api_key": (400, "API key not valid. Please pass a valid API key."),
}


class Gemini(Compatible):
    """`signs` makes calls carry a signed thought in OpenAI's form, and refuses them when they come back without."""

    base = "/v1beta/openai"

    def __init__(self, *, signs: bool = False) -> None:
        self._signs = signs

    def key(self, request: HttpRequest) -> str | None:
        return request.headers.get("x-goog-api-key") or request.key

    def is_chat(self, request: HttpRequest) -> bool:
        return super().is_chat(request) or bool(request.method == "POST" and _NATIVE.fullmatch(request.path))

    def read(self, request: HttpRequest) -> Body:
        if found := _NATIVE.fullmatch(request.path):
            return _read_native(read_json(request), found[1], is_streamed=found[2].startswith("stream"))
        body = read_json(request)
        for message in body.get("messages") or ():
            calls = message.get("tool_calls") or ()
            signed = [call.pop("extra_content", None) for call in calls]
            needs = self._signs and calls
            require(not needs or signed[0], "Function call is missing a thought_signature in functionCall parts.")
        return body

    def page(self, request: HttpRequest, backend: Backend) -> Page | None:
        if request.method != "GET" or request.path != "/v1beta/models":
            return super().page(request, backend)
        backend.check_key(self.key(request))
        rows = [
            {
                "name": f"models/{model.id}",
                "displayName": model.id.title(),
                "inputTokenLimit": model.context_window or 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            }
            for model in backend.models()
        ]
        embedding = {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]}
        return 200, {"models": [*rows, embedding]}

    def refusal(self, error: WireError, request: HttpRequest) -> Page:
        status, text = _WORDS.get(error.code or "", (error.status, str(error)))
        kind = _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        body = {"error": {"code": status, "message": text, "status": kind}}
        return status, body if _is_native(request) else [body]

    def stream(self, request: HttpRequest, answer: Answer, record: Recorded) -> Stream:
        if not _is_native(request):
            return super().stream(request, answer, record)
        content = [_piece(record, part) for part in _parts(answer)]
        lines = [b"data: %s\r\n\r\n" % dumped(payload) for payload in content]
        return lines, [b"data: %s\r\n\r\n" % dumped(_end(answer, record))]

    def chunk(self, chunk: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """Thoughts are no part of the completion's tokens, only of the sum. Calls are whole, the first is signed."""
        for choice in chunk.get("choices", []):
            for part in ("delta", "message"):
                choice.get(part, {}).pop("reasoning_content", None)
                for call in choice.get(part, {}).get("tool_calls", ()):
                    if self._signs and call.get("id") == answer.call_ids[0]:
                        call["extra_content"] = {"google": {"thought_signature": f"signed-{call['id']}"}}
        if usage := chunk.get("usage"):
            hidden = usage.pop("completion_tokens_details")["reasoning_tokens"]
            usage["completion_tokens"] -= hidden
        return chunk

    def whole(self, request: HttpRequest, answer: Answer, record: Recorded) -> Any:
        if not _is_native(request):
            return super().whole(request, answer, record)
        end = _end(answer, record)
        end["candidates"][0]["content"]["parts"] = list(_parts(answer))
        return end


def _is_native(request: HttpRequest) -> bool:
    return not request.path.startswith("/v1beta/openai")


def _read_native(body: Mapping[str, Any], model: str, *, is_streamed: bool) -> Body:
    require_known(body, _FIELDS)
    settings = body.get("generationConfig") or {}
    limit = settings.get("maxOutputTokens", settings.get("max_output_tokens"))
    system = body.get("systemInstruction") or body.get("system_instruction") or {"parts": []}
    chat: Body = {
        "model": model,
        "messages": [*_system(system), *_contents(body.get("contents"))],
        "stream": is_streamed,
    }
    if is_streamed:
        chat["stream_options"] = {"include_usage": True}
    if limit is not None:
        chat["max_tokens"] = limit
    if "temperature" in settings:
        chat["temperature"] = settings["temperature"]
    declared = [
        function
        for tool in body.get("tools") or ()
        for function in tool.get("functionDeclarations", tool.get("function_declarations", ()))
    ]
    if declared:
        chat["tools"] = [_tool(function) for function in declared]
    return chat


def _system(instruction: Mapping[str, Any]) -> Iterator[Body]:
    text = "\n".join(part["text"] for part in instruction["parts"])
    if text:
        yield {"role": "system", "content": text}


def _contents(contents: object) -> Iterator[Body]:
    if not isinstance(contents, list) or not contents:
        raise malformed("contents is not specified")
    called: list[str] = []
    for index, content in enumerate(contents):
        role, parts = content.get("role"), content.get("parts")
        require(role in ("user", "model"), f"contents[{index}]: Please use a valid role: user, model.")
        require(parts, f"contents[{index}].parts: must include at least one parts field")
        text = "".join(part.get("text", "") for part in parts)
        calls = list(_of_kind(parts, "functionCall", "function_call"))
        results = list(_of_kind(parts, "functionResponse", "function_response"))
        if role == "model":
            called = [f"call{index}x{number}" for number in range(len(calls))]
            yield _answered(text, calls, called)
            continue
        same = len(results) == len(called)
        require(same, "Please ensure that the number of function response parts is equal to that of function calls.")
        for call_id, result in zip(called, results, strict=True):
            yield {"role": "tool", "tool_call_id": call_id, "content": json.dumps(result["response"])}
        called = []
        urls = [_inline(data, f"contents[{index}]") for data in _of_kind(parts, "inlineData", "inline_data")]
        if text or urls:
            yield said_with_images(text, urls)


def _inline(data: Mapping[str, Any], where: str) -> str:
    kind = data.get("mimeType", data.get("mime_type"))
    problem = data_problem(kind, data.get("data"))
    require(problem is None and kind != "image/gif", f"{where}: {problem or 'Unsupported MIME type: image/gif'}")
    return data_url(str(kind), str(data["data"]))


def _of_kind(parts: list[Mapping[str, Any]], *names: str) -> Iterator[Mapping[str, Any]]:
    """Google takes either spelling."""
    yield from (part[name] for part in parts for name in names if name in part)


def _answered(text: str, calls: list[Mapping[str, Any]], ids: list[str]) -> Body:
    message: Body = {"role": "assistant", "content": text or None}
    written = [
        {"id": call_id, "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["args"])}}
        for call_id, call in zip(ids, calls, strict=True)
    ]
    return {**message, "tool_calls": written} if written else message


def _tool(function: Mapping[str, Any]) -> Body:
    parameters = function.get("parameters") or function.get("parametersJsonSchema") or {"type": "object"}
    schema = {**parameters, "type": str(parameters.get("type", "object")).lower()}
    described = {"name": function["name"], "description": function.get("description", ""), "parameters": schema}
    return {"type": "function", "function": described}


def _parts(answer: Answer) -> Iterator[dict[str, Any]]:
    reply = answer.reply
    yield from ({"text": piece, "thought": True} for piece in pieces(reply.reasoning))
    yield from ({"text": piece} for piece in pieces(reply.text))
    yield from ({"functionCall": {"name": call.name, "args": call.arguments}} for call in reply.calls)


def _piece(record: Recorded, part: Mapping[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "modelVersion": record.model}


def _end(answer: Answer, record: Recorded) -> dict[str, Any]:
    reason = answer.reply.finish_reason
    end = _piece(record, {"text": ""})
    end["candidates"][0]["finishReason"] = _STOPS.get(reason, reason)
    usage = answer.reply.usage
    if not answer.reply.no_usage:
        end["usageMetadata"] = {
            "promptTokenCount": answer.input,
            "cachedContentTokenCount": usage.cache_read,
            "candidatesTokenCount": answer.output - usage.reasoning,
            "thoughtsTokenCount": usage.reasoning,
            "totalTokenCount": answer.input + answer.output,
        }
    return end
