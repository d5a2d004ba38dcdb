"""The syntaxes in which models write tool calls as text, each with its reader. Pure.

What opens one here has its mark in `hold_back`.
A reader gets the text and the place behind the opening mark; it returns the calls and where they end, or raises
UnclearError.
"""

import re
from collections.abc import Callable

from equitr_coder.adapters.models.text_tools.loose_json import UnclearError, read_value
from equitr_coder.adapters.models.text_tools.written import Written, calls_of, object_of

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"\s*([A-Za-z_][\w.:/-]*)")


def read_block(text: str, start: int) -> tuple[list[Written], int]:
    for opening, parse in SYNTAXES:
        if match := opening.match(text, start):
            return parse(text, match.end())
    return _bare(text, start)


def _bare(text: str, start: int) -> tuple[list[Written], int]:
    """JSON without any mark counts only when it is all there is."""
    if text[:start].strip():
        raise UnclearError
    value, end = read_value(text, start)
    return calls_of(value, strictly=True), end


def _tagged(text: str, start: int) -> tuple[list[Written], int]:
    """`<tool_call>` around JSON (Hermes, Qwen), markup (Qwen coder) or names and values (GLM)."""
    here = _past_space(text, start)
    if text[here : here + 1] in ("{", "["):
        return _tagged_json(text, here)
    if _FUNCTION.match(text, here) or _INVOKE.match(text, here):
        calls: list[Written] = []
        while _FUNCTION.match(text, here) or _INVOKE.match(text, here):
            made, here = read_block(text, here)
            calls, here = calls + made, _past_space(text, here)
        return calls, _closed(text, here)
    if text.startswith("```", here):
        return _tagged_json(text, here)
    return _pairs(text, here)


def _tagged_json(text: str, here: int) -> tuple[list[Written], int]:
    try:
        value, end = read_value(text, here)
        return calls_of(value), _closed(text, _past_space(text, end))
    except (UnclearError, RecursionError):
        match = _TAG_END.search(text, here)
        body = text[here : match.start() if match else len(text)]
        return calls_of(object_of(body)), match.end() if match else len(text)


def _pairs(text: str, here: int) -> tuple[list[Written], int]:
    """GLM: the name, then `<arg_key>` and `<arg_value>` by turns."""
    head = _NAME.match(text, here)
    if head is None:
        raise UnclearError
    values: dict[str, str] = {}
    here = head.end()
    while key := _KEY.match(text, here):
        end = _VALUE_END.search(text, key.end())
        if end is None or key[1] in values:
            raise UnclearError
        values[key[1]] = _trimmed(text[key.end() : end.start()])
        here = end.end()
    match = _TAG_END.match(text, here)
    if match is None:
        raise UnclearError
    return [Written(head[1], values, is_markup=True)], match.end()


def _closed(text: str, here: int) -> int:
    """Past the closing tag, which may be missing at the end: many servers take it for the end of the answer."""
    match = _TAG_END.match(text, here)
    if match is None and text[here:].strip():
        raise UnclearError
    return match.end() if match else len(text)


def _functions(text: str, start: int) -> tuple[list[Written], int]:
    """`<function=NAME>` around parameters (Qwen coder) or JSON (Llama). `start` is past `<function=`."""
    head = _FUNCTION_NAME.match(text, start)
    if head is None:
        raise UnclearError
    return _markup(text, head.end(), name=head[1], end_of_all=_FUNCTION_END)


def _invokes(text: str, start: int) -> tuple[list[Written], int]:
    """`<invoke name="NAME">` around parameters, as Anthropic's models write it. `start` is past `name=`."""
    head = _FUNCTION_NAME.match(text, start)
    if head is None:
        raise UnclearError
    return _markup(text, head.end(), name=head[1], end_of_all=_INVOKE_END)


def _markup(text: str, here: int, *, name: str, end_of_all: "re.Pattern[str]") -> tuple[list[Written], int]:
    here = _past_space(text, here)
    if text[here : here + 1] == "{":
        value, here = read_value(text, here)
        match = end_of_all.match(text, _past_space(text, here))
        if match is None or not isinstance(value, dict):
            raise UnclearError
        return [Written(name, value)], match.end()
    values: dict[str, str] = {}
    while parameter := _PARAMETER.match(text, here):
        # The value may hold tags itself: it ends where another parameter or the end of the call follows.
        end = _PARAMETER_END.search(text, parameter.end())
        if end is None or parameter[1] in values:
            raise UnclearError
        values[parameter[1]] = _trimmed(text[parameter.end() : end.start()])
        here = _past_space(text, end.end())
    match = end_of_all.match(text, here)
    if match is None:
        raise UnclearError
    return [Written(name, values, is_markup=True)], match.end()


def _wrapped(text: str, start: int) -> tuple[list[Written], int]:
    """`<function_calls>` around several of the above."""
    calls: list[Written] = []
    here = _past_space(text, start)
    while _INVOKE.match(text, here) or _FUNCTION.match(text, here):
        made, here = read_block(text, here)
        calls, here = calls + made, _past_space(text, here)
    match = _WRAP_END.match(text, here)
    if match is None and text[here:].strip():
        raise UnclearError
    return calls, match.end() if match else here


def _mistral(text: str, start: int) -> tuple[list[Written], int]:
    """`[TOOL_CALLS]` before a list, or before `NAME[ARGS]{...}`."""
    here = _past_space(text, start)
    if text[here : here + 1] in ("{", "["):
        value, end = read_value(text, here)
        return calls_of(value), end
    head = re.compile(r"([A-Za-z_][\w.-]*)(?:\[CALL_ID\]\w+)?(?:\[ARGS\])?\s*(?={)").match(text, here)
    if head is None:
        raise UnclearError
    value, end = read_value(text, head.end())
    return [Written(head[1], value)], end


def _python_tag(text: str, start: int) -> tuple[list[Written], int]:
    """Llama: objects, parted by `;`."""
    value, end = read_value(text, _past_space(text, start))
    calls = calls_of(value)
    while more := re.compile(r"\s*;\s*(?={)").match(text, end):
        value, end = read_value(text, more.end())
        calls += calls_of(value)
    return calls, end


def _special(text: str, start: int) -> tuple[list[Written], int]:
    """Calls between special tokens: DeepSeek, Kimi. `start` is past the opening of the section."""
    calls: list[Written] = []
    here = _past_space(text, start)
    while head := _SPECIAL_CALL.match(text, here):
        value, here = read_value(text, head.end())
        calls.append(Written(head[1], value))
        tail = _SPECIAL_CALL_END.match(text, here)
        here = tail.end() if tail else here
    tail = _SPECIAL_END.match(text, here)
    return calls, tail.end() if tail else here


def _harmony(text: str, start: int) -> tuple[list[Written], int]:
    """gpt-oss: the channel names the tool. `start` is past `to=`."""
    head = re.compile(r"([\w.]+)[^{]{0,80}?<\|message\|>\s*(?={)").match(text, start)
    if head is None:
        raise UnclearError
    value, end = read_value(text, head.end())
    return [Written(head[1], value)], end


def _fenced(text: str, start: int) -> tuple[list[Written], int]:
    """A code block that holds nothing but calls as JSON."""
    end = re.compile(r"^[ \t]*```[ \t]*$", re.MULTILINE).search(text, start)
    if end is None:
        raise UnclearError
    here = _past_space(text, start)
    calls: list[Written] = []
    while here < end.start():
        value, here = read_value(text, here)
        calls += calls_of(value, strictly=True)
        here = _past_space(text, here)
    return calls, end.end()


# ---------------------------------------------------------------- pieces


def _past_space(text: str, here: int) -> int:
    match = _SPACE.match(text, here)
    return match.end() if match else here


def _trimmed(text: str) -> str:
    """Markup puts values on lines of their own: one line break at either side is not meant."""
    return text.removeprefix("\r").removeprefix("\n").removesuffix("\n").removesuffix("\r")


_NAMESPACE = r"(?:antml:|minimax:)?"
_TAGS = "tool_call|tool_calls|function_call|tool_use"
_TAG_END = re.compile(rf"\s*(?:</(?:{_TAGS})>|<\|/tool_call\|>)")
_FUNCTION = re.compile(r"<function(?:=|\s+name=)")
_FUNCTION_NAME = re.compile(r"[\"']?([\w.:-]+)[\"']?\s*>")
_FUNCTION_END = re.compile(r"</function>")
_INVOKE = re.compile(rf"<{_NAMESPACE}invoke\s+name=")
_INVOKE_END = re.compile(rf"</{_NAMESPACE}invoke>")
_WRAP = re.compile(rf"<(?:{_NAMESPACE}function_calls|minimax:tool_calls?)>")
_WRAP_END = re.compile(rf"</(?:{_NAMESPACE}function_calls|minimax:tool_calls?)>")
_PARAMETER = re.compile(rf"<{_NAMESPACE}parameter(?:=|\s+name=)[\"']?([\w.-]+)[\"']?\s*>")
_PARAMETER_END = re.compile(
    rf"</{_NAMESPACE}parameter>(?=\s*(?:<{_NAMESPACE}parameter[\s=]|</function>|</{_NAMESPACE}invoke>))"
)
_KEY = re.compile(r"\s*<arg_key>\s*([^<\s]+)\s*</arg_key>\s*<arg_value>")
_VALUE_END = re.compile(rf"</arg_value>(?=\s*(?:<arg_key>|</(?:{_TAGS})>))")
_SPECIAL = re.compile(
    r"<｜tool▁calls▁begin｜>|<\|tool_calls_section_begin\|>|(?=<｜tool▁call▁begin｜>|<\|tool_call_begin\|>)"
)
_SPECIAL_CALL = re.compile(
    r"\s*(?:<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?|<\|tool_call_begin\|>)\s*([\w.:-]+)\s*"
    r"(?:<｜tool▁sep｜>|<\|tool_call_argument_begin\|>)?\s*(?:```(?:json)?\s*)?(?={)"
)
_SPECIAL_CALL_END = re.compile(r"\s*(?:```)?\s*(?:<｜tool▁call▁end｜>|<\|tool_call_end\|>)")
_SPECIAL_END = re.compile(r"\s*(?:<｜tool▁calls▁end｜>|<\|tool_calls_section_end\|>)")
_HARMONY = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>(?:commentary|analysis)\s+to=")

SYNTAXES: tuple[tuple["re.Pattern[str]", Callable[[str, int], tuple[list[Written], int]]], ...] = (
    (re.compile(rf"<(?:{_TAGS})>|<\|tool_call\|>"), _tagged),
    (_FUNCTION, _functions),
    (_WRAP, _wrapped),
    (_INVOKE, _invokes),
    (re.compile(r"\[TOOL_CALLS\]"), _mistral),
    (re.compile(r"<\|python_tag\|>"), _python_tag),
    (_SPECIAL, _special),
    (_HARMONY, _harmony),
    (re.compile(r"```(?:(?:json|tool_calls?|tool|tool_use)[ \t]*\r?\n(?=\s*[{\[])|\n(?=[{\[]))"), _fenced),
)
START = re.compile("|".join(f"(?:{opening.pattern})" for opening, _ in SYNTAXES))
