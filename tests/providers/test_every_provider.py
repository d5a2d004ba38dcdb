"""Rows 198 to 203 for every provider alike: text, tools, usage, stream, errors and health on its own wire."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import AssistantMessage, StopCause, TextDelta, ToolMessage, UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.testing import Script, always, call, fails, says
from equitr_coder.testing.script import ScriptedReply, ScriptedUsage
from tests.providers.conftest import KEY, PICTURES, Ask, Case

TEXT = "A sentence that is longer than a few pieces, so that it has to come as a stream."


async def test_text_streams_from_the_providers_path_under_the_models_own_name(ask: Ask, case: Case) -> None:
    asked = await ask(case, [says(TEXT)])

    deltas, reply = await asked.all()

    assert reply.message == AssistantMessage(text=TEXT)
    assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) > 3
    assert "".join(delta.text for delta in deltas) == TEXT
    assert (reply.stop, reply.provider) == (StopCause.END, case.model.partition("/")[0])
    assert [got.path for got in asked.chats] == [case.path]
    assert [record.model for record in asked.server.requests] == [case.on_wire]


async def test_the_key_of_the_usual_variable_goes_into_the_providers_header_and_nowhere_else(
    ask: Ask, case: Case
) -> None:
    asked = await ask(case, Script(rules=(always(says("ok")),), require_key=KEY))

    await asked.all()

    [got] = asked.chats
    assert got.headers[case.header] == case.sent
    assert [name for name, value in got.headers.items() if KEY in value] == [case.header]
    assert KEY not in got.path + str(got.body)


async def test_tools_go_there_and_back(ask: Ask, case: Case) -> None:
    asked = await ask(case, [says("I look.", call("read_file", path="a.py")), says("Done.")])

    _, first = await asked.all()
    [made] = first.message.calls
    result = ToolMessage(call=made.id, name=made.name, text="x = 1")
    _, second = await asked.all(UserMessage(text="Task T1"), first.message, result)

    assert (made.name, made.arguments) == ("read_file", '{"path": "a.py"}')
    assert first.stop is StopCause.TOOL_CALLS
    assert second.message.text == "Done."
    assert asked.server.requests[0].tools == ("read_file",)
    assert "x = 1" in str(asked.server.requests[1].messages[-1]["content"])


async def test_parallel_calls_and_their_results_keep_their_order(ask: Ask, case: Case) -> None:
    twice = ScriptedReply(calls=(call("read_file", path="a.py"), call("read_file", path="b.py")))
    asked = await ask(case, [twice, says("Done.")])

    _, first = await asked.all()
    results = [ToolMessage(call=made.id, name=made.name, text=made.arguments) for made in first.message.calls]
    _, second = await asked.all(UserMessage(text="Task T1"), first.message, *results)

    assert [made.arguments for made in first.message.calls] == ['{"path": "a.py"}', '{"path": "b.py"}']
    assert second.message.text == "Done."


async def test_usage_is_read_in_disjoint_classes(ask: Ask, case: Case) -> None:
    is_ollama = case.model.startswith("ollama/")
    cached = 0 if is_ollama else 2000
    usage = ScriptedUsage(input=100, cache_read=cached, output=40, reasoning=0 if is_ollama else 15)
    asked = await ask(case, [says("ok", usage=usage)])

    _, reply = await asked.all()

    assert reply.usage == Usage(input=100, cache_read=cached, output=40, reasoning=usage.reasoning)


async def test_missing_usage_is_estimated_and_says_so(ask: Ask, case: Case) -> None:
    asked = await ask(case, [says("A" * 400, no_usage=True)])

    _, reply = await asked.all()

    assert reply.usage.estimated
    assert reply.usage.total_input > 0
    assert reply.usage.output > 0


@pytest.mark.parametrize(
    ("refusal", "kind", "retryable"),
    [
        (fails(400, "something is wrong with it"), ModelErrorKind.BAD_REQUEST, False),
        (fails(401, "no", code="invalid_api_key"), ModelErrorKind.AUTH, False),
        (fails(404, "model not found"), ModelErrorKind.NOT_FOUND, False),
        (fails(429, "slow down", retry_after=2), ModelErrorKind.RATE_LIMITED, True),
        (fails(500, "oops"), ModelErrorKind.SERVER, True),
        (fails(503, "overloaded"), ModelErrorKind.SERVER, True),
    ],
    ids=["400", "401", "404", "429", "500", "503"],
)
async def test_each_refusal_in_the_providers_words_has_its_kind(
    ask: Ask, case: Case, refusal: ScriptedReply, kind: ModelErrorKind, retryable: bool
) -> None:
    asked = await ask(case, [always(refusal)])

    with pytest.raises(ModelError) as caught:
        await asked.all()

    error = caught.value
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.provider == case.model.partition("/")[0]
    assert len(asked.chats) == 1
    if kind is ModelErrorKind.AUTH:
        assert case.variable in str(error)
    if kind is ModelErrorKind.RATE_LIMITED:
        assert error.retry_after == 2.0


async def test_a_cut_stream_is_an_error_and_no_answer(ask: Ask, case: Case) -> None:
    asked = await ask(case, [always(says(TEXT, cut_after=3))])

    with pytest.raises(ModelError) as caught:
        await asked.all()

    assert (caught.value.kind, caught.value.retryable) == (ModelErrorKind.BAD_RESPONSE, True)


async def test_a_cancel_closes_the_connection(ask: Ask, case: Case) -> None:
    asked = await ask(case, [always(says(TEXT, cut_after=3, hang=True))])
    begun = asyncio.Event()

    async def consume() -> None:
        async for _ in asked.router.stream(asked.request()):
            begun.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(consume())
        await begun.wait()
        task.cancel()

    await asyncio.wait_for(asked.server.closed(1), 5)
    assert asked.server.requests[0].outcome == "disconnected"


async def test_an_endpoint_that_answers_is_healthy(ask: Ask, case: Case) -> None:
    asked = await ask(case, Script(rules=(always(says("ok")),), require_key=KEY))

    await asked.router.health(asked.spec())

    assert asked.chats == []
    assert asked.server.received


async def test_an_endpoint_that_refuses_the_key_is_not_healthy(ask: Ask, case: Case) -> None:
    if case.model.startswith("ollama/"):
        return  # its lists are open to everybody
    asked = await ask(case, Script(rules=(always(says("ok")),), require_key="another"))

    with pytest.raises(ModelError) as caught:
        await asked.router.health(asked.spec())

    assert caught.value.kind is ModelErrorKind.AUTH
    assert case.variable in str(caught.value)


async def test_an_endpoint_that_is_down_is_not_healthy(ask: Ask, case: Case) -> None:
    asked = await ask(case, [says("ok")])
    gone = await ask(case, [says("ok")])
    await gone.server.__aexit__(None, None, None)

    with pytest.raises(ModelError, match="cannot reach") as caught:
        await asked.router.health(asked.spec(api_base=gone.server.url))

    assert caught.value.kind is ModelErrorKind.UNREACHABLE


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "openrouter", "groq"])
async def test_without_its_key_nothing_is_sent_and_the_variable_is_named(ask: Ask, name: str) -> None:
    asked = await ask(name, [says("ok")], environ={})
    spec: dict[str, Any] = {"api_base": None, "api_key_env": None}

    with pytest.raises(ModelError) as caught:
        await asked.all(**spec)

    assert (caught.value.kind, caught.value.sent) == (ModelErrorKind.AUTH, False)
    assert f"export {asked.case.variable}=" in caught.value.hint


def shown() -> UserMessage:
    kinds = ("image/png", "image/jpeg")
    images = (
        Image(digest=digest, media_type=kind, width=width, height=height, bytes=len(data), path=kind)
        for (digest, data), kind, width, height in zip(PICTURES.items(), kinds, (30, 640), (20, 480), strict=True)
    )
    return UserMessage(text="What is on these?", images=tuple(images))


@pytest.mark.parametrize("protocol", ["native", "text"])
async def test_images_stand_after_the_text_byte_for_byte(ask: Ask, case: Case, protocol: str) -> None:
    asked = await ask(case, [says("Two squares."), says("One is larger.")])

    _, first = await asked.all(shown(), protocol=protocol)
    _, second = await asked.all(shown(), first.message, UserMessage(text="Well?"), protocol=protocol)

    assert (first.message.text, second.message.text) == ("Two squares.", "One is larger.")
    [told, again] = [record.messages[1]["content"] for record in asked.server.requests]
    assert [part["type"] for part in told] == ["text", "image_url", "image_url"]
    assert told[0]["text"] == "What is on these?"
    urls = [part["image_url"]["url"] for part in told[1:]]
    assert urls == [
        f"data:{kind};base64,{b64encode(data).decode()}"
        for kind, data in zip(("image/png", "image/jpeg"), PICTURES.values(), strict=True)
    ]
    assert again == told


async def test_a_request_whose_image_is_gone_is_not_sent(ask: Ask, case: Case) -> None:
    asked = await ask(case, [says("unused")])
    message = shown()
    lost = message.images[0].model_copy(update={"digest": "0" * 64})

    with pytest.raises(ModelError, match="no longer kept") as caught:
        await asked.all(message.model_copy(update={"images": (lost,)}))

    assert (caught.value.sent, caught.value.retryable) == (False, False)
    assert asked.chats == []
