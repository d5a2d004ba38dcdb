"""litellm's traps, one by one, on the wire of OpenAI and on that of Anthropic."""

import asyncio
import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from equitr_coder.adapters.litellm.messages import mark_prefix
from equitr_coder.adapters.models.providers import PROVIDERS
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Reply,
    StopCause,
    TextDelta,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import Usage
from tests.adapters.direct.wire import DONE, HELLO, STAYS_OPEN, Pieces, delta, error, head, raw_server, streamed, whole
from tests.adapters.litellm.conftest import KEY, Ask

pytestmark = [
    pytest.mark.xdist_group("litellm"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning"),
]


def anthropic(*events: dict[str, Any]) -> Pieces:
    return streamed(*(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events))


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-9",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 2000,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 1,
        },
    },
}
TEXT = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
)
USE = (
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t1", "name": "read", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"path":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ' "a.py"}'}},
    {"type": "content_block_stop", "index": 1},
)
END = (
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 42},
    },
    {"type": "message_stop"},
)
CLAUDE = "anthropic/claude-9"


async def failed(ask: Ask, *answers: Pieces, **settings: Any) -> ModelError:
    asked = await ask(*answers, **settings)
    with pytest.raises(ModelError) as caught:
        await asked.all()
    assert len(asked.server.requests) == 1
    return caught.value


async def test_anthropics_wire_gives_text_calls_and_disjoint_usage(ask: Ask) -> None:
    asked = await ask(anthropic(START, *TEXT, *USE, *END), name=CLAUDE)

    deltas, reply = await asked.all()

    assert deltas == [TextDelta(text="Hello")]
    assert reply == Reply(
        message=AssistantMessage(
            text="Hello", calls=(ToolCall(id=CallId("t1"), name="read", arguments='{"path": "a.py"}'),)
        ),
        usage=Usage(input=12, cache_read=2000, cache_write=100, cache_write_1h=200, output=42),
        stop=StopCause.TOOL_CALLS,
        model="claude-9",
        request_id=reply.request_id,
        provider="anthropic",
    )
    assert asked.server.paths == ["/v1/messages"]
    assert asked.server.requests[0]["headers"]["x-api-key"] == KEY


def lines(*rows: dict[str, Any], before: str = "", after: str = "\n") -> Pieces:
    return [head(connection="close"), *(f"{before}{json.dumps(row)}{after}".encode() for row in rows)]


async def test_ollamas_wire_gives_text_calls_and_usage(ask: Ask) -> None:
    call = {"function": {"name": "read", "arguments": {"path": "a.py"}}}
    answer = lines(
        {"model": "llama3", "message": {"role": "assistant", "content": "Hel"}, "done": False},
        {"model": "llama3", "message": {"role": "assistant", "content": "lo"}, "done": False},
        {"model": "llama3", "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False},
        {
            "model": "llama3",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 26,
            "eval_count": 5,
        },
    )
    asked = await ask(answer, name="ollama/llama3")

    _, reply = await asked.all(api_key_env=None)

    assert reply.message.text == "Hello"
    assert [(c.name, c.arguments) for c in reply.message.calls] == [("read", '{"path": "a.py"}')]
    assert (reply.usage, reply.stop) == (Usage(input=26, output=5), StopCause.TOOL_CALLS)
    assert asked.server.paths == ["/api/chat"]
    assert "authorization" not in asked.server.requests[0]["headers"]
    assert "format" not in asked.server.requests[0]["body"]


async def test_geminis_wire_gives_text_calls_and_usage_with_its_thoughts(ask: Ask) -> None:
    def candidate(*parts: dict[str, Any], finish: str | None = None, **usage: int) -> dict[str, Any]:
        content = {"parts": list(parts), "role": "model"}
        reason = {"finishReason": finish} if finish else {}
        return {"candidates": [{"content": content, "index": 0, **reason}], "usageMetadata": usage}

    answer = lines(
        candidate({"text": "Hello"}, promptTokenCount=100, candidatesTokenCount=1, totalTokenCount=101),
        candidate(
            {"functionCall": {"name": "read", "args": {"path": "a.py"}}},
            finish="STOP",
            promptTokenCount=100,
            candidatesTokenCount=8,
            totalTokenCount=138,
            cachedContentTokenCount=60,
            thoughtsTokenCount=30,
        ),
        before="data: ",
        after="\r\n\r\n",
    )
    asked = await ask(answer, name="gemini/flash")

    _, reply = await asked.all()

    assert reply.message.text == "Hello"
    assert [(c.name, c.arguments) for c in reply.message.calls] == [("read", '{"path": "a.py"}')]
    assert reply.usage == Usage(input=40, cache_read=60, output=38, reasoning=30)
    assert asked.server.requests[0]["headers"]["x-goog-api-key"] == KEY
    assert KEY not in asked.server.paths[0]


async def test_anthropic_is_told_up_to_where_to_cache(ask: Ask) -> None:
    asked = await ask(anthropic(START, *TEXT, *END), name=CLAUDE)
    call = ToolCall(id=CallId("t0"), name="read", arguments="{}")

    await asked.all(
        UserMessage(text="hi"),
        AssistantMessage(calls=(call,)),
        ToolMessage(call=CallId("t0"), name="read", text="x = 1"),
    )

    body = asked.server.requests[0]["body"]
    mark = {"type": "ephemeral"}
    assert body["system"] == [{"type": "text", "text": "You work.", "cache_control": mark}]
    assert body["messages"][-1]["content"][-1]["cache_control"] == mark
    assert json.dumps(body).count("cache_control") == 2


def test_a_message_that_ends_in_an_image_is_marked_at_its_end() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": "data:"}},
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You work."}, {"role": "user", "content": parts}]

    [_, marked] = mark_prefix(messages)

    assert marked["content"] == [parts[0], {**parts[1], "cache_control": {"type": "ephemeral"}}]


async def test_no_other_provider_is_sent_cache_marks(ask: Ask) -> None:
    asked = await ask(streamed(*HELLO, DONE))

    await asked.all()

    assert "cache_control" not in json.dumps(asked.server.requests[0]["body"])


async def test_a_broken_argument_in_the_history_does_not_break_the_next_call(ask: Ask) -> None:
    asked = await ask(anthropic(START, *TEXT, *END), name=CLAUDE)
    call = ToolCall(id=CallId("t0"), name="read", arguments='{"path": "a.p')

    await asked.all(
        UserMessage(text="hi"), AssistantMessage(calls=(call,)), ToolMessage(call=CallId("t0"), name="read", text="no")
    )

    used = asked.server.requests[0]["body"]["messages"][1]["content"][0]
    assert used["input"] == {"malformed_arguments": '{"path": "a.p'}


async def test_a_stream_that_ends_between_two_chunks_is_no_answer(ask: Ask) -> None:
    error = await failed(ask, anthropic(START, *TEXT), name=CLAUDE)

    assert (error.kind, error.retryable, error.status) == (ModelErrorKind.BAD_RESPONSE, True, None)


async def test_an_error_event_within_the_stream_is_the_providers_failure(ask: Ask) -> None:
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = await failed(ask, anthropic(START, *TEXT, event), name=CLAUDE)

    assert (error.kind, error.retryable, error.status) == (ModelErrorKind.SERVER, True, None)


@pytest.mark.parametrize(
    ("status", "kind_of_error", "message", "kind", "retryable"),
    [
        (
            400,
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
            ModelErrorKind.CONTEXT_OVERFLOW,
            False,
        ),
        (400, "invalid_request_error", "Your credit balance is too low", ModelErrorKind.QUOTA, False),
        (401, "authentication_error", "invalid x-api-key", ModelErrorKind.AUTH, False),
        (403, "permission_error", "not yours", ModelErrorKind.AUTH, False),
        (404, "not_found_error", "model: claude-9", ModelErrorKind.NOT_FOUND, False),
        (413, "request_too_large", "too large", ModelErrorKind.CONTEXT_OVERFLOW, False),
        (429, "rate_limit_error", "slow down", ModelErrorKind.RATE_LIMITED, True),
        (500, "api_error", "oops", ModelErrorKind.SERVER, True),
        (529, "overloaded_error", "Overloaded", ModelErrorKind.SERVER, True),
    ],
)
async def test_anthropics_errors_have_their_kinds_with_status_words_and_wait(
    ask: Ask, status: int, kind_of_error: str, message: str, kind: ModelErrorKind, retryable: bool
) -> None:
    body = {"type": "error", "error": {"type": kind_of_error, "message": message}}
    caught = await failed(ask, whole(status, body, retry_after="7", request_id="req-1"), name=CLAUDE)

    assert (caught.kind, caught.retryable, caught.status, caught.sent) == (kind, retryable, status, True)
    assert (caught.retry_after, caught.request_id, caught.provider) == (7.0, "req-1", "anthropic")
    assert "litellm" not in str(caught)
    assert "Exception" not in str(caught)


@pytest.mark.parametrize("name", ["openai/m-1", CLAUDE])
async def test_a_refused_connection_is_not_a_server_error(ask: Ask, name: str) -> None:
    asked = await ask(whole(200, {}), name=name)
    async with raw_server([b""]) as gone:
        base = gone.base

    with pytest.raises(ModelError) as caught:
        await asked.all(api_base=base)

    assert (caught.value.kind, caught.value.sent, caught.value.status) == (ModelErrorKind.UNREACHABLE, False, None)
    assert base in str(caught.value)


@pytest.mark.parametrize("is_forgotten", [False, True])
async def test_closing_the_client_closes_its_connections_also_those_litellm_has_forgotten(
    ask: Ask, is_forgotten: bool
) -> None:
    import litellm

    asked = await ask(anthropic(START, *TEXT, *END), name=CLAUDE)
    await asked.all()
    assert asked.server.handlers
    if is_forgotten:
        litellm.in_memory_llm_clients_cache.flush_cache()

    await asked.client.close()

    await asked.server.all_gone()


async def test_an_earlier_failure_that_is_being_handled_is_not_taken_for_this_one(ask: Ask) -> None:
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    asked = await ask(anthropic(START, *TEXT, event), name=CLAUDE)
    async with raw_server([b""]) as gone:
        base = gone.base

    try:
        await asked.all(api_base=base)
    except ModelError:
        with pytest.raises(ModelError) as caught:
            await asked.all()

    assert (caught.value.kind, caught.value.sent) == (ModelErrorKind.SERVER, True)


@pytest.mark.parametrize("name", ["openai/m-1", CLAUDE])
@pytest.mark.parametrize("begun", [False, True])
async def test_silence_is_a_timeout(ask: Ask, name: str, begun: bool) -> None:
    start = anthropic(START, *TEXT)[:-1] if name == CLAUDE else streamed(*HELLO[:2], end=False)
    error = await failed(ask, [*(start if begun else ()), STAYS_OPEN], name=name, timeout=0.2)

    assert (error.kind, error.sent, error.status) == (ModelErrorKind.TIMEOUT, True, None)


async def test_keep_alives_for_ever_are_a_timeout(ask: Ask) -> None:
    class ForEver(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield self[0]
            yield from itertools.repeat(self[1])

    start, beat, *_ = streamed(": keep-alive\n\n")
    error = await failed(ask, ForEver([start, beat]), timeout=0.2)

    assert (error.kind, error.status) == (ModelErrorKind.TIMEOUT, None)
    assert "nothing but keep-alives for 1 s" in str(error)


@pytest.mark.parametrize("name", ["openai/m-1", CLAUDE])
async def test_a_dropped_connection_is_a_bad_response(ask: Ask, name: str) -> None:
    start = anthropic(START, *TEXT)[:-1] if name == CLAUDE else streamed(*HELLO[:2], end=False)
    error = await failed(ask, start, name=name)

    assert (error.kind, error.retryable, error.status) == (ModelErrorKind.BAD_RESPONSE, True, None)


async def test_cancelling_closes_the_connection_of_other_wires_too(ask: Ask) -> None:
    asked = await ask([*anthropic(START, *TEXT)[:-1], STAYS_OPEN], name=CLAUDE)
    begun = asyncio.Event()

    async def consume() -> None:
        async for _ in asked.client.stream(asked.request()):
            begun.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(consume())
        await begun.wait()
        task.cancel()

    await asked.server.client_gone()


async def test_a_model_that_writes_a_long_rule_is_not_stopped(ask: Ask) -> None:
    same = [delta(content="-----")] * 150
    asked = await ask(streamed(*same, delta(finish="stop"), HELLO[-1], DONE))

    _, reply = await asked.all()

    assert reply.message.text == "-----" * 150


async def test_no_key_of_the_environment_is_picked_up_for_an_endpoint_of_ones_own(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    asked = await ask(streamed(*HELLO, DONE))

    await asked.all(api_key_env=None, name="stub/m-1")

    assert "sk-environment" not in json.dumps(asked.server.requests[0]["headers"])


async def test_a_parameter_that_a_model_does_not_take_is_left_out(ask: Ask) -> None:
    asked = await ask(streamed(*HELLO, DONE), name="openai/o3-mini")

    await asked.all(temperature=0.3)

    assert "temperature" not in asked.server.requests[0]["body"]


async def test_the_key_shows_in_no_error(ask: Ask) -> None:
    caught = await failed(ask, error(401, f"Incorrect API key provided: {KEY}"))

    assert KEY not in str(caught) + caught.hint


async def test_nothing_is_printed_when_a_call_fails_or_litellm_warns(
    ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    await failed(ask, error(400, "no"))
    await failed(ask, [head(content_type="text/event-stream", connection="close"), b"data: {\n\n"])

    logging.getLogger("LiteLLM").error("something is odd")

    assert capfd.readouterr() == ("", "")


def test_litellm_knows_every_provider_of_the_table_that_it_serves() -> None:
    import litellm

    known = {str(getattr(provider, "value", provider)) for provider in litellm.provider_list}

    assert {row.litellm or row.name for row in PROVIDERS.values()} - known == set()
