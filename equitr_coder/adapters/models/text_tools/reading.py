"""The receiving side: an answer with its tool calls as calls, whatever way the model wrote them. Pure.

Who was asked to write calls as text (`asked`) is taken at its word. From anybody else a text is a call only when it can
hardly be anything else, because an answer may as well quote one: a file that says "run this" must not be obeyed.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence

from equitr_coder.adapters.models.text_tools.edit_blocks import TOOL, find_edits
from equitr_coder.adapters.models.text_tools.find import Found, find_calls, find_own_calls
from equitr_coder.adapters.models.text_tools.loose_json import read_object
from equitr_coder.adapters.models.text_tools.marks import OPEN, RESULT
from equitr_coder.adapters.models.text_tools.names import offered_name, sendable_name
from equitr_coder.adapters.models.text_tools.schema import fits, typed
from equitr_coder.adapters.models.text_tools.written import Written
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    ModelRequest,
    Reply,
    StopCause,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

_CUT = (StopCause.LENGTH, StopCause.FILTERED)
_WRAPPERS = ("arguments", "parameters", "args", "params", "input", "kwargs")
_LINE_NUMBER = re.compile(r"^ *\d+\t")
_SHORTEST_QUOTE = 12
"""Characters of a line that say something; closing tags and braces stand everywhere."""


def read_reply(reply: Reply, request: ModelRequest, *, asked: bool) -> Reply:
    """`request` is the one that offers the tools. What is no call stays text; what cannot be read stays as it is, and
    the dispatcher tells the model.
    """
    tools = {tool.name: tool for tool in request.tools}
    message = reply.message
    if message.calls:
        last = message.calls[-1] if reply.stop in _CUT else None
        calls = tuple(_mended(call, tools, is_cut=call is last) for call in message.calls)
        return reply.model_copy(update={"message": message.model_copy(update={"calls": calls})})
    if not tools or reply.stop is StopCause.FILTERED:
        return reply
    text = _before_invention(message.text) if asked else message.text
    own = find_own_calls(text) if asked else None
    found = own or (find_calls(text) if asked or reply.stop not in _CUT else None)
    if asked and TOOL in tools:
        found, own = _with_edits(found, own, text, request)
    if found is None:
        return reply
    calls = _calls(found.calls, request)
    if not own and not (all(call.name in tools for call in calls) if asked else _is_meant(found, calls, request)):
        return reply
    return reply.model_copy(
        update={
            "message": AssistantMessage(text=found.rest, calls=calls),
            "stop": reply.stop if reply.stop in _CUT else StopCause.TOOL_CALLS,
        }
    )


def _with_edits(
    found: Found | None, own: Found | None, text: str, request: ModelRequest
) -> tuple[Found | None, Found | None]:
    """Both with the changes that stand in the text. They come first: what is run after them is meant to see them."""
    edits = find_edits(found.rest if found is not None else text, beside_calls=found is not None)
    if edits is None or _stands_in(edits.quoted, request):
        return found, own
    both = edits if found is None else Found((*edits.calls, *found.calls), edits.quoted, edits.rest)
    return both, both


def _stands_in(block: str, request: ModelRequest) -> bool:
    """Whether the model was given just this text, with line numbers or without: it then describes the form."""
    wanted = _bare_lines(block)
    given = (m.text for m in request.messages if isinstance(m, UserMessage | ToolMessage))
    return any(wanted in _bare_lines(text) for text in given)


def _bare_lines(text: str) -> str:
    return "\n".join(_LINE_NUMBER.sub("", line).strip() for line in text.split("\n"))


def _mended(call: ToolCall, tools: Mapping[str, ToolSpec], *, is_cut: bool) -> ToolCall:
    """Name and arguments as they must have been meant. A call that was cut is not mended: half of it is missing."""
    name = offered_name(call.name, tools)
    if name is None:
        return call.model_copy(update={"name": sendable_name(call.name)})
    arguments = call.arguments
    if not is_cut and (read := read_object(arguments)) is not None:
        bare = _unwrapped(read, tools[name], tools)
        # What is sound stays as it was written, to the byte.
        if bare is not read or not _is_object(arguments):
            arguments = json.dumps(bare, ensure_ascii=False)
    return call.model_copy(update={"name": name, "arguments": arguments})


def _unwrapped(read: dict[str, object], tool: ToolSpec, tools: Collection[str]) -> dict[str, object]:
    """Arguments that stand in `{"arguments": ...}`, or in the whole call once more, without it."""
    keys = set(read) - {"name"}
    if len(keys) != 1 or set(read) & set(tool.parameters.get("properties", ())):
        return read
    inner = read[keys.pop()] if keys & set(_WRAPPERS) else None
    is_same = "name" not in read or offered_name(str(read["name"]), tools) == tool.name
    return inner if isinstance(inner, dict) and is_same else read


def _calls(found: Sequence[Written], request: ModelRequest) -> tuple[ToolCall, ...]:
    tools = {tool.name: tool for tool in request.tools}
    used = {call.id for message in request.messages if isinstance(message, AssistantMessage) for call in message.calls}
    calls = []
    for written in found:
        name = offered_name(written.name, tools)
        number = len(used)
        while (call_id := CallId(f"call{number:05d}")) in used:
            number += 1
        used.add(call_id)
        arguments = written.arguments
        if isinstance(arguments, Mapping):
            if written.is_markup and name is not None:
                arguments = typed(arguments, tools[name].parameters)
            arguments = json.dumps(arguments, ensure_ascii=False)
        call = ToolCall(id=call_id, name=name or sendable_name(written.name), arguments=arguments)
        calls.append(call if name is None else _mended(call, tools, is_cut=False))
    return tuple(calls)


def _is_meant(found: Found, calls: Sequence[ToolCall], request: ModelRequest) -> bool:
    """Whether text that nobody asked for is a call: every tool is offered, all arguments fit, and it is nobody's quote.

    A model that explains or repeats what it read also ends its answer with such text. A call of a tool that is not
    there, or whose arguments do not fit, is talk; and so is one that stands word for word in what the model was given.
    """
    tools = {tool.name: tool for tool in request.tools}
    for call in calls:
        arguments = read_object(call.arguments)
        if call.name not in tools or arguments is None or not fits(arguments, tools[call.name].parameters):
            return False
    is_thought = found.rest.count("<think>") > found.rest.count("</think>")
    return not is_thought and not _is_quoted(found.quoted, request)


def _is_quoted(block: str, request: ModelRequest) -> bool:
    """Line by line, since files are shown with line numbers before each."""
    lines = [line.strip() for line in block.splitlines()]
    lines = [line for line in lines if len(line) >= _SHORTEST_QUOTE] or [block.strip()]
    given = [request.system, *(m.text for m in request.messages if isinstance(m, UserMessage | ToolMessage))]
    return any(all(line in text for line in lines) for text in given)


def _before_invention(text: str) -> str:
    """Weak models go on by writing the result themselves; what follows from it is worth nothing."""
    invented = text.find(f"\n{RESULT}")
    return text[:invented] if invented >= 0 and OPEN in text[:invented] else text


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
