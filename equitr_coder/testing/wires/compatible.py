"""OpenAI chat completions, and how Groq and OpenRouter speak them."""

import json
from collections.abc import Mapping
from typing import Any

from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.chunks import completion, stream_events
from equitr_coder.testing.http import HttpRequest
from equitr_coder.testing.script import OfferedModel
from equitr_coder.testing.wire import WireRequest
from equitr_coder.testing.wires.wire_format import Body, Page, Stream, read_json, require

_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Compatible:
    """An endpoint of somebody's own: nothing but what everybody has."""

    base = "/v1"
    stream_type = "text/event-stream; charset=utf-8"

    def key(self, request: HttpRequest) -> str | None:
        return request.key

    def is_chat(self, request: HttpRequest) -> bool:
        return request.method == "POST" and request.path == f"{self.base}/chat/completions"

    def read(self, request: HttpRequest) -> Body:
        return read_json(request)

    def page(self, request: HttpRequest, backend: Backend) -> Page | None:
        if request.method != "GET" or request.path != f"{self.base}/models":
            return None
        backend.check_key(self.key(request))
        return 200, {"object": "list", "data": [self.row(model) for model in backend.models()]}

    def row(self, model: OfferedModel) -> Mapping[str, Any]:
        return {"id": model.id, "object": "model", "created": 1_700_000_000, "owned_by": "scripted"}

    def refusal(self, error: WireError, request: HttpRequest) -> Page:
        del request
        kind = _KINDS.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
        return error.status, {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}

    def stream(self, request: HttpRequest, answer: Answer, record: Recorded) -> Stream:
        del request
        content, finish = stream_events(WireRequest(record.body), answer, record)
        payloads = [self.chunk(json.loads(payload), answer) for payload in (*content, *finish[:-1])]
        lines = [b"data: %s\n\n" % json.dumps(payload).encode() for payload in payloads]
        return [self.opening() + lines[0], *lines[1 : len(content)]], [*lines[len(content) :], b"data: [DONE]\n\n"]

    def opening(self) -> bytes:
        return b""

    def chunk(self, chunk: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """A chunk, or the whole answer, as this provider writes it."""
        del answer
        return chunk

    def whole(self, request: HttpRequest, answer: Answer, record: Recorded) -> Any:
        del request
        return self.chunk(completion(answer, record), answer)


class OpenAI(Compatible):
    """OpenAI itself. Reasoning stays hidden: only its tokens are told."""

    def chunk(self, chunk: dict[str, Any], answer: Answer) -> dict[str, Any]:
        del answer
        for choice in chunk.get("choices", []):
            for part in ("delta", "message"):
                choice.get(part, {}).pop("reasoning_content", None)
        return chunk


class Groq(Compatible):
    """Usage in a field of its own when streamed; the list tells context and output."""

    base = "/openai/v1"

    def row(self, model: OfferedModel) -> Mapping[str, Any]:
        extra = {"active": True, "context_window": model.context_window or 131_072, "max_completion_tokens": 32_768}
        return {**super().row(model), **extra}

    def chunk(self, chunk: dict[str, Any], answer: Answer) -> dict[str, Any]:
        del answer
        _rename_reasoning(chunk)
        if chunk["object"] == "chat.completion.chunk" and "usage" in chunk:
            chunk["x_groq"] = {"id": "req_scripted", "usage": chunk.pop("usage")}
        return chunk


class OpenRouter(Compatible):
    """Comments while it looks for a provider; the cost beside the tokens; a list that is open and tells of tools."""

    base = "/api/v1"

    def read(self, request: HttpRequest) -> Body:
        body = read_json(request)
        usage = body.pop("usage", {"include": False})
        require(isinstance(usage, dict) and isinstance(usage.get("include"), bool), "usage.include: Expected boolean")
        return body

    def page(self, request: HttpRequest, backend: Backend) -> Page | None:
        if request.method == "GET" and request.path == f"{self.base}/models":
            return 200, {"data": [self.row(model) for model in backend.models()]}
        if request.method == "GET" and request.path == f"{self.base}/key":
            backend.check_key(self.key(request))
            return 200, {"data": {"label": "scripted", "usage": 0.5, "limit": None, "is_free_tier": False}}
        return None

    def row(self, model: OfferedModel) -> Mapping[str, Any]:
        return {
            "id": model.id,
            "name": model.id,
            "context_length": model.context_window or 200_000,
            "supported_parameters": ["max_tokens", "temperature", *(["tools", "tool_choice"] if model.tools else [])],
            "top_provider": {"max_completion_tokens": 64_000},
            "pricing": {"prompt": "0.000003", "completion": "0.000015"},
        }

    def refusal(self, error: WireError, request: HttpRequest) -> Page:
        del request
        return error.status, {"error": {"code": error.status, "message": str(error)}, "user_id": "user_scripted"}

    def opening(self) -> bytes:
        return b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"

    def chunk(self, chunk: dict[str, Any], answer: Answer) -> dict[str, Any]:
        _rename_reasoning(chunk)
        cost = answer.reply.usage.cost
        if "usage" in chunk and cost is not None:
            chunk["usage"] |= {"cost": float(cost), "is_byok": False}
        return {"provider": "Scripted", **chunk}


def _rename_reasoning(chunk: Mapping[str, Any]) -> None:
    for choice in chunk.get("choices", []):
        for part in ("delta", "message"):
            if "reasoning_content" in choice.get(part, {}):
                choice[part]["reasoning"] = choice[part].pop("reasoning_content")
