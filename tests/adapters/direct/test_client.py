"""The direct client against bytes as servers really send them, well-formed and not."""

import asyncio
import json
import logging
import traceback
from typing import Any

import pytest

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import AssistantMessage, Message, Reply, TextDelta, ToolMessage, UserMessage
from equitr_coder.domain.money import Usage
from tests.adapters.direct.conftest import KEY, Ask
from tests.adapters.direct.wire import (
    DONE,
    HELLO,
    STAYS_OPEN,
    Pieces,
    delta,
    error,
    head,
    raw_server,
    streamed,
    whole,
)

ANSWERED = Reply(message=AssistantMessage(text="hello"), usage=Usage(input=10, output=2), model="m-1", provider="stub")
COMPLETION = {
    "id": "c-1",
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2},
}


async def failure(ask: Ask, *answers: Pieces, **settings: Any) -> ModelError:
    asked = await ask(*answers, **settings)
    with pytest.raises(ModelError) as caught:
        await asked.all()
    assert len(asked.server.requests) == 1
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        streamed(*HELLO, DONE),
        streamed(*HELLO),
        streamed(": OPENROUTER PROCESSING\n\n", *HELLO, ": bye\n\n", DONE),
        streamed(*[f"data:{json.dumps(chunk)}\r\n\r\n" for chunk in HELLO], "data:[DONE]\r\n\r\n"),
        streamed(*[f"data: {json.dumps(chunk)}\n" for chunk in HELLO], "data: [DONE]"),
        streamed("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in HELLO) + DONE),
        [
            head(content_type="text/event-stream", connection="close"),
            *[f"data: {json.dumps(c)}\n\n".encode() for c in HELLO],
        ],
        [
            head(content_type="application/json", connection="close"),
            *[f"data: {json.dumps(c)}\n\n".encode() for c in HELLO],
        ],
        streamed(delta(content="hello"), HELLO[-1], DONE),
        whole(200, COMPLETION),
        whole(200, b"\n " + json.dumps(COMPLETION).encode(), content_type="text/event-stream"),
    ],
    ids=[
        "done",
        "no done",
        "comments",
        "crlf",
        "no blank lines",
        "one piece",
        "until close",
        "wrong content type",
        "no finish reason",
        "json",
        "json called a stream",
    ],
)
async def test_an_answer_is_read_however_it_is_framed(ask: Ask, answer: Pieces) -> None:
    deltas, reply = await (await ask(answer)).all()

    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == "hello"
    assert reply == ANSWERED.model_copy(update={"request_id": reply.request_id})


async def test_a_text_cut_inside_a_character_arrives_whole(ask: Ask) -> None:
    text = "grüße 🎉 日本語"
    line = b"data: " + json.dumps(delta(content=text), ensure_ascii=False).encode() + b"\n\n"
    single = [b"1\r\n%s\r\n" % bytes([byte]) for byte in line]
    end = streamed(delta(finish="stop"), DONE)

    deltas, reply = await (await ask([*end[:1], *single, *end[1:]])).all()

    assert deltas == [TextDelta(text=text)]
    assert reply.message.text == text


async def test_deltas_are_handed_on_before_the_answer_ends(ask: Ask) -> None:
    asked = await ask([*streamed(delta(content="first"), end=False), STAYS_OPEN])
    stream = asked.client.stream(asked.request())

    assert await asyncio.wait_for(anext(stream), 5) == TextDelta(text="first")

    await stream.aclose()
    await asked.server.client_gone()


async def test_a_call_without_an_id_gets_one_that_the_conversation_does_not_have(ask: Ask) -> None:
    nameless = delta(tool_calls=[{"index": 0, "function": {"name": "read", "arguments": "{}"}}])
    asked = await ask(streamed(nameless, delta(finish="tool_calls"), DONE))
    messages: list[Message] = [UserMessage(text="hi")]

    for _ in range(3):
        _, reply = await asked.all(*messages)
        results = [ToolMessage(call=call.id, name=call.name, text="x") for call in reply.message.calls]
        messages += [reply.message, *results]

    assert len({message.call for message in messages if isinstance(message, ToolMessage)}) == 3


async def test_the_request_id_of_the_header_is_kept(ask: Ask) -> None:
    _, reply = await (await ask(whole(200, COMPLETION, x_request_id="req-7"))).all()

    assert reply.request_id == "req-7"


@pytest.mark.parametrize(
    ("answer", "kind", "retryable"),
    [
        (streamed(*HELLO[:2], end=False), ModelErrorKind.BAD_RESPONSE, True),
        (streamed(*HELLO[:2]), ModelErrorKind.BAD_RESPONSE, True),
        (streamed(*HELLO[:2], 'data: {"choices": [{"del'), ModelErrorKind.BAD_RESPONSE, True),
        (streamed("data: [1, 2]\n\n"), ModelErrorKind.BAD_RESPONSE, True),
        (streamed(DONE), ModelErrorKind.BAD_RESPONSE, True),
        (streamed(), ModelErrorKind.BAD_RESPONSE, True),
        (whole(200, b""), ModelErrorKind.BAD_RESPONSE, True),
        (whole(200, b'{"choices": [{"mess'), ModelErrorKind.BAD_RESPONSE, True),
        (whole(200, {"answer": 42}), ModelErrorKind.BAD_RESPONSE, True),
        (
            [head(content_type="text/event-stream", content_length="99", connection="close"), b"data: {}\n\n"],
            ModelErrorKind.BAD_RESPONSE,
            True,
        ),
        ([b"SSH-2.0-OpenSSH\r\n"], ModelErrorKind.BAD_RESPONSE, True),
        ([b""], ModelErrorKind.BAD_RESPONSE, True),
    ],
    ids=[
        "dropped",
        "ended early",
        "half a payload",
        "a list",
        "nothing but done",
        "no event",
        "empty",
        "half of a json",
        "other json",
        "too short",
        "not http",
        "no answer",
    ],
)
async def test_what_is_no_whole_answer_is_a_bad_response(
    ask: Ask, answer: Pieces, kind: ModelErrorKind, retryable: bool
) -> None:
    error = await failure(ask, answer)

    assert (error.kind, error.retryable, error.status, error.sent) == (kind, retryable, None, True)


async def test_an_answer_that_was_finished_before_the_connection_broke_is_kept_with_estimated_usage(ask: Ask) -> None:
    _, reply = await (await ask(streamed(*HELLO[:4], end=False))).all()

    assert reply.message.text == "hello"
    assert reply.usage.estimated


async def test_silence_within_the_answer_is_a_timeout(ask: Ask) -> None:
    error = await failure(ask, [*streamed(*HELLO[:2], end=False), STAYS_OPEN], timeout=0.1)

    assert (error.kind, error.retryable, error.sent) == (ModelErrorKind.TIMEOUT, True, True)
    assert "0.1 s" in str(error)


async def test_an_endpoint_that_is_down_is_named_and_nothing_was_sent(ask: Ask) -> None:
    asked = await ask(whole(200, COMPLETION))
    async with raw_server([b""]) as gone:
        base = gone.base

    with pytest.raises(ModelError) as caught:
        await asked.all(api_base=f"{base}/v1")

    assert (caught.value.kind, caught.value.sent) == (ModelErrorKind.UNREACHABLE, False)
    assert str(caught.value) == f"cannot reach stub at {base}/v1: Connection refused"
    assert "llm.api_base" in caught.value.hint
    assert asked.server.requests == []


async def test_a_host_that_does_not_exist_is_unreachable(ask: Ask) -> None:
    asked = await ask(whole(200, COMPLETION))

    with pytest.raises(
        ModelError, match=r"cannot reach stub at http://no-such-host\.localhost/v1: .*[Nn]ame"
    ) as caught:
        await asked.all(api_base="http://no-such-host.localhost/v1")

    assert (caught.value.kind, caught.value.sent) == (ModelErrorKind.UNREACHABLE, False)


@pytest.mark.parametrize(
    "answer",
    [
        streamed({"error": {"message": "slow down", "code": 429}}),
        whole(200, {"error": {"message": "slow down", "code": 429}}),
    ],
)
async def test_an_error_inside_a_good_answer_counts_as_its_status(ask: Ask, answer: Pieces) -> None:
    error = await failure(ask, answer)

    assert (error.kind, error.status, error.retryable) == (ModelErrorKind.RATE_LIMITED, 429, True)


async def test_an_error_after_output_has_begun_has_no_status(ask: Ask) -> None:
    error = await failure(ask, streamed(delta(content="hel"), {"error": {"message": "Overloaded", "code": 502}}))

    assert (error.kind, error.status, error.retryable) == (ModelErrorKind.SERVER, None, True)


@pytest.mark.parametrize(
    "payload", [{"error": "rate limit"}, {"object": "error", "message": "rate limit", "code": 400}]
)
async def test_errors_in_other_shapes_are_seen(ask: Ask, payload: dict[str, Any]) -> None:
    assert "rate limit" in str(await failure(ask, streamed(payload)))


# ---------------------------------------------------------------- spelling the request for an endpoint


async def test_a_base_without_a_path_finds_v1_once_and_remembers_it(ask: Ask) -> None:
    answer = streamed(*HELLO, DONE)
    asked = await ask(whole(404, b"404 page not found"), answer, path="")

    await asked.all()
    await asked.all(name="stub/m-2")

    assert asked.server.paths == ["/chat/completions", "/v1/chat/completions", "/v1/chat/completions"]


@pytest.mark.parametrize(("path", "message"), [("/v1", "no such path"), ("", "the model `m-1` does not exist")])
async def test_a_404_about_something_else_is_not_asked_again(ask: Ask, path: str, message: str) -> None:
    caught = await failure(ask, error(404, message), path=path)

    assert caught.kind is ModelErrorKind.NOT_FOUND
    assert "models --discover" in caught.hint


async def test_an_endpoint_without_stream_options_is_asked_without(ask: Ask) -> None:
    asked = await ask(error(400, "Unrecognized request argument: stream_options"), streamed(*HELLO, DONE))

    await asked.all()
    await asked.all()

    assert ["stream_options" in request["body"] for request in asked.server.requests] == [True, False, False]


async def test_a_model_that_wants_other_parameters_gets_them_from_then_on(ask: Ask) -> None:
    asked = await ask(
        error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        error(400, "Unsupported value: 'temperature' does not support 0.2 with this model."),
        streamed(*HELLO, DONE),
    )

    await asked.all(temperature=0.2)
    await asked.all(temperature=0.2)

    bodies = [request["body"] for request in asked.server.requests]
    assert [body.get("max_tokens") for body in bodies] == [100, None, None, None]
    assert [body.get("max_completion_tokens") for body in bodies] == [None, 100, 100, 100]
    assert [body.get("temperature") for body in bodies] == [0.2, 0.2, None, None]


async def test_an_endpoint_that_always_complains_is_not_asked_for_ever(ask: Ask) -> None:
    complaint = "stream_options, max_completion_tokens and temperature are not supported"
    asked = await ask(error(400, complaint))

    with pytest.raises(ModelError) as caught:
        await asked.all(temperature=0.2)

    assert caught.value.kind is ModelErrorKind.BAD_REQUEST
    assert len(asked.server.requests) == 4


async def test_a_refusal_about_a_parameter_that_cannot_be_respelt_is_not_asked_again(ask: Ask) -> None:
    assert (await failure(ask, error(400, "tools are not supported"))).kind is ModelErrorKind.BAD_REQUEST


# ---------------------------------------------------------------- connections and keys


async def test_connections_are_used_again(ask: Ask) -> None:
    asked = await ask(streamed(*HELLO, DONE))

    for _ in range(3):
        await asked.all()

    assert asked.server.connections == 1


async def test_closing_the_client_closes_its_connections(ask: Ask) -> None:
    asked = await ask(streamed(*HELLO, DONE))
    await asked.all()

    await asked.client.close()

    await asked.server.all_gone()


async def test_a_server_that_leaves_the_stream_open_after_done_is_not_waited_for(ask: Ask) -> None:
    asked = await ask([*streamed(*HELLO, DONE, end=False), STAYS_OPEN])

    _, reply = await asyncio.wait_for(asked.all(), 3)

    assert reply.message.text == "hello"
    await asked.server.client_gone()


async def test_proxies_of_the_environment_are_not_used_for_this_machine(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    _, reply = await (await ask(streamed(*HELLO, DONE))).all()

    assert reply.message.text == "hello"


async def test_proxies_of_the_environment_are_used_for_other_machines(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await ask(streamed(*HELLO, DONE))
    monkeypatch.setenv("http_proxy", asked.server.base)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    await asked.all(api_base="http://models.example/v1")

    assert asked.server.paths == ["http://models.example/v1/chat/completions"]


async def test_the_key_is_sent_in_its_header_and_shows_nowhere_else(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked = await ask(error(401, f"Incorrect API key provided: {KEY}."), error(500, f"you sent Bearer {KEY}"))

    shown = ""
    for _ in range(2):
        with pytest.raises(ModelError) as caught:
            await asked.all()
        shown += "".join(traceback.format_exception(caught.value)) + caught.value.hint + repr(caught.value)

    request = asked.server.requests[0]
    assert request["headers"]["authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(request["body"]) + request["path"]
    assert KEY not in shown + caplog.text


async def test_without_a_key_no_authorization_is_sent(ask: Ask) -> None:
    asked = await ask(streamed(*HELLO, DONE))

    await asked.all(api_key_env=None)

    assert "authorization" not in asked.server.requests[0]["headers"]


async def test_a_wrong_key_names_provider_variable_and_next_command(ask: Ask) -> None:
    caught = await failure(ask, error(401, "invalid"))

    assert caught.kind is ModelErrorKind.AUTH
    assert "stub" in str(caught)
    assert "KEY" in str(caught)
    assert "export KEY=" in caught.hint
    assert "equitrcoder doctor" in caught.hint
