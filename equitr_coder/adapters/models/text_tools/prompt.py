"""The text protocol's sending side: tools, calls and results written into a request that offers no tools.

Equal conversations give equal bytes, and a longer one begins with the shorter. What is added stays within what the
token counter allows for: a tool is the JSON that is counted, and the rest less than is allowed for tools.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from equitr_coder.adapters.models.text_tools.marks import CLOSE, OPEN, RESULT
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

PREFACE = f"""

# Tools

You work by calling tools. To call one, end your answer with exactly this form:
{OPEN}
{{"name":"TOOL","arguments":{{"ARGUMENT":"value"}}}}
{CLOSE}
`arguments` fits the tool's `parameters`; in texts a line break is \\n, a quote \\". For several calls write several \
blocks. Then stop: the results come in the next message as {RESULT}>. Never write one yourself.
"""
EDITS = """\
A change may stand as plain text instead: the path, then a <<<<<<< SEARCH, =======, >>>>>>> REPLACE block.
"""
"""For who is offered `apply_patch`, which gets it."""


def as_text(request: ModelRequest) -> ModelRequest:
    """The same conversation for a model that knows no tools. Roles alternate, as strict templates demand."""
    system = request.system + (_tools(request.tools) if request.tools else "")
    return request.model_copy(update={"system": system, "messages": tuple(_merged(request.messages)), "tools": ()})


def _tools(tools: Sequence[ToolSpec]) -> str:
    lines = "\n".join(_json(tool.model_dump()) for tool in tools)
    edits = EDITS if any(tool.name == "apply_patch" for tool in tools) else ""
    return f"{PREFACE}{edits}{_example(tools)}The tools:\n{lines}"


def _example(tools: Sequence[ToolSpec]) -> str:
    """A call of the tool that takes the least, so that the form is seen with real names."""
    required = {tool.name: list(tool.parameters.get("required", ())) for tool in tools}
    name = min((name for name in required if required[name]), key=lambda name: len(required[name]), default="")
    if not name:
        return ""
    arguments = dict.fromkeys(required[name][:2], "...")
    return f"Example:\n{_block(name, _json(arguments))}\n"


def _merged(messages: Iterable[Message]) -> Iterator[Message]:
    role, texts, images = "", list[str](), list[Image]()
    for message in messages:
        its_role = "assistant" if isinstance(message, AssistantMessage) else "user"
        if its_role != role and texts:
            yield _message(role, texts, images)
            texts, images = [], []
        role = its_role
        texts.append(_text(message))
        images += message.images if isinstance(message, UserMessage) else ()
    if texts:
        yield _message(role, texts, images)


def _message(role: str, texts: Sequence[str], images: Sequence[Image]) -> Message:
    text = "\n".join(texts)
    return AssistantMessage(text=text) if role == "assistant" else UserMessage(text=text, images=tuple(images))


def _text(message: Message) -> str:
    match message:
        case SystemMessage() | UserMessage():
            return message.text
        case AssistantMessage():
            return "\n".join(filter(None, (message.text.strip(), *map(_call, message.calls))))
        case ToolMessage():
            failed = " failed" if message.is_error else ""
            return f'{RESULT} name="{message.name}"{failed}>\n{message.text}\n</tool_result>'
        case _ as unreachable:
            assert_never(unreachable)


def _call(call: ToolCall) -> str:
    """Arguments as the model wrote them, readable or not: what came of it stands in the result."""
    return _block(call.name, call.arguments.strip() or "{}")


def _block(name: str, arguments: str) -> str:
    return f'{OPEN}\n{{"name":"{name}","arguments":{arguments}}}\n{CLOSE}'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
