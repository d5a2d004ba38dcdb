"""What makes a chat completions request malformed. Stricter than most providers, so that faults show in tests.

Two user messages in a row are allowed: every provider takes them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from equitr_coder.testing.images import is_image, url_problem
from equitr_coder.testing.schemas import schema_problems

_ROLES = ("system", "developer", "user", "assistant", "tool")
_LONGEST_TEXT = 10_485_760
"""Characters of one message that OpenAI takes."""
_TOOL_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_PARAMETERS = frozenset(
    [
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "user",
        "metadata",
        "store",
        "reasoning_effort",
        "response_format",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "modalities",
        "prediction",
        "service_tier",
        "verbosity",
        "prompt_cache_key",
        "safety_identifier",
    ]
)


def request_problems(body: object) -> list[str]:
    """Everything wrong with the body, each with its place; empty when it is sound."""
    if not isinstance(body, Mapping):
        return ["the body must be a JSON object"]
    return [*_parameter_problems(body), *_message_problems(body.get("messages")), *_tool_problems(body)]


def _parameter_problems(body: Mapping[str, Any]) -> Iterator[str]:
    model = body.get("model")
    if not isinstance(model, str) or not model.strip():
        yield "model is missing"
    for name in body:
        if name not in _PARAMETERS:
            yield f"unknown parameter: {name}"
    for name in ("max_tokens", "max_completion_tokens"):
        limit = body.get(name)
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            yield f"{name} must be a whole number of at least 1, not {limit!r}"
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, int | float) or not 0 <= temperature <= 2):
        yield f"temperature must be between 0 and 2, not {temperature!r}"
    if body.get("n", 1) != 1:
        yield "n must be 1"
    if not isinstance(body.get("stream", False), bool | None):
        yield "stream must be true or false"
    if body.get("stream_options") is not None and not body.get("stream"):
        yield "stream_options is only allowed with stream"


def _message_problems(messages: object) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "messages must be a list of at least one message"
        return
    walk = _Transcript()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, Mapping):
            yield f"{where}: must be an object"
        elif message.get("role") not in _ROLES:
            yield f"{where}: unknown role {message.get('role')!r}"
        else:
            yield from (f"{where}: {problem}" for problem in walk.take(message))
    yield from (f"messages: {problem}" for problem in walk.finish())


class _Transcript:
    """Reads messages in order and remembers which tool calls wait for their result."""

    def __init__(self) -> None:
        self._previous: str | None = None
        self._called: set[str] = set()
        self._open: list[str] = []

    def take(self, message: Mapping[str, Any]) -> Iterator[str]:
        role: str = message["role"]
        if role != "tool":
            yield from self._close()
        yield from self._order_problems(role)
        yield from _content_problems(message)
        if role == "assistant" and message.get("tool_calls") is not None:
            yield from self._open_calls(message["tool_calls"])
        elif message.get("tool_calls") is not None:
            yield f"tool_calls in a message of role {role}"
        if role == "tool":
            yield from self._take_result(message.get("tool_call_id"))
        self._previous = role

    def finish(self) -> Iterator[str]:
        yield from self._close()
        if self._previous == "assistant":
            yield "the last message must be of role user or tool, not assistant"
        elif self._previous in ("system", "developer"):
            yield "there is no user message"

    def _order_problems(self, role: str) -> Iterator[str]:
        previous = self._previous
        if role in ("system", "developer") and previous not in (None, "system", "developer"):
            yield f"a {role} message must stand before the conversation"
        if role in ("assistant", "tool") and previous in (None, "system", "developer"):
            yield f"the conversation must begin with a user message, not {role}"
        if role == "assistant" and previous == "assistant":
            yield "two assistant messages in a row"

    def _open_calls(self, calls: object) -> Iterator[str]:
        if not isinstance(calls, list) or not calls:
            yield "tool_calls must be a list of at least one call"
            return
        for index, call in enumerate(calls):
            problem = _call_problem(call)
            if problem:
                yield f"tool_calls[{index}]: {problem}"
                continue
            if call["id"] in self._called:
                yield f"tool_calls[{index}]: the id {call['id']} is used twice"
            self._called.add(call["id"])
            self._open.append(call["id"])

    def _take_result(self, call_id: object) -> Iterator[str]:
        if not isinstance(call_id, str) or not call_id:
            yield "tool_call_id is missing"
        elif call_id in self._open:
            self._open.remove(call_id)
        elif call_id in self._called:
            yield f"tool call {call_id} has more than one result, or a late one"
        else:
            yield f"a tool result for {call_id}, which no message before it called"

    def _close(self) -> Iterator[str]:
        for call_id in self._open:
            yield f"tool call {call_id} has no result"
        self._open.clear()


def _call_problem(call: object) -> str | None:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or call.get("type") != "function" or not isinstance(function, Mapping):
        return 'must be {"id", "type": "function", "function": {"name", "arguments"}}'
    if not isinstance(call.get("id"), str) or not call["id"]:
        return "id is missing"
    if not isinstance(function.get("name"), str) or not function["name"]:
        return "function.name is missing"
    if not isinstance(function.get("arguments"), str):
        return "function.arguments must be text"
    return None


def _content_problems(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, list):
        if any(map(is_image, content)) and message["role"] != "user":
            yield f"an image in a message of role {message['role']}"
            return
        for index, part in enumerate(content):
            if is_image(part):
                if problem := url_problem(part):
                    yield f"content[{index}]: {problem}"
                continue
            if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
                yield f"content[{index}] must be a part of type text or image_url"
                return
        if any(map(is_image, content)):
            return
        content = "".join(part["text"] for part in content)
    if content is not None and not isinstance(content, str):
        yield f"content must be text, not {type(content).__name__}"
    elif not content and not message.get("tool_calls"):
        yield "the message is empty"
    elif content and len(content) > _LONGEST_TEXT:
        yield f"the text has {len(content)} characters; {_LONGEST_TEXT} are allowed"


def _tool_problems(body: Mapping[str, Any]) -> Iterator[str]:
    tools = body.get("tools")
    names: list[str] = []
    if tools is not None and (not isinstance(tools, list) or not tools):
        yield "tools must be a list of at least one tool, or be left out"
    elif tools is not None:
        for index, tool in enumerate(tools):
            problems = list(_tool_problem(tool))
            yield from (f"tools[{index}]: {problem}" for problem in problems)
            if not problems:
                name = tool["function"]["name"]
                if name in names:
                    yield f"tools[{index}]: the name {name} is used twice"
                names.append(name)
    yield from _choice_problems(body.get("tool_choice"), names)


def _tool_problem(tool: object) -> Iterator[str]:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(tool, Mapping) or tool.get("type") != "function" or not isinstance(function, Mapping):
        yield 'must be {"type": "function", "function": {...}}'
        return
    name = function.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.match(name):
        yield f"the name {name!r} must be 1 to 64 letters, digits, _ or -"
    if not isinstance(function.get("description", ""), str):
        yield "description must be text"
    parameters = function.get("parameters")
    if not isinstance(parameters, Mapping) or parameters.get("type") != "object":
        yield "parameters must be a JSON Schema of type object"
        return
    yield from schema_problems(parameters, "parameters")


def _choice_problems(choice: object, names: list[str]) -> Iterator[str]:
    if choice is None or choice == "none":
        return
    if not names:
        yield "tool_choice without tools"
    elif isinstance(choice, Mapping):
        function = choice.get("function")
        wanted = function.get("name") if isinstance(function, Mapping) else None
        if wanted not in names:
            yield f"tool_choice names {wanted!r}, which is not offered"
    elif choice not in ("auto", "required"):
        yield f"tool_choice must be auto, none, required or a function, not {choice!r}"
