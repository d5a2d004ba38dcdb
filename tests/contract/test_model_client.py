"""What every `ports.ModelClient` keeps: in process, over httpx, through litellm; on OpenAI's wire and Anthropic's."""

import asyncio
from typing import Any

import pytest

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    Allowance,
    AssistantMessage,
    ReasoningDelta,
    Reply,
    StopCause,
    TextDelta,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import Usage
from equitr_coder.testing import Script, always, call, fails, rule, says
from equitr_coder.testing.script import ScriptedCall, ScriptedReply, ScriptedUsage
from equitr_coder.testing.wires import Compatible, ProviderServer
from tests.contract.conftest import KEY

TEXT = "Grüße: a sentence that is longer than one piece — ünïcödé 🎉 included, twice 🎉🎉."


async def test_the_deltas_are_the_text_in_order_and_the_reply_is_last(play: Any) -> None:
    played = await play([says(TEXT, usage=ScriptedUsage(input=10, output=7))])

    deltas, reply = await played.all()

    assert len(deltas) > 3
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == TEXT
    assert reply == Reply(
        message=AssistantMessage(text=TEXT),
        usage=Usage(input=10, output=7),
        stop=StopCause.END,
        model="m-1",
        request_id=reply.request_id,
        provider=played.provider,
    )


async def test_reasoning_comes_apart_from_text_and_is_not_in_the_message(play: Any) -> None:
    played = await play([says("Yes.", reasoning="Let me think about that for a while.")])

    deltas, reply = await played.all()

    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta)) == "Let me think about that for a while."
    assert [type(d) for d in deltas] == sorted((type(d) for d in deltas), key=lambda kind: kind is TextDelta)
    assert reply.message.text == "Yes."


async def test_a_tool_call_arrives_whole_with_its_text(play: Any) -> None:
    played = await play([says("I look.", call("read_file", path="src/a long path/to/some/file.py", limit=20))])

    _, reply = await played.all()

    assert reply.message.text == "I look."
    assert [(c.name, c.arguments) for c in reply.message.calls] == [
        ("read_file", '{"path": "src/a long path/to/some/file.py", "limit": 20}')
    ]
    assert reply.stop is StopCause.TOOL_CALLS


async def test_parallel_tool_calls_keep_their_order_and_arguments(play: Any) -> None:
    asked = [call("read_file", path=f"a{number}.py") for number in range(4)]
    played = await play([ScriptedReply(calls=tuple(asked))])

    _, reply = await played.all()

    assert [c.arguments for c in reply.message.calls] == [f'{{"path": "a{number}.py"}}' for number in range(4)]
    assert len({c.id for c in reply.message.calls}) == 4


async def test_arguments_that_are_no_json_arrive_as_the_model_wrote_them(play: Any) -> None:
    played = await play([ScriptedReply(calls=(ScriptedCall(name="read_file", raw='{"path": "a.py'),))])

    _, reply = await played.all()

    assert reply.message.calls[0].arguments == '{"path": "a.py'


async def test_a_conversation_with_tool_results_is_well_formed_on_the_wire(play: Any) -> None:
    played = await play([says("unused"), says("Done.")])
    calls = (
        ToolCall(id=CallId("c1"), name="read_file", arguments='{"path": "a.py"}'),
        ToolCall(id=CallId("c2"), name="read_file", arguments=""),
    )

    _, reply = await played.all(
        played.request(
            UserMessage(text="Task T1"),
            AssistantMessage(text="I look.", calls=calls),
            ToolMessage(call=CallId("c1"), name="read_file", text="1\tx = 1"),
            ToolMessage(call=CallId("c2"), name="read_file", text="path is missing", is_error=True),
        )
    )

    assert reply.message.text == "Done."
    assert [message["role"] for message in played.requests[0].messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert played.requests[0].tools == ("read_file", "hand_in")


async def test_the_request_says_model_limit_temperature_and_tools(play: Any) -> None:
    played = await play([says("ok")])

    await played.all(played.request(temperature=0.3))

    body = played.requests[0].body
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m-1", 500, 0.3)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["read_file", "hand_in"]


async def test_without_tools_or_temperature_neither_is_sent(play: Any) -> None:
    played = await play([says("ok")])

    await played.all(played.request(tools=()))

    assert not {"tools", "tool_choice", "temperature"} & set(played.requests[0].body)


async def test_cached_tokens_are_counted_apart_from_fresh_ones(play: Any) -> None:
    usage = ScriptedUsage(input=100, cache_read=2000, cache_write=30, output=40, reasoning=15)
    played = await play([says("ok", usage=usage)])

    _, reply = await played.all()

    assert reply.usage == Usage(input=100, cache_read=2000, cache_write=30, output=40, reasoning=15)


async def test_what_is_written_to_a_cache_is_counted_by_its_lifetime(play: Any) -> None:
    usage = ScriptedUsage(input=100, cache_read=2000, cache_write=30, cache_write_1h=70, output=40)
    played = await play([says("ok", usage=usage)])

    _, reply = await played.all()

    assert reply.usage == Usage(input=100, cache_read=2000, cache_write=30, cache_write_1h=70, output=40)


async def test_what_an_answer_is_paid_for_is_never_counted_twice(play: Any) -> None:
    usage = ScriptedUsage(input=0, cache_read=5, cache_write=3, output=4, reasoning=4)
    played = await play([says("ok", usage=usage, reasoning="Hm.")])

    _, reply = await played.all()

    assert reply.usage.total_input == 8
    assert (reply.usage.output, reply.usage.reasoning) == (4, 4)


async def test_missing_usage_is_estimated_and_says_so(play: Any) -> None:
    played = await play([says("A" * 400, no_usage=True)])

    _, reply = await played.all()

    assert reply.usage.estimated
    assert reply.usage.total_input > 0
    assert reply.usage.output > 0


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", StopCause.END), ("length", StopCause.LENGTH), ("content_filter", StopCause.FILTERED)],
)
async def test_the_reply_says_why_it_ended(play: Any, finish: str, stop: StopCause) -> None:
    played = await play([says("Something", stop=finish)])

    _, reply = await played.all()

    assert reply.stop is stop


@pytest.mark.parametrize(
    ("refusal", "kind", "retryable"),
    [
        (fails(400, "temperature must be a number"), ModelErrorKind.BAD_REQUEST, False),
        (fails(401, "bad key"), ModelErrorKind.AUTH, False),
        (fails(403, "not for you"), ModelErrorKind.AUTH, False),
        (fails(404, "the model `m-1` does not exist", code="model_not_found"), ModelErrorKind.NOT_FOUND, False),
        (fails(408, "slow"), ModelErrorKind.TIMEOUT, True),
        (fails(413, "request_too_large: over 32 MB"), ModelErrorKind.CONTEXT_OVERFLOW, False),
        (fails(422, "no"), ModelErrorKind.BAD_REQUEST, False),
        (fails(400, "too long", code="context_length_exceeded"), ModelErrorKind.CONTEXT_OVERFLOW, False),
        (fails(429, "slow down", retry_after=3), ModelErrorKind.RATE_LIMITED, True),
        (fails(429, "You exceeded your current quota", code="insufficient_quota"), ModelErrorKind.QUOTA, False),
        (fails(500, "oops"), ModelErrorKind.SERVER, True),
        (fails(502, "oops"), ModelErrorKind.SERVER, True),
        (fails(503, "oops"), ModelErrorKind.SERVER, True),
        (fails(529, "Overloaded"), ModelErrorKind.SERVER, True),
    ],
    ids=lambda value: value.error and f"{value.error.status}-{value.error.code}" if hasattr(value, "error") else None,
)
async def test_a_refusal_has_its_kind_and_is_sent_once(
    play: Any, refusal: ScriptedReply, kind: ModelErrorKind, retryable: bool
) -> None:
    played = await play([always(refusal)])

    with pytest.raises(ModelError) as caught:
        await played.all()

    error = caught.value
    assert (error.kind, error.retryable, error.sent) == (kind, retryable, True)
    assert error.status == played.status(refusal)
    assert error.provider == played.provider
    if kind is ModelErrorKind.AUTH and played.server is not None:
        assert "KEY" in str(error) + error.hint
    assert len(played.requests) == 1


async def test_the_wait_that_a_provider_asks_for_is_passed_on(play: Any) -> None:
    played = await play([always(fails(429, "slow down", retry_after=2.5))])

    with pytest.raises(ModelError) as caught:
        await played.all()

    assert caught.value.retry_after == 2.5


RATES = {
    "openai": {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "29000",
        "x-ratelimit-reset-tokens": "2s",
    },
    "anthropic": {
        "date": "Sat, 21 Nov 2026 12:00:00 GMT",
        "anthropic-ratelimit-requests-limit": "500",
        "anthropic-ratelimit-requests-remaining": "499",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
        "anthropic-ratelimit-input-tokens-remaining": "29000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:02Z",
    },
}


async def test_what_the_headers_say_of_rate_limits_comes_with_the_reply(play: Any, way: str) -> None:
    played = await play([says("ok")], headers=RATES.get(way.partition("/")[2]))

    _, reply = await played.all()

    if played.server is None:
        assert reply.limits is None
        return
    assert reply.limits is not None
    assert reply.limits.requests is not None
    assert reply.limits.tokens == Allowance(limit=30000, remaining=29000, resets_in=2.0)
    assert (reply.limits.requests.limit, reply.limits.requests.remaining) == (500, 499)


async def test_a_stream_that_breaks_off_ends_in_a_retryable_error_after_its_deltas(play: Any) -> None:
    played = await play([always(says(TEXT, cut_after=3))])
    parts: list[object] = []

    async def consume() -> None:
        async for part in played.client.stream(played.request()):
            parts.append(part)

    with pytest.raises(ModelError) as caught:
        await consume()

    assert parts
    assert not any(isinstance(part, Reply) for part in parts)
    assert (caught.value.status, caught.value.retryable, caught.value.sent) == (None, True, True)
    assert len(played.requests) == 1


async def test_an_endpoint_that_is_down_is_unreachable_and_nothing_was_sent(play: Any) -> None:
    played = await play([always(says("ok"))])
    if played.server is None:
        return
    async with ProviderServer([says("never")], Compatible()) as gone:
        base = gone.url

    with pytest.raises(ModelError) as caught:
        await played.all(played.request(api_base=base))

    assert (caught.value.kind, caught.value.sent) == (ModelErrorKind.UNREACHABLE, False)
    assert base.removesuffix("/v1") in str(caught.value)


async def test_an_endpoint_that_is_up_is_healthy_and_nothing_is_generated(play: Any) -> None:
    played = await play(Script(rules=(always(says("ok")),), require_key=KEY))

    await played.client.health(played.spec())

    assert played.requests == []


async def test_a_wrong_key_is_unhealthy(play: Any) -> None:
    played = await play(Script(rules=(always(says("ok")),), require_key=KEY), key="sk-another")
    if played.server is None:
        return

    with pytest.raises(ModelError) as caught:
        await played.client.health(played.spec())

    assert caught.value.kind is ModelErrorKind.AUTH
    assert "KEY" in str(caught.value) + caught.value.hint
    assert "sk-another" not in str(caught.value) + caught.value.hint


async def test_an_endpoint_that_is_down_is_unhealthy(play: Any) -> None:
    played = await play([says("ok")])
    if played.server is None:
        return
    async with ProviderServer([says("never")], Compatible()) as gone:
        base = gone.url

    with pytest.raises(ModelError) as caught:
        await played.client.health(played.spec(api_base=base))

    assert caught.value.kind is ModelErrorKind.UNREACHABLE


async def test_a_malformed_conversation_never_leaves_as_one(play: Any) -> None:
    played = await play([says("unused"), says("unused"), says("Done.")])
    call = ToolCall(id=CallId("functions.read:0"), name="read file!", arguments='{"path": NaN')

    _, reply = await played.all(
        played.request(
            UserMessage(text="Task T1"),
            UserMessage(text="and be quick"),
            AssistantMessage(text="", calls=(call,)),
            ToolMessage(call=call.id, name=call.name, text="no such tool", is_error=True),
            UserMessage(text="Half of a pair: \ud83d."),
            AssistantMessage(text="Well."),
            UserMessage(text="Go on."),
        )
    )

    assert reply.message.text == "Done."


async def test_cancelling_closes_the_connection_at_once(play: Any) -> None:
    played = await play([always(says(TEXT, cut_after=2, hang=True))])
    begun = asyncio.Event()

    async def consume() -> None:
        async for _ in played.client.stream(played.request()):
            begun.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(consume())
        await begun.wait()
        task.cancel()
    await asyncio.wait_for(played.backend.closed(1), 5)

    assert played.requests[0].outcome == "disconnected"


async def test_cancelling_before_the_first_byte_closes_the_connection_too(play: Any) -> None:
    played = await play([always(says(TEXT, hang=True))])

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(played.all())
        await played.backend.reached(1)
        task.cancel()
    await asyncio.wait_for(played.backend.closed(1), 5)

    assert played.requests[0].outcome == "disconnected"


async def test_leaving_a_stream_early_closes_the_connection(play: Any) -> None:
    played = await play([always(says(TEXT, cut_after=2, hang=True))])
    stream = played.client.stream(played.request())

    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(played.backend.closed(1), 5)

    assert played.requests[0].outcome == "disconnected"


async def test_many_calls_at_once_do_not_mix(play: Any) -> None:
    rules = [rule(says(f"answer {number}"), first=f"Task T{number}.") for number in range(8)]
    played = await play(Script(rules=tuple(rules)))

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(played.all(played.request(UserMessage(text=f"Task T{number}.")))) for number in range(8)
        ]

    assert [task.result()[1].message.text for task in tasks] == [f"answer {number}" for number in range(8)]


async def test_a_client_that_was_closed_can_be_used_again(play: Any) -> None:
    played = await play([always(says("ok"))])

    await played.all()
    await played.client.close()
    _, reply = await played.all()

    assert reply.message.text == "ok"
