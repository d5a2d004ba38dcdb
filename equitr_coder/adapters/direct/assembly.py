"""Chunks of one chat completion, streamed or whole, to deltas and the reply. No I/O, no errors of the transport."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from equitr_coder.adapters.direct.usage import estimate_usage, read_usage
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Delta,
    ReasoningDelta,
    Reply,
    StopCause,
    TextDelta,
    ToolCall,
)
from equitr_coder.domain.money import Usage

_LENGTH = {"length", "max_tokens", "max_output_tokens"}
_FILTERED = {"content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content"}


@dataclass
class _Call:
    index: int | None
    id: str = ""
    name: str = ""
    _pieces: list[str] = field(default_factory=list)

    def is_continued_by(self, index: int | None, call_id: str, name: str) -> bool:
        """Whether a piece belongs to this call.

        Most servers number calls and send id and name once. Some give every call index 0 and some no index at all;
        then another id, or a name after complete arguments, opens the next call.
        """
        if index is not None and self.index is not None and index != self.index:
            return False
        if call_id and self.id:
            return call_id == self.id and not (index is None and name and _is_object(self.arguments))
        return not (name and self.name and _is_object(self.arguments))

    def extend(self, call_id: str, name: str, arguments: object) -> None:
        self.id = self.id or call_id
        if name != self.name:
            self.name += name
        if isinstance(arguments, str):
            self._pieces.append(arguments)
        elif arguments is not None:
            self._pieces = [json.dumps(arguments, ensure_ascii=False)]

    @property
    def arguments(self) -> str:
        """Joined when asked for: a file of a megabyte comes in tens of thousands of pieces."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""


class ReplyAssembly:
    """Collects one answer. `taken` are call ids used earlier in the conversation; ids given out never repeat them."""

    def __init__(self, *, taken: Collection[str] = ()) -> None:
        self._taken = set(taken)
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._usage: Mapping[str, Any] | None = None
        self._model = ""
        self._id = ""
        self._finish: str | None = None

    @property
    def is_finished(self) -> bool:
        """The model said why it stopped."""
        return self._finish is not None

    @property
    def has_content(self) -> bool:
        return bool(self._text or self._calls or self._reasoning)

    @property
    def is_whole(self) -> bool:
        """Whether it may be the whole answer when the server never said why it stopped: a call that ends inside its
        arguments is not.
        """
        return self.has_content and all(not call.arguments or _is_object(call.arguments) for call in self._calls)

    def add(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        """Take one chunk, or a whole completion. Later usage replaces earlier: some servers count along."""
        self._model = self._model or _string(chunk.get("model"))
        self._id = self._id or _string(chunk.get("id"))
        usage = chunk.get("usage") or _mapping(chunk.get("x_groq")).get("usage")
        if isinstance(usage, Mapping):
            self._usage = usage
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, Mapping) and not choice.get("index"):
                yield from self._choose(choice)

    def reply(self, body: Mapping[str, Any], *, request_id: str | None = None) -> Reply:
        """The finished answer; `body` is what was sent, for an estimate where usage is missing."""
        message = AssistantMessage(text="".join(self._text), calls=self._finished_calls())
        return Reply(
            message=message,
            usage=self._final_usage(body, message),
            stop=self._stop(),
            model=self._model,
            request_id=request_id or self._id or None,
        )

    def _choose(self, choice: Mapping[str, Any]) -> Iterator[Delta]:
        part = _mapping(choice.get("delta")) or _mapping(choice.get("message"))
        for kind, text in _texts(part):
            if kind is ReasoningDelta:
                self._reasoning.append(text)
            else:
                self._text.append(text)
            yield kind(text=text)
        calls = part.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            self._extend_call(_mapping(call))
        if legacy := _mapping(part.get("function_call")):
            self._extend_call({"index": 0, "function": legacy})
        self._finish = _string(choice.get("finish_reason")) or self._finish

    def _extend_call(self, piece: Mapping[str, Any]) -> None:
        function = _mapping(piece.get("function"))
        if not piece.get("id") and not function:
            return  # null, or filled up to an index
        index = piece.get("index")
        number = index if isinstance(index, int) else None
        call_id, name = _string(piece.get("id")), _string(function.get("name"))
        call = next((c for c in reversed(self._calls) if number is None or c.index == number), None)
        if call is None or not call.is_continued_by(number, call_id, name):
            call = _Call(number)
            self._calls.append(call)
        call.extend(call_id, name, function.get("arguments"))

    def _finished_calls(self) -> tuple[ToolCall, ...]:
        """In the order they were opened, with ids made unique; nine letters and digits suit every provider."""
        used, finished = set(self._taken), []
        for call in self._calls:
            number = len(used)
            while not call.id or call.id in used:
                call.id, number = f"call{number:05d}", number + 1
            used.add(call.id)
            finished.append(ToolCall(id=CallId(call.id), name=call.name, arguments=call.arguments))
        return tuple(finished)

    def _final_usage(self, body: Mapping[str, Any], message: AssistantMessage) -> Usage:
        usage = read_usage(self._usage)
        if usage is not None and usage.total_input and (usage.output or not self.has_content):
            return usage
        estimate = estimate_usage(body, message, "".join(self._reasoning))
        if usage is None:
            return estimate
        return usage.model_copy(
            update={
                "input": usage.input if usage.total_input else estimate.input,
                "output": usage.output or estimate.output,
                "estimated": True,
            }
        )

    def _stop(self) -> StopCause:
        finish = (self._finish or "").lower()
        if finish in _LENGTH:
            return StopCause.LENGTH
        if finish in _FILTERED:
            return StopCause.FILTERED
        return StopCause.TOOL_CALLS if self._calls else StopCause.END


def _texts(part: Mapping[str, Any]) -> Iterator[tuple[type[Delta], str]]:
    """Reasoning before text: a chunk that carries both ends the one with the other."""
    yield from ((ReasoningDelta, text) for text in _plain(part.get("reasoning_content") or part.get("reasoning")))
    content = part.get("content")
    for block in content if isinstance(content, list) else ():
        if isinstance(block, Mapping) and block.get("type") == "thinking":
            yield from ((ReasoningDelta, text) for text in _plain(block.get("thinking")))
        else:
            yield from ((TextDelta, text) for text in _plain([block]))
    yield from ((TextDelta, text) for text in _plain(content if isinstance(content, str) else None))
    yield from ((TextDelta, text) for text in _plain(part.get("refusal")))


def _plain(value: object) -> Iterator[str]:
    """The texts of a string, or of a list of `{type: text, text: ...}` blocks."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list):
        for block in value:
            yield from _plain(block.get("text") if isinstance(block, Mapping) else block)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
