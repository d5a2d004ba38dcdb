"""Models without native tools: what they are sent, how it is chosen, and that the money held for it suffices."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.models.text_tools.prompt import as_text
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.adapters.tokens.byte_counter import PER_MESSAGE, PER_REQUEST
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelSpec,
    ReasoningDelta,
    Reply,
    StopCause,
    TextDelta,
    Tier,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import Usage
from equitr_coder.testing.script import ScriptedReply, ScriptedUsage, always, call, fails, says
from tests.answers.conftest import SPECS, OpenStand

CALL = '<tool_call>\n{"name":"read_file","arguments":{"path":"a.py"}}\n</tool_call>'
LOOKS = says(f"I look.\n{CALL}", usage=ScriptedUsage(input=10, output=7))
CONVERSATION: tuple[Message, ...] = (
    UserMessage(text="Do it."),
    AssistantMessage(
        text="I look.",
        calls=(
            ToolCall(id=CallId("c1"), name="read_file", arguments='{"path": "a.py"}'),
            ToolCall(id=CallId("c2"), name="run_command", arguments='{"command": '),
        ),
    ),
    ToolMessage(call=CallId("c1"), name="read_file", text="1\tx = 1"),
    ToolMessage(call=CallId("c2"), name="run_command", text="not valid JSON", is_error=True),
    AssistantMessage(text="So it is."),
    UserMessage(text="Go on."),
)


async def test_tools_stand_in_the_system_prompt_and_none_are_offered(stand: OpenStand) -> None:
    s = await stand(always(LOOKS))

    outcome = await s.ask(s.request(tools="text"))

    assert outcome.runs == [("read_file", {"path": "a.py"})]
    body = s.requests[0].body
    assert not {"tools", "tool_choice"} & set(body)
    system = body["messages"][0]["content"]
    assert system.startswith("You work.\n\n# Tools")
    for spec in SPECS.values():
        assert json.dumps(spec.model_dump(), ensure_ascii=False, separators=(",", ":")) in system


async def test_calls_and_results_are_text_and_roles_alternate(stand: OpenStand) -> None:
    s = await stand(always(says("Done.")))

    await s.ask(s.request(*CONVERSATION, tools="text"))

    _, *messages = s.requests[0].messages
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert messages[1]["content"] == (
        'I look.\n<tool_call>\n{"name":"read_file","arguments":{"path": "a.py"}}\n</tool_call>\n'
        '<tool_call>\n{"name":"run_command","arguments":{"command":}\n</tool_call>'
    )
    assert messages[2]["content"] == (
        '<tool_result name="read_file">\n1\tx = 1\n</tool_result>\n'
        '<tool_result name="run_command" failed>\nnot valid JSON\n</tool_result>'
    )


async def test_what_was_sent_is_a_prefix_of_what_is_sent_next(stand: OpenStand) -> None:
    s = await stand(always(LOOKS))
    request = s.request(tools="text")

    for _ in range(4):
        outcome = await s.ask(request)
        more = (outcome.reply.message, *outcome.results)
        request = request.model_copy(update={"messages": (*request.messages, *more)})

    for earlier, later in itertools.pairwise(s.requests):
        assert later.messages[: len(earlier.messages)] == earlier.messages


async def test_the_call_is_not_shown_to_the_person(stand: OpenStand) -> None:
    s = await stand(always(LOOKS))

    outcome = await s.ask(s.request(tools="text"))

    assert outcome.shown == "I look.\n"
    assert outcome.reply.message.text == "I look."


@pytest.mark.parametrize(("knows", "is_text"), [(False, True), (True, False), (None, False)])
async def test_auto_goes_by_what_is_known_of_the_model(stand: OpenStand, knows: bool | None, is_text: bool) -> None:
    s = await stand(always(says("Done.")))
    s.book.tools = knows

    await s.ask(s.request())

    assert ("tools" not in s.requests[0].body) is is_text


async def test_native_and_text_are_forced_by_the_configuration(stand: OpenStand) -> None:
    s = await stand(always(says("Done.")))

    s.book.tools = False
    await s.ask(s.request(tools="native"))
    s.book.tools = True
    await s.ask(s.request(tools="text"))

    assert ["tools" in request.body for request in s.requests] == [True, False]


async def test_an_endpoint_that_refuses_tools_is_asked_in_text_and_remembered(stand: OpenStand) -> None:
    s = await stand(always(LOOKS), models=[{"id": "m-1", "tools": False}])

    first = await s.ask(s.request())
    second = await s.ask(s.request())

    assert first.runs == second.runs == [("read_file", {"path": "a.py"})]
    assert first.reply.usage == Usage(input=10, output=7)
    assert [(request.status, "tools" in request.body) for request in s.requests] == [
        (400, True),
        (200, False),
        (200, False),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        "No endpoints found that support tool use. To learn more about provider routing, visit ...",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tools param requires --jinja flag",
        "`tool calling` is not supported with this model: Function calling is not supported",
    ],
)
async def test_refusals_of_tools_are_known_by_their_words(stand: OpenStand, words: str) -> None:
    s = await stand(always(fails(400, words), offers="read_file"), always(LOOKS))

    outcome = await s.ask(s.request())

    assert outcome.runs == [("read_file", {"path": "a.py"})]


async def test_a_model_forced_to_native_tools_is_not_asked_again(stand: OpenStand) -> None:
    s = await stand(always(LOOKS), models=[{"id": "m-1", "tools": False}])

    with pytest.raises(ModelError) as caught:
        await s.ask(s.request(tools="native"))

    assert caught.value.kind is ModelErrorKind.BAD_REQUEST
    assert len(s.requests) == 1


async def test_a_refusal_of_something_else_is_not_asked_again(stand: OpenStand) -> None:
    s = await stand(always(fails(400, "temperature must be a number")))

    with pytest.raises(ModelError, match="temperature"):
        await s.ask(s.request())

    assert len(s.requests) == 1


async def test_a_conversation_that_goes_on_without_tools_still_has_its_calls_as_text(stand: OpenStand) -> None:
    s = await stand(always(says("Done.")))

    await s.ask(s.request(*CONVERSATION, offers=(), tools="text"))

    assert [m["role"] for m in s.requests[0].messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert s.requests[0].messages[0]["content"] == "You work."


# ---------------------------------------------------------------- the contract of every model client


async def test_the_deltas_are_the_text_in_order_and_the_reply_is_last(stand: OpenStand) -> None:
    text = 'Grüße: longer than one piece — <b>ünïcödé</b> 🎉, `code`, [a link], {a: 1}.\n```json\n{"a": 1}\n```\nSo.'
    s = await stand(always(says(text, usage=ScriptedUsage(input=10, output=7))))

    outcome = await s.ask(s.request(tools="text"))

    assert outcome.shown == text
    assert outcome.reply == Reply(
        message=AssistantMessage(text=text),
        usage=Usage(input=10, output=7),
        stop=StopCause.END,
        model="m-1",
        request_id=outcome.reply.request_id,
        provider=outcome.reply.provider,
        limits=outcome.reply.limits,
    )


async def test_reasoning_comes_apart_from_text(stand: OpenStand) -> None:
    s = await stand(always(says("Yes.", reasoning="Let me think.")))

    parts = [part async for part in s.router.stream(s.request(tools="text"))]

    assert "".join(part.text for part in parts if isinstance(part, ReasoningDelta)) == "Let me think."
    assert "".join(part.text for part in parts if isinstance(part, TextDelta)) == "Yes."


async def test_parallel_calls_keep_their_order_and_have_ids_of_their_own(stand: OpenStand) -> None:
    asked = "\n".join(CALL.replace("a.py", f"a{number}.py") for number in range(4))
    s = await stand(always(says(asked)))

    outcome = await s.ask(s.request(*CONVERSATION, tools="text"))

    assert [arguments["path"] for _, arguments in outcome.runs] == [f"a{number}.py" for number in range(4)]
    ids = {call.id for call in outcome.reply.message.calls}
    assert len(ids) == 4
    assert not ids & {"c1", "c2"}
    assert outcome.reply.stop is StopCause.TOOL_CALLS


async def test_a_native_call_of_a_server_that_parses_text_itself_is_taken(stand: OpenStand) -> None:
    s = await stand(always(says("I look.", call("read_file", path="a.py"))))

    outcome = await s.ask(s.request(tools="text"))

    assert outcome.runs == [("read_file", {"path": "a.py"})]


async def test_missing_usage_is_estimated_from_what_was_sent(stand: OpenStand) -> None:
    s = await stand(always(says("A" * 400, no_usage=True)))

    outcome = await s.ask(s.request(tools="text"))

    assert outcome.reply.usage.estimated
    assert outcome.reply.usage.input > len(json.dumps([spec.model_dump() for spec in SPECS.values()])) // 5


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_refusal_has_its_status_and_is_sent_once(stand: OpenStand, status: int) -> None:
    s = await stand(always(fails(status, "no")))

    with pytest.raises(ModelError) as caught:
        await s.ask(s.request(tools="text"))

    assert caught.value.status == status
    assert len(s.requests) == 1


async def test_a_stream_that_breaks_off_ends_in_a_retryable_error(stand: OpenStand) -> None:
    s = await stand(always(says(f"I look.\n{CALL}", cut_after=6)))

    with pytest.raises(ModelError) as caught:
        await s.ask(s.request(tools="text"))

    assert (caught.value.status, caught.value.retryable, caught.value.sent) == (None, True, True)
    assert len(s.requests) == 1


async def test_cancelling_closes_the_connection_at_once(stand: OpenStand) -> None:
    s = await stand(always(ScriptedReply(text="Long. " * 20, cut_after=8, hang=True)))
    begun = asyncio.Event()

    async def consume() -> None:
        async for _ in s.router.stream(s.request(tools="text")):
            begun.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(consume())
        await begun.wait()
        task.cancel()
    await asyncio.wait_for(s.server.closed(1), 5)

    assert s.requests[0].outcome == "disconnected"


async def test_leaving_a_stream_early_closes_the_connection(stand: OpenStand) -> None:
    s = await stand(always(ScriptedReply(text="Long. " * 20, cut_after=8, hang=True)))
    stream = s.router.stream(s.request(tools="text"))

    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(s.server.closed(1), 5)

    assert s.requests[0].outcome == "disconnected"


# ---------------------------------------------------------------- money

words = st.text(st.characters(codec="utf-8"), max_size=60)
arguments = st.one_of(st.just("{}"), st.just(""), st.dictionaries(words, words, max_size=3).map(json.dumps), words)


@st.composite
def conversations(draw: Any) -> tuple[Message, ...]:
    messages: list[Message] = [UserMessage(text=draw(words))]
    for turn in range(draw(st.integers(0, 4))):
        names = draw(st.lists(st.sampled_from(sorted(SPECS)), min_size=0, max_size=5))
        calls = tuple(
            ToolCall(id=CallId(f"call{turn:03d}{index:02d}"), name=name, arguments=draw(arguments))
            for index, name in enumerate(names)
        )
        messages.append(AssistantMessage(text=draw(words), calls=calls))
        results = [ToolMessage(call=c.id, name=c.name, text=draw(words), is_error=draw(st.booleans())) for c in calls]
        messages += results or [UserMessage(text=draw(words))]
    return tuple(messages)


@given(messages=conversations(), names=st.sets(st.sampled_from(sorted(SPECS)), min_size=1))
def test_the_bound_of_a_request_covers_its_text_form(messages: tuple[Message, ...], names: set[str]) -> None:
    request = ModelRequest(
        model=ModelSpec(name="x", tier=Tier.WEAK),
        system="You work.",
        messages=messages,
        tools=tuple(SPECS[name] for name in sorted(names)),
        max_tokens=100,
    )

    sent = as_text(request)

    # Every token is a byte or more; the chat template adds as much as the counter allows it.
    needed = len(sent.system.encode()) + sum(len(message.text.encode()) + PER_MESSAGE for message in sent.messages)
    assert needed + PER_MESSAGE + PER_REQUEST <= ByteTokenCounter().upper_bound(request)


def test_the_tokenizers_bound_covers_the_text_form_too() -> None:
    counter = ByteTokenCounter()
    request = ModelRequest(
        model=ModelSpec(name="gpt-4o", tier=Tier.WEAK),
        system="You work.",
        messages=CONVERSATION,
        tools=tuple(SPECS.values()),
        max_tokens=100,
    )

    assert counter.tighter_bound(as_text(request)) <= counter.tighter_bound(request)
