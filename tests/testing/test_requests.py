"""The validator refuses each kind of malformed request, by name, and nothing that is sound."""

import copy
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.testing.requests import request_problems
from tests.pictures import png

Body = dict[str, Any]


def test_a_sound_request_has_no_problems(body: Body) -> None:
    assert request_problems(body) == []


def test_content_may_be_a_list_of_text_parts(body: Body) -> None:
    body["messages"][1]["content"] = [{"type": "text", "text": "Task"}, {"type": "text", "text": " T1"}]

    assert request_problems(body) == []


def test_content_may_hold_images_after_its_text(body: Body) -> None:
    _show({"url": PNG, "detail": "high"})(body)

    assert request_problems(body) == []


def test_two_user_messages_in_a_row_are_allowed(body: Body) -> None:
    body["messages"].insert(1, {"role": "user", "content": "hello"})

    assert request_problems(body) == []


def _set(path: str, value: Any) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        node: Any = body
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in parents:
            node = node[part]
        node[last] = value

    return change


def _drop(path: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        node: Any = body
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in parents:
            node = node[part]
        del node[last]

    return change


def _add(*messages: Body) -> Callable[[Body], None]:
    return lambda body: body["messages"].extend(messages)


def _show(url: Body) -> Callable[[Body], None]:
    return _set("messages.1.content", [{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": url}])


PNG = f"data:image/png;base64,{b64encode(png(30, 20)).decode()}"
ASSISTANT = {"role": "assistant", "content": "done"}
USER = {"role": "user", "content": "go on"}
SCHEMA = "tools.0.function.parameters"
FUNCTION = "messages.2.tool_calls.0.function"

REJECTIONS: list[tuple[Callable[[Body], None], str]] = [
    (_drop("model"), "model is missing"),
    (_set("model", "  "), "model is missing"),
    (_set("modle", "x"), "unknown parameter: modle"),
    (_set("max_tokens", 0), "max_tokens must be a whole number of at least 1, not 0"),
    (_set("max_completion_tokens", 1.5), "max_completion_tokens must be a whole number of at least 1, not 1.5"),
    (_set("temperature", 3), "temperature must be between 0 and 2, not 3"),
    (_set("n", 2), "n must be 1"),
    (_set("stream", "yes"), "stream must be true or false"),
    (_set("stream", False), "stream_options is only allowed with stream"),
    (_set("messages", []), "messages must be a list of at least one message"),
    (_drop("messages"), "messages must be a list of at least one message"),
    (_set("messages.1", "hello"), "messages[1]: must be an object"),
    (_set("messages.1.role", "human"), "messages[1]: unknown role 'human'"),
    (_set("messages.1.content", ""), "messages[1]: the message is empty"),
    (_set("messages.0.content", None), "messages[0]: the message is empty"),
    (_set("messages.3.content", ""), "messages[3]: the message is empty"),
    (_add({"role": "assistant", "content": ""}, USER), "messages[4]: the message is empty"),
    (_set("messages.1.content", 5), "messages[1]: content must be text, not int"),
    (
        _set("messages.1.content", [{"type": "file"}]),
        "messages[1]: content[0] must be a part of type text or image_url",
    ),
    (_set("messages.1.content", [{"type": "image_url"}]), 'messages[1]: content[0]: must be {"type": "image_url"'),
    (_show({"url": PNG, "size": 3}), "messages[1]: content[1]: image_url has url and detail"),
    (_show({"url": PNG, "detail": "huge"}), "messages[1]: content[1]: image_url has url and detail"),
    (_show({"url": "https://example.invalid/a.png"}), "messages[1]: content[1]: image_url.url must be a data URL"),
    (_show({"url": f"{PNG}!"}), "messages[1]: content[1]: the image could not be read"),
    (_show({"url": PNG[:-8]}), "messages[1]: content[1]: the image could not be read: it is cut short"),
    (_show({"url": PNG.replace("png", "gif")}), "messages[1]: content[1]: the image was said to be image/gif"),
    (_set("messages.0.content", [{"type": "image_url"}]), "messages[0]: an image in a message of role system"),
    (_set("messages.1.content", "x" * 10_485_761), "messages[1]: the text has 10485761 characters; 10485760 are"),
    (_add(ASSISTANT, ASSISTANT, USER), "messages[5]: two assistant messages in a row"),
    (_add(ASSISTANT), "messages: the last message must be of role user or tool, not assistant"),
    (
        _add({"role": "system", "content": "x"}, USER),
        "messages[4]: a system message must stand before the conversation",
    ),
    (_drop("messages.1"), "messages[1]: the conversation must begin with a user message, not assistant"),
    (_set("messages", [{"role": "system", "content": "x"}]), "messages: there is no user message"),
    (_set("messages.1.tool_calls", []), "messages[1]: tool_calls in a message of role user"),
    (_set("messages.2.tool_calls", []), "messages[2]: tool_calls must be a list of at least one call"),
    (_drop("messages.2.tool_calls.0.id"), "messages[2]: tool_calls[0]: id is missing"),
    (_drop("messages.2.tool_calls.0.type"), "messages[2]: tool_calls[0]: must be"),
    (_drop(f"{FUNCTION}.name"), "messages[2]: tool_calls[0]: function.name is missing"),
    (_set(f"{FUNCTION}.arguments", {"path": "a"}), "messages[2]: tool_calls[0]: function.arguments must be text"),
    (_drop("messages.3"), "messages: tool call c1 has no result"),
    (_set("messages.3", USER), "messages[3]: tool call c1 has no result"),
    (_drop("messages.3.tool_call_id"), "messages[3]: tool_call_id is missing"),
    (_set("messages.3.tool_call_id", "c9"), "messages[3]: a tool result for c9, which no message before it called"),
    (
        _add({"role": "tool", "tool_call_id": "c1", "content": "again"}),
        "messages[4]: tool call c1 has more than one result, or a late one",
    ),
    (
        _add(USER, {"role": "tool", "tool_call_id": "c1", "content": "late"}),
        "messages[5]: tool call c1 has more than one result, or a late one",
    ),
    (
        lambda body: body["messages"].extend(copy.deepcopy(body["messages"][2:4])),
        "messages[4]: tool_calls[0]: the id c1 is used twice",
    ),
    (_set("tools", []), "tools must be a list of at least one tool, or be left out"),
    (_set("tools.1.function.name", "read_file"), "tools[1]: the name read_file is used twice"),
    (_set("tools.0.function.name", "read file"), "tools[0]: the name 'read file' must be 1 to 64 letters"),
    (_drop("tools.0.type"), "tools[0]: must be"),
    (_set("tools.0.function.description", 1), "tools[0]: description must be text"),
    (_drop(SCHEMA), "tools[0]: parameters must be a JSON Schema of type object"),
    (_set(f"{SCHEMA}.type", "array"), "tools[0]: parameters must be a JSON Schema of type object"),
    (_set(f"{SCHEMA}.properties", []), "tools[0]: parameters.properties: must be an object"),
    (_set(f"{SCHEMA}.properties.path", "text"), "tools[0]: parameters.properties.path: a schema must be an object"),
    (_set(f"{SCHEMA}.properties.path.type", "text"), "parameters.properties.path.type: 'text' is not a type of JSON"),
    (_set(f"{SCHEMA}.properties.path", {"type": "array"}), "parameters.properties.path: an array must say its items"),
    (_set(f"{SCHEMA}.properties.path", {"enum": []}), "parameters.properties.path.enum: must be a list of at least"),
    (_set(f"{SCHEMA}.properties.path", {"anyOf": []}), "parameters.properties.path.anyOf: must be a list of at least"),
    (_set(f"{SCHEMA}.properties.path", {"$ref": "#/$defs/P"}), "properties.path.$ref: '#/$defs/P' leads nowhere"),
    (_set(f"{SCHEMA}.properties.path", {"anyOf": [{"type": "x"}]}), "parameters.properties.path.anyOf[0].type: 'x'"),
    (_set(f"{SCHEMA}.required", ["paht"]), "parameters.required: 'paht' is not among the properties"),
    (_set(f"{SCHEMA}.required", "path"), "parameters.required: must be a list"),
    (_set("tool_choice", "read_file"), "tool_choice must be auto, none, required or a function, not 'read_file'"),
    (
        _set("tool_choice", {"type": "function", "function": {"name": "x"}}),
        "tool_choice names 'x', which is not offered",
    ),
]


@pytest.mark.parametrize(("change", "words"), REJECTIONS, ids=[words for _, words in REJECTIONS])
def test_each_malformed_request_is_named_with_its_place(body: Body, change: Callable[[Body], None], words: str) -> None:
    change(body)

    assert [problem for problem in request_problems(body) if words in problem], request_problems(body)


def test_a_choice_without_tools_is_refused(body: Body) -> None:
    del body["tools"]
    body["tool_choice"] = "auto"

    assert request_problems(body) == ["tool_choice without tools"]


def test_a_reference_into_the_definitions_is_followed(body: Body) -> None:
    body["tools"][0]["function"]["parameters"] = {
        "type": "object",
        "properties": {"task": {"$ref": "#/$defs/Task"}, "kinds": {"type": "array", "items": {"enum": ["a"]}}},
        "$defs": {"Task": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}}},
        "additionalProperties": False,
    }

    assert request_problems(body) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "model",
                        "messages",
                        "tools",
                        "role",
                        "content",
                        "tool_calls",
                        "id",
                        "function",
                        "type",
                        "tool_choice",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_at_all_gets_an_answer(anything: Any) -> None:
    assert request_problems(anything) != []


@given(st.permutations(["c1", "c2", "c3"]))
def test_results_may_come_in_any_order(order: list[str]) -> None:
    calls = [
        {"id": name, "type": "function", "function": {"name": "read_file", "arguments": "not json"}}
        for name in ("c1", "c2", "c3")
    ]
    messages: list[Body] = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": calls}]
    messages += [{"role": "tool", "tool_call_id": name, "content": "x"} for name in order]

    assert request_problems({"model": "m", "messages": messages}) == []
    assert request_problems({"model": "m", "messages": messages[:-1]}) == [
        f"messages: tool call {order[-1]} has no result"
    ]
