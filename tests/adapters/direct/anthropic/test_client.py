"""The Anthropic wire, byte by byte: streams, whole messages, errors in both, and what models refuse."""

import asyncio
import json
from typing import Any

import pytest

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import (
    AssistantMessage,
    ReasoningDelta,
    Reply,
    StopCause,
    TextDelta,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import Usage
from tests.adapters.direct.anthropic.conftest import KEY, Ask
from tests.adapters.direct.wire import STAYS_OPEN, Pieces, head, streamed, whole

USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 1,
}
START = {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "model": "claude-9", "usage": USAGE}}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def use(call_id: str, *pieces: str, index: int = 1) -> list[dict[str, Any]]:
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, {"type": "tool_use", "id": call_id, "name": "read", "input": {}}, *deltas)


def thinking(index: int = 0) -> list[dict[str, Any]]:
    return block(
        index,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "thinking_delta", "thinking": "."},
        {"type": "signature_delta", "signature": "c2ln"},
    )


def end(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 42, **usage}}


def events(*parts: dict[str, Any], **options: Any) -> Pieces:
    return streamed(*(f"event: {part['type']}\ndata: {json.dumps(part)}\n\n" for part in parts), **options)


ANSWER = events(START, PING, *text("Hel", "lo"), end(), STOP)
SAID = Usage(input=12, cache_read=2000, cache_write=100, cache_write_1h=200, output=42)


async def failed(ask: Ask, *answers: Pieces, **settings: Any) -> ModelError:
    asked = await ask(*answers, **settings)
    with pytest.raises(ModelError) as caught:
        await asked.all()
    return caught.value


async def test_a_stream_gives_its_deltas_and_the_whole_reply(ask: Ask) -> None:
    answer = events(START, PING, *text("Hel", "lo"), *use("t1", "", '{"path":', ' "a.py"}'), end("tool_use"), STOP)
    asked = await ask(answer)

    deltas, reply = await asked.all()

    assert deltas == [TextDelta(text="Hel"), TextDelta(text="lo")]
    assert [(call.id, call.name, call.arguments) for call in reply.message.calls] == [
        ("t1", "read", '{"path": "a.py"}')
    ]
    assert reply == Reply(
        message=AssistantMessage(text="Hello", calls=reply.message.calls),
        usage=SAID,
        stop=StopCause.TOOL_CALLS,
        model="claude-9",
        request_id="msg_1",
        provider="anthropic",
    )


async def test_the_request_says_key_version_and_limit(ask: Ask) -> None:
    asked = await ask(ANSWER)

    await asked.all(temperature=1.4)

    [got] = asked.server.requests
    assert got["path"] == "/v1/messages"
    assert (got["headers"]["x-api-key"], got["headers"]["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in got["headers"]
    assert (got["body"]["model"], got["body"]["max_tokens"], got["body"]["temperature"]) == ("claude-9", 100, 1.0)


async def test_calls_without_arguments_and_without_ids_are_whole(ask: Ask) -> None:
    asked = await ask(events(START, *use("", index=0), *use("t1", index=1), *use("t1", index=2), end("tool_use"), STOP))

    _, reply = await asked.all()

    assert [call.arguments for call in reply.message.calls] == ["{}", "{}", "{}"]
    assert len({call.id for call in reply.message.calls} - {""}) == 3


async def test_a_message_that_is_not_streamed_is_read_whole(ask: Ask) -> None:
    content = [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "t1", "name": "read", "input": {"a": 1}}]
    usage = {**USAGE, "output_tokens": 42, "output_tokens_details": {"thinking_tokens": 30}}
    body = {"type": "message", "id": "m", "model": "claude-9", "content": content, "stop_reason": "tool_use"}
    asked = await ask(whole(200, {**body, "usage": usage}, request_id="req-7"))

    deltas, reply = await asked.all()

    assert deltas == [TextDelta(text="Hello")]
    assert reply.message.calls[0].arguments == '{"a": 1}'
    assert reply.usage == SAID.model_copy(update={"reasoning": 30})
    assert reply.request_id == "req-7"


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", StopCause.END),
        ("stop_sequence", StopCause.END),
        ("max_tokens", StopCause.LENGTH),
        ("model_context_window_exceeded", StopCause.LENGTH),
        ("pause_turn", StopCause.LENGTH),
        ("refusal", StopCause.FILTERED),
        ("something_new", StopCause.END),
    ],
)
async def test_each_stop_reason_has_its_cause(ask: Ask, reason: str, stop: StopCause) -> None:
    asked = await ask(events(START, *text("Hello"), end(reason), STOP))

    _, reply = await asked.all()

    assert reply.stop is stop


async def test_later_usage_replaces_earlier_and_null_says_nothing(ask: Ask) -> None:
    asked = await ask(events(START, *text("Hello"), end(input_tokens=15, cache_read_input_tokens=None), STOP))

    _, reply = await asked.all()

    assert reply.usage == SAID.model_copy(update={"input": 15})


async def test_a_figure_that_was_told_is_not_lost_to_a_later_nothing(ask: Ask) -> None:
    nothing = end(input_tokens=0, cache_read_input_tokens=0, cache_creation_input_tokens=0)
    asked = await ask(events(START, *text("Hello"), nothing, STOP))

    _, reply = await asked.all()

    assert reply.usage == SAID


async def test_usage_that_stops_at_the_start_is_completed_by_an_estimate(ask: Ask) -> None:
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    asked = await ask(events(START, *text("Hello" * 40), last, STOP))

    _, reply = await asked.all()

    assert reply.usage.estimated
    assert (reply.usage.input, reply.usage.output) == (12, 50)


async def test_thoughts_come_as_reasoning_and_go_back_signed_with_their_calls(ask: Ask) -> None:
    answer = events(START, *thinking(), *text("I look.", index=1), *use("t1", index=2), end("tool_use"), STOP)
    asked = await ask(answer, ANSWER)

    deltas, reply = await asked.all()
    await asked.all(
        UserMessage(text="hi"), reply.message, ToolMessage(call=reply.message.calls[0].id, name="read", text="x")
    )

    assert deltas == [ReasoningDelta(text="Hm"), ReasoningDelta(text="."), TextDelta(text="I look.")]
    assert reply.message.text == "I look."
    assert asked.bodies[1]["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "read", "input": {}},
    ]


async def test_thoughts_that_the_provider_does_not_take_back_are_left_out_from_then_on(ask: Ask) -> None:
    refusal = whole(400, {"error": {"type": "invalid_request_error", "message": "Invalid `signature` in `thinking`"}})
    asked = await ask(events(START, *thinking(), *use("t1"), end("tool_use"), STOP), refusal, ANSWER)
    _, reply = await asked.all()
    history = (
        UserMessage(text="hi"),
        reply.message,
        ToolMessage(call=reply.message.calls[0].id, name="read", text="x"),
    )

    await asked.all(*history)
    await asked.all(*history)

    shown = ["thinking" in json.dumps(body["messages"]) for body in asked.bodies]
    assert shown == [False, True, False, False]


async def test_thoughts_of_one_model_are_not_shown_to_another(ask: Ask) -> None:
    asked = await ask(events(START, *thinking(), *use("t1"), end("tool_use"), STOP), ANSWER)
    _, reply = await asked.all()
    history = (
        UserMessage(text="hi"),
        reply.message,
        ToolMessage(call=reply.message.calls[0].id, name="read", text="x"),
    )

    await asked.all(*history, name="anthropic/claude-10")

    assert "thinking" not in json.dumps(asked.bodies[1])


@pytest.mark.parametrize(
    ("kind", "found", "retryable", "status"),
    [
        ("overloaded_error", ModelErrorKind.SERVER, True, 529),
        ("rate_limit_error", ModelErrorKind.RATE_LIMITED, True, 429),
        ("api_error", ModelErrorKind.SERVER, True, 500),
        ("authentication_error", ModelErrorKind.AUTH, False, 401),
        ("invalid_request_error", ModelErrorKind.BAD_REQUEST, False, 400),
    ],
)
@pytest.mark.parametrize("has_begun", [False, True])
async def test_an_error_inside_a_good_answer_is_the_providers_failure(
    ask: Ask, kind: str, found: ModelErrorKind, retryable: bool, status: int, has_begun: bool
) -> None:
    event = {"type": "error", "error": {"type": kind, "message": "Overloaded" if "over" in kind else kind}}

    error = await failed(ask, events(START, *(text("Hel") if has_begun else ()), event))

    assert error.status == (None if has_begun else status)
    if not has_begun:
        assert (error.kind, error.retryable) == (found, retryable)


@pytest.mark.parametrize(
    "answer",
    [
        events(START, *text("Hello")),
        events(START, *text("Hello"), end=False),
        events(START, *text("Hello"), end(None), STOP),
        events(),
        whole(200, b""),
        whole(200, b'{"type": "message", "content": [{"te'),
        [head(content_type="text/event-stream", connection="close"), b"event: message_start\ndata: {\n\n"],
        whole(200, {"choices": []}),
        [head(content_type="text/event-stream", connection="close"), b"data: " + b"[" * 100_000 + b"\n\n"],
        whole(200, b'{"a":' + b"[" * 100_000),
    ],
    ids=[
        "no end",
        "cut",
        "no reason",
        "nothing",
        "no body",
        "cut json",
        "damaged",
        "another wire",
        "deep",
        "whole deep",
    ],
)
async def test_what_is_no_whole_answer_is_a_bad_response(ask: Ask, answer: Pieces) -> None:
    error = await failed(ask, answer)

    assert (error.kind, error.sent, error.status) == (ModelErrorKind.BAD_RESPONSE, True, None)


async def test_a_web_page_has_a_status_and_so_costs_nothing(ask: Ask) -> None:
    error = await failed(ask, whole(200, b"<html>a proxy</html>", content_type="text/html"))

    assert (error.kind, error.status, error.retryable) == (ModelErrorKind.BAD_RESPONSE, 200, False)
    assert "Anthropic messages" in error.hint


async def test_a_connection_that_stays_open_after_the_last_event_is_not_waited_for(ask: Ask) -> None:
    asked = await ask([*events(START, *text("Hello"), end(), STOP, end=False), STAYS_OPEN], timeout=60)

    assert (await asyncio.wait_for(asked.all(), 5))[1].message.text == "Hello"


async def test_an_answer_that_was_finished_before_the_connection_broke_is_kept(ask: Ask) -> None:
    asked = await ask(events(START, *text("Hello"), end(), end=False))

    _, reply = await asked.all()

    assert (reply.message.text, reply.usage) == ("Hello", SAID)


async def test_a_model_that_takes_no_temperature_is_asked_without_from_then_on(ask: Ask) -> None:
    refusal = whole(400, {"error": {"message": "`temperature` is deprecated for this model."}})
    asked = await ask(refusal, ANSWER)

    await asked.all(temperature=0.3)
    await asked.all(temperature=0.3)

    assert ["temperature" in body for body in asked.bodies] == [True, False, False]


async def test_a_model_that_writes_less_is_asked_for_less_from_then_on(ask: Ask) -> None:
    words = "max_tokens: 100 > 64, which is the maximum allowed number of output tokens for claude-9"
    asked = await ask(whole(400, {"error": {"message": words}}), ANSWER)

    await asked.all()
    await asked.all()

    assert [body["max_tokens"] for body in asked.bodies] == [100, 64, 64]


async def test_a_refusal_about_something_else_is_not_asked_again(ask: Ask) -> None:
    asked = await ask(whole(400, {"error": {"message": "temperature: range: 0..1"}}))

    with pytest.raises(ModelError):
        await asked.all()

    assert len(asked.bodies) == 1


async def test_connections_are_used_again(ask: Ask) -> None:
    asked = await ask(ANSWER)

    for _ in range(3):
        await asked.all()

    assert asked.server.connections == 1


async def test_the_key_shows_in_no_error(ask: Ask) -> None:
    error = await failed(ask, whole(401, {"error": {"type": "authentication_error", "message": f"bad key {KEY}"}}))

    assert KEY not in str(error) + error.hint
    assert "KEY" in str(error)
