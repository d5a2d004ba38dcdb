"""A scripted reply in the words of the wire: the chunks of a stream, or one completion."""

import json
from collections.abc import Iterator
from itertools import cycle
from typing import Any

from equitr_coder.testing.backend import Answer, Recorded
from equitr_coder.testing.wire import WireRequest

_SIZES = (9, 17, 13, 24, 11, 31, 19)
"""Neighbouring pieces differ in length, so that a monotonous text is not taken for a model that repeats itself."""


def pieces(text: str, sizes: tuple[int, ...] = ()) -> Iterator[str]:
    """The text in short pieces; joined they are the text."""
    start = 0
    for size in cycle(sizes or _SIZES):
        if start >= len(text):
            return
        yield text[start : start + size]
        start += size


def stream_events(request: WireRequest, answer: Answer, record: Recorded) -> tuple[list[str], list[str]]:
    """The `data:` payloads of a stream: content, then what finishes it."""
    reply = answer.reply
    content: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    content += [{"reasoning_content": piece} for piece in pieces(reply.reasoning)]
    content += [{"content": piece} for piece in pieces(reply.text, reply.sizes)]
    for index, (call, call_id) in enumerate(zip(reply.calls, answer.call_ids, strict=True)):
        function = {"name": call.name, "arguments": ""}
        content.append({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        content += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces(call.text)]
    head = _head(record, "chat.completion.chunk")
    finish = [head | {"choices": [_choice({}, reply.finish_reason)]}]
    if request.wants_usage and not reply.no_usage:
        finish.append(head | {"choices": [], "usage": _usage(answer)})
    chunks = [head | {"choices": [_choice(delta, None)]} for delta in content]
    return [json.dumps(chunk) for chunk in chunks], [*(json.dumps(chunk) for chunk in finish), "[DONE]"]


def completion(answer: Answer, record: Recorded) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    reply = answer.reply
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for call, call_id in zip(reply.calls, answer.call_ids, strict=True)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    body = _head(record, "chat.completion") | {"choices": [choice]}
    return body if reply.no_usage else body | {"usage": _usage(answer)}


def _head(record: Recorded, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{record.number}", "object": kind, "created": 1_700_000_000, "model": record.model}


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _usage(answer: Answer) -> dict[str, Any]:
    usage = answer.reply.usage
    details: dict[str, Any] = {"cached_tokens": usage.cache_read}
    if written := usage.cache_write + usage.cache_write_1h:
        details["cache_write_tokens"] = written
    if usage.cache_write_1h:
        details["cache_creation_token_details"] = {"ephemeral_1h_input_tokens": usage.cache_write_1h}
    return {
        "prompt_tokens": answer.input,
        "completion_tokens": answer.output,
        "total_tokens": answer.input + answer.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
