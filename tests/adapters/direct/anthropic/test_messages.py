import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.direct.anthropic.messages import request_body, write_messages, write_system
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from equitr_coder.testing.http import HttpRequest
from equitr_coder.testing.wires import Anthropic
from tests.adapters.direct.anthropic.conftest import request

MARK = {"type": "ephemeral"}


def called(call_id: str, name: str = "read", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=CallId(call_id), name=name, arguments=arguments)


def result(call_id: str, text: str = "x = 1", *, is_error: bool = False) -> ToolMessage:
    return ToolMessage(call=CallId(call_id), name="read", text=text, is_error=is_error)


def plain(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the marks."""
    return [
        {**turn, "content": [{k: v for k, v in block.items() if k != "cache_control"} for block in turn["content"]]}
        for turn in turns
    ]


def test_results_and_what_the_user_adds_are_one_turn_with_the_results_first() -> None:
    turns = write_messages(
        request(
            UserMessage(text="Task"),
            AssistantMessage(text="I look.", calls=(called("a"), called("b", arguments='{"path": "b.py"}'))),
            result("a"),
            result("b", "no such file", is_error=True),
            UserMessage(text="Hurry."),
        )
    )

    assert plain(turns) == [
        {"role": "user", "content": [{"type": "text", "text": "Task"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "a", "name": "read", "input": {}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {"path": "b.py"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x = 1"}]},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "text", "text": "no such file"}],
                    "is_error": True,
                },
                {"type": "text", "text": "Hurry."},
            ],
        },
    ]


def test_empty_texts_are_never_sent() -> None:
    turns = write_messages(
        request(
            UserMessage(text="Task"),
            AssistantMessage(text=" \n", calls=(called("a"),)),
            result("a", ""),
            AssistantMessage(text=""),
            UserMessage(text="Go"),
        )
    )

    assert [block["type"] for turn in turns for block in turn["content"]] == ["text", "tool_use", "tool_result", "text"]
    assert "content" not in turns[2]["content"][0]
    assert write_system("  ") == []


def test_a_conversation_that_begins_or_ends_with_the_model_is_given_a_user() -> None:
    turns = write_messages(
        request(AssistantMessage(text="I began."), UserMessage(text="?"), AssistantMessage(text="!"))
    )

    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]


def test_at_most_four_marks_tools_system_and_the_last_two_turns_of_the_user() -> None:
    messages: list[Message] = [UserMessage(text="Task")]
    for number in range(5):
        messages += [AssistantMessage(calls=(called(f"c{number}"),)), result(f"c{number}")]

    body = request_body(request(*messages), "claude-9", None)

    assert json.dumps(body).count("cache_control") == 4
    assert body["tools"][-1]["cache_control"] == MARK
    assert body["system"][-1]["cache_control"] == MARK
    assert [index for index, turn in enumerate(body["messages"]) if "cache_control" in turn["content"][-1]] == [8, 10]


def test_what_was_sent_is_a_prefix_of_what_is_sent_next_and_its_end_stays_marked() -> None:
    first = (UserMessage(text="Task"), AssistantMessage(text="I look.", calls=(called("a"),)), result("a"))
    then = (AssistantMessage(calls=(called("b"),)), result("b"))

    before = request_body(request(*first), "claude-9", None)
    after = request_body(request(*first, *then), "claude-9", None)

    assert (before["tools"], before["system"]) == (after["tools"], after["system"])
    assert plain(after["messages"])[: len(before["messages"])] == plain(before["messages"])
    assert after["messages"][len(before["messages"]) - 1]["content"][-1]["cache_control"] == MARK


def test_ids_and_names_of_other_models_are_made_sendable_and_still_fit() -> None:
    turns = write_messages(
        request(
            UserMessage(text="Task"),
            AssistantMessage(calls=(called("functions.read:0", "read file!"),)),
            result("functions.read:0"),
        )
    )

    used, answered = turns[1]["content"][0], turns[2]["content"][0]
    assert used["id"] == answered["tool_use_id"]
    assert used["name"] == "read_file_"


texts = st.text(alphabet=" \nab\x00\ud83dü", max_size=6)
names = st.text(alphabet="ab !.:é", max_size=8)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages: list[Message] = []
    for turn in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            messages.append(UserMessage(text=draw(texts)))
            continue
        ids = [f"{draw(names)}{turn}-{number}" for number in range(draw(st.integers(0, 3)))]
        calls = tuple(called(call_id, draw(names), draw(texts)) for call_id in ids)
        messages.append(AssistantMessage(text=draw(texts), calls=calls))
        messages += [result(call_id, draw(texts), is_error=draw(st.booleans())) for call_id in ids]
    return tuple(messages)


@given(conversations())
def test_whatever_was_said_makes_a_request_that_is_not_refused(messages: tuple[Message, ...]) -> None:
    body = {**request_body(request(*messages or (UserMessage(text="hi"),)), "claude-9", None), "max_tokens": 5}
    sent = json.dumps(body, ensure_ascii=False).encode(errors="replace")

    Anthropic().read(HttpRequest("POST", "/v1/messages", {"anthropic-version": "2023-06-01"}, sent))
