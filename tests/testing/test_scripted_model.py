"""The model in process: the same script, as values of `ports.ModelClient`."""

import asyncio
from typing import Any

import pytest

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Delta,
    ModelRequest,
    ReasoningDelta,
    Reply,
    StopCause,
    TextDelta,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import Usage
from equitr_coder.ports import ModelClient
from equitr_coder.testing import (
    ManualClock,
    Script,
    ScriptedModel,
    ScriptedReply,
    always,
    call,
    calls,
    fails,
    rule,
    says,
)
from equitr_coder.testing.script import Barrier, OfferedModel, ScriptedUsage


async def ask(model: ModelClient, request: ModelRequest) -> list[Delta | Reply]:
    return [part async for part in model.stream(request)]


async def reply_of(model: ModelClient, request: ModelRequest) -> Reply:
    last = (await ask(model, request))[-1]
    assert isinstance(last, Reply)
    return last


async def test_deltas_join_to_the_message_and_the_reply_is_last(request_of: Any) -> None:
    model = ScriptedModel([says("A sentence that is longer than one piece.", reasoning="I think.")])

    parts = await ask(model, request_of())

    assert (
        "".join(part.text for part in parts if isinstance(part, TextDelta))
        == "A sentence that is longer than one piece."
    )
    assert "".join(part.text for part in parts if isinstance(part, ReasoningDelta)) == "I think."
    assert isinstance(parts[-1], Reply)
    assert parts[-1].message.text == "A sentence that is longer than one piece."
    assert parts[-1].stop is StopCause.END
    assert sum(isinstance(part, Reply) for part in parts) == 1


async def test_calls_come_with_ids_and_raw_arguments(request_of: Any) -> None:
    model = ScriptedModel([says("x", call("read_file", path="ä.py"))])

    reply = await reply_of(model, request_of(tools=("read_file",)))

    assert reply.stop is StopCause.TOOL_CALLS
    assert [(made.name, made.arguments) for made in reply.message.calls] == [("read_file", '{"path": "ä.py"}')]
    assert reply.message.calls[0].id


async def test_a_conversation_goes_through_the_turns(request_of: Any) -> None:
    model = ScriptedModel([calls("read_file", path="a"), says("done")])
    first = await reply_of(model, request_of())
    answered = ToolMessage(call=first.message.calls[0].id, name="read_file", text="1\tx")

    second = await reply_of(model, request_of(UserMessage(text="Task T1"), first.message, answered))

    assert second.message == AssistantMessage(text="done")
    assert [record.outcome for record in model.requests] == ["answered", "answered"]
    assert [request.session for request in model.sent] == ["T1.1", "T1.1"]


async def test_usage_is_as_scripted_or_estimated_within_max_tokens(request_of: Any) -> None:
    scripted = ScriptedUsage(input=10, cache_read=90, cache_write=5, output=7, reasoning=3)
    model = ScriptedModel([always(says("x", usage=scripted), first="one"), always(says("long " * 2000))])

    reported = (await reply_of(model, request_of(UserMessage(text="one")))).usage
    estimated = (await reply_of(model, request_of())).usage

    assert reported == Usage(input=10, cache_read=90, cache_write=5, output=7, reasoning=3)
    assert estimated.output == 500
    assert estimated.input > 0
    assert not estimated.estimated


async def test_usage_that_is_withheld_is_marked(request_of: Any) -> None:
    reply = await reply_of(ScriptedModel([says("x", no_usage=True)]), request_of())

    assert reply.usage.estimated


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, None, ModelErrorKind.BAD_REQUEST, False),
        (400, "context_length_exceeded", ModelErrorKind.CONTEXT_OVERFLOW, False),
        (400, "content_filter", ModelErrorKind.REFUSED, False),
        (401, None, ModelErrorKind.AUTH, False),
        (403, None, ModelErrorKind.AUTH, False),
        (404, None, ModelErrorKind.NOT_FOUND, False),
        (408, None, ModelErrorKind.TIMEOUT, True),
        (429, None, ModelErrorKind.RATE_LIMITED, True),
        (429, "insufficient_quota", ModelErrorKind.QUOTA, False),
        (500, None, ModelErrorKind.SERVER, True),
        (529, None, ModelErrorKind.SERVER, True),
    ],
)
async def test_errors_have_the_kind_an_adapter_would_give_them(
    request_of: Any, status: int, code: str | None, kind: ModelErrorKind, retryable: bool
) -> None:
    model = ScriptedModel([fails(status, "no", code=code, retry_after=2.5)])

    with pytest.raises(ModelError, match="no") as caught:
        await ask(model, request_of())

    error = caught.value
    assert (error.kind, error.retryable, error.status, error.retry_after) == (kind, retryable, status, 2.5)


async def test_a_malformed_request_is_refused_loudly(request_of: Any) -> None:
    model = ScriptedModel([says("x")])
    called = AssistantMessage(calls=(ToolCall(id=CallId("c1"), name="read_file", arguments="{}"),))

    with pytest.raises(ModelError, match="tool call c1 has no result"):
        await ask(model, request_of(UserMessage(text="x"), called, UserMessage(text="y")))


async def test_no_rule_is_an_error_that_names_what_was_asked(request_of: Any) -> None:
    model = ScriptedModel([rule(says("x"), model="other")])

    with pytest.raises(ModelError, match=r"script has no rule for model 'strong-1', turn 0, tools .*'Task T1'"):
        await ask(model, request_of())


async def test_a_rule_answers_only_so_often(request_of: Any) -> None:
    model = ScriptedModel([always(fails(429), times=2), always(says("at last"))])

    for _ in range(2):
        with pytest.raises(ModelError):
            await ask(model, request_of())

    assert (await reply_of(model, request_of())).message.text == "at last"


async def test_a_cut_stream_ends_after_some_pieces(request_of: Any) -> None:
    model = ScriptedModel([says("a sentence of several pieces, that is.", cut_after=2)])
    got: list[Any] = []

    async def collect() -> None:
        async for part in model.stream(request_of()):
            got.append(part)

    with pytest.raises(ModelError) as caught:
        await collect()

    assert len(got) == 2
    assert caught.value.kind is ModelErrorKind.BAD_RESPONSE
    assert model.requests[0].outcome == "cut"


async def test_a_hanging_call_ends_when_it_is_cancelled(request_of: Any) -> None:
    model = ScriptedModel([ScriptedReply(text="a sentence of several pieces", hang=True, cut_after=1)])

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask(model, request_of()))
        await model.backend.reached(1)
        task.cancel()

    assert task.cancelled()
    assert model.requests[0].outcome == "disconnected"


async def test_a_delay_passes_on_the_given_clock(request_of: Any) -> None:
    clock = ManualClock()
    model = ScriptedModel([says("x", delay=3600)], clock=clock)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(reply_of(model, request_of()))
        await clock.advance(3599)
        was_waiting = not task.done()
        await clock.advance(1)

    assert was_waiting
    assert task.result().message.text == "x"


async def test_a_barrier_answers_nobody_before_all_have_come(request_of: Any) -> None:
    model = ScriptedModel([always(says("x", barrier=Barrier(name="b", parties=3)))])

    async with asyncio.TaskGroup() as group:
        early = [group.create_task(ask(model, request_of())) for _ in range(2)]
        await model.backend.reached(2)
        for _ in range(20):
            await asyncio.sleep(0)
        none_answered = not any(task.done() for task in early)
        group.create_task(ask(model, request_of()))

    assert none_answered
    assert [record.outcome for record in model.requests] == ["answered"] * 3
    assert model.backend.peak["strong-1"] == 3


async def test_a_barrier_keeps_out_the_next_round_too(request_of: Any) -> None:
    model = ScriptedModel([always(says("x", barrier=Barrier(name="b", parties=2)))])
    early: list[bool] = []

    for number in (1, 3):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(ask(model, request_of()))
            await model.backend.reached(number)
            for _ in range(20):
                await asyncio.sleep(0)
            early.append(task.done())
            group.create_task(ask(model, request_of()))

    assert early == [False, False]
    assert [record.outcome for record in model.requests] == ["answered"] * 4


async def test_who_leaves_a_barrier_is_not_counted(request_of: Any) -> None:
    model = ScriptedModel([always(says("x", barrier=Barrier(name="b", parties=2, timeout=0.05)))])

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask(model, request_of()))
        await model.backend.reached(1)
        task.cancel()

    with pytest.raises(ModelError, match=r"barrier b: 2 parties did not arrive in 0.05 s") as caught:
        await ask(model, request_of())
    assert caught.value.status == 500


async def test_a_model_that_is_not_listed_does_not_exist(request_of: Any) -> None:
    script = Script(rules=(always(says("x")),), models=(OfferedModel(id="weak-1"),))

    with pytest.raises(ModelError, match="the model `strong-1` does not exist") as caught:
        await ask(ScriptedModel(script), request_of())

    assert caught.value.kind is ModelErrorKind.NOT_FOUND


async def test_a_model_without_tools_refuses_them(request_of: Any) -> None:
    script = Script(rules=(always(says("x")),), models=(OfferedModel(id="strong-1", tools=False),))
    model = ScriptedModel(script)

    with pytest.raises(ModelError, match="strong-1 does not support tools"):
        await ask(model, request_of(tools=("read_file",)))

    assert (await reply_of(model, request_of())).message.text == "x"


async def test_a_window_that_is_too_small_is_an_overflow(request_of: Any) -> None:
    script = Script(rules=(always(says("x")),), models=(OfferedModel(id="strong-1", context_window=100),))
    model = ScriptedModel(script)

    with pytest.raises(ModelError, match="maximum context length is 100 tokens") as caught:
        await ask(model, request_of(UserMessage(text="x" * 1000)))

    assert caught.value.kind is ModelErrorKind.CONTEXT_OVERFLOW
    assert (await reply_of(model, request_of())).message.text == "x"
