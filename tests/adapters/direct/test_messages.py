import json
from typing import Any

import pytest

from equitr_coder.adapters.direct.messages import write_messages, write_tools
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelSpec,
    Tier,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)


def written(*messages: Message, system: str = "You work.") -> list[dict[str, Any]]:
    spec = ModelSpec(name="m", tier=Tier.WEAK)
    return write_messages(ModelRequest(model=spec, system=system, messages=messages, max_tokens=1))


def call(arguments: str) -> AssistantMessage:
    return AssistantMessage(calls=(ToolCall(id=CallId("c1"), name="read_file", arguments=arguments),))


def test_every_role_has_its_shape() -> None:
    assert written(
        UserMessage(text="hi"),
        AssistantMessage(text="I look.", calls=call('{"p": 1}').calls),
        ToolMessage(call=CallId("c1"), name="read_file", text="x", is_error=True),
        AssistantMessage(text="Done."),
    ) == [
        {"role": "system", "content": "You work."},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"p": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
        {"role": "assistant", "content": "Done."},
    ]


def test_an_empty_system_text_and_calls_without_text_leave_no_empty_content() -> None:
    messages = written(UserMessage(text="hi"), call("{}"), system="")

    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["content"] is None


@pytest.mark.parametrize("arguments", ['{"path": "a.py', "[1]", "null", '"text"', "free text ü"])
def test_arguments_that_are_no_object_go_back_readable_inside_one(arguments: str) -> None:
    sent = written(UserMessage(text="hi"), call(arguments))[-1]["tool_calls"][0]["function"]["arguments"]

    assert json.loads(sent) == {"malformed_arguments": arguments}


@pytest.mark.parametrize(("arguments", "sent"), [("", "{}"), ("  ", "{}"), ('{"b":1,  "a": 2}', '{"b":1,  "a": 2}')])
def test_an_object_is_sent_as_the_model_wrote_it_and_nothing_as_an_empty_one(arguments: str, sent: str) -> None:
    message = written(UserMessage(text="hi"), call(arguments))[-1]

    assert message["tool_calls"][0]["function"]["arguments"] == sent


def test_what_was_sent_is_a_prefix_of_what_is_sent_next() -> None:
    history: list[Message] = [UserMessage(text="hi"), call("{}"), ToolMessage(call=CallId("c1"), name="f", text="x")]

    before, after = written(*history[:1]), written(*history)

    assert after[: len(before)] == before


def test_tools_are_published_as_functions() -> None:
    parameters = {"type": "object", "properties": {"path": {"type": "string"}}}

    assert write_tools((ToolSpec(name="f", description="Does f.", parameters=parameters),)) == [
        {"type": "function", "function": {"name": "f", "description": "Does f.", "parameters": parameters}}
    ]
