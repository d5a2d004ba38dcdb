"""Finds tool calls in an answer's text. Pure: decides nothing about them.

A call counts only at the end of the text: what stands in the middle of an answer is being talked about.
"""

import re

from equitr_coder.adapters.models.text_tools.loose_json import UnclearError
from equitr_coder.adapters.models.text_tools.marks import CLOSE, OPEN
from equitr_coder.adapters.models.text_tools.syntaxes import START, read_block
from equitr_coder.adapters.models.text_tools.written import ARGUMENTS, Written
from equitr_coder.domain.frozen import frozen

_MOST_STARTS = 40
"""Places tried, counted from the end, so that a text full of markers costs no more than a long one."""
_STOPS = re.compile(r"(?:\s|</s>|<\|(?:eom_id|eot_id|im_end|end|call|end_of_text)\|>|<｜end▁of▁sentence｜>)*")


_IN_CODE = re.compile(rf"```(?!(?:markdown|md|text|txt|html)\b)[\w-]*[ \t]*\n(?=\s*{OPEN})")
_QUOTE = re.compile(r"[ \t]*>")
_INDENTED = re.compile(r"(?: {4}|\t)[ \t]*\Z")
_BRACKETS = (("<think>", "</think>"), ("<!--", "-->"))
_TILDES = re.compile(r"^[ \t]*~~~", re.MULTILINE)


@frozen
class Found:
    """Calls in order, as they stand in the text, and the text without them."""

    calls: tuple[Written, ...]
    quoted: str
    rest: str


def find_calls(text: str) -> Found | None:
    """The calls at the end of the text; None when it does not end with calls that can be read."""
    starts = [match.start() for match in START.finditer(text)][-_MOST_STARTS:]
    bare = len(text) - len(text.lstrip())
    if text[bare : bare + 1] in ("{", "["):
        starts.insert(0, bare)
    for start in starts:
        calls, here = _run(text, start)
        if calls and _is_shown(text[:start]):
            continue
        if calls and here == len(text):
            return Found(calls, text[start:], text[:start].rstrip())
    return None


def find_own_calls(text: str) -> Found | None:
    """For who was asked to write `<tool_call>`: every block of it that begins a line outside code. One that cannot be
    read is a call with its text as arguments.
    """
    code = _IN_CODE.search(text)
    if code and text.rstrip().endswith("```"):  # the call was put into a code block
        text = text[: code.start()] + text[code.end() :].rstrip().removesuffix("```")
    calls: list[Written] = []
    rests: list[str] = []
    end = 0
    for match in re.finditer(rf"^[ \t]*{OPEN}", text, re.MULTILINE):
        start = match.end() - len(OPEN)
        if match.start() < end or text.count("```", end, match.start()) % 2 or _is_shown(text[end:start]):
            continue
        made, here = _run(text, start, or_raw=True)
        if made:
            calls += made
            rests.append(text[end : match.start()].strip())
            end = here
    rests.append(text[end:].strip())
    return Found(tuple(calls), text, "\n\n".join(filter(None, rests))) if calls else None


def _is_shown(before: str) -> bool:
    """Whether what follows is documentation or a thought: in a quote, an indented or tilde block, or a comment."""
    if any(before.rfind(opening) > before.rfind(closing) for opening, closing in _BRACKETS):
        return True
    if len(_TILDES.findall(before)) % 2:
        return True
    above, _, line = before.rpartition("\n")
    is_block = bool(above.strip()) and not above.rpartition("\n")[2].strip()
    return _QUOTE.match(line) is not None or (is_block and _INDENTED.match(line) is not None)


def _run(text: str, start: int, *, or_raw: bool = False) -> tuple[tuple[Written, ...], int]:
    """Blocks one after the other from `start`, and where they end."""
    calls: list[Written] = []
    here = end = start
    while here < len(text):
        try:
            made, here = read_block(text, here)
        except (UnclearError, RecursionError):
            if not (or_raw and text.startswith(OPEN, here)):
                break
            made, here = _raw(text, here + len(OPEN))
        if not made:
            break
        calls += made
        stop = _STOPS.match(text, here)
        here = end = stop.end() if stop else here
    return tuple(calls), end


def _raw(text: str, start: int) -> tuple[list[Written], int]:
    """A block that cannot be read: name and arguments as far as they can be told apart."""
    end = text.find(CLOSE, start)
    body = text[start : end if end >= 0 else len(text)].strip()
    name = re.search(r"[\"'](?:name|tool|function)[\"']\s*:\s*[\"']([^\"']+)[\"']", body)
    arguments = re.search(rf"[\"'](?:{'|'.join(ARGUMENTS)})[\"']\s*:\s*", body)
    said = body[arguments.end() :].strip() if arguments else body
    is_closed = end >= 0 and said.endswith("}")
    call = Written(name[1] if name else "unknown", said[:-1].strip() if arguments and is_closed else said)
    return [call], end + len(CLOSE) if end >= 0 else len(text)
