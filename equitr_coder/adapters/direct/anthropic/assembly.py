"""Events of one Anthropic message, or the whole of it, to deltas and the reply. No I/O, no errors of the transport."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from equitr_coder.adapters.direct.messages import read_object
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

_STOPS = {
    "max_tokens": StopCause.LENGTH,
    "model_context_window_exceeded": StopCause.LENGTH,
    "pause_turn": StopCause.LENGTH,  # broken off by the server to be continued
    "refusal": StopCause.FILTERED,
}
_PIECES = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
_SPOKEN: Mapping[str, tuple[type[Delta], str]] = {
    "text": (TextDelta, "text"),
    "thinking": (ReasoningDelta, "thinking"),
}


@dataclass
class _Block:
    """One content block. `start` is it as it was opened; what followed is in `pieces`."""

    start: dict[str, Any]
    pieces: list[str] = field(default_factory=list)
    signature: str = ""

    @property
    def kind(self) -> str:
        return str(self.start.get("type"))

    @property
    def text(self) -> str:
        key = _SPOKEN[self.kind][1] if self.kind in _SPOKEN else ""
        return str(self.start.get(key) or "") + "".join(self.pieces)

    @property
    def arguments(self) -> str:
        if self.pieces:
            return "".join(self.pieces)
        return json.dumps(self.start.get("input") or {}, ensure_ascii=False)

    def as_sent(self) -> dict[str, Any]:
        """The block as the provider would have written it whole. Arguments that are no object make `input` None."""
        match self.kind:
            case "text":
                return {"type": "text", "text": self.text}
            case "thinking":
                signature = self.signature or self.start.get("signature", "")
                return {"type": "thinking", "thinking": self.text, "signature": signature}
            case "tool_use":
                name, call_id = self.start.get("name"), self.start.get("id")
                return {"type": "tool_use", "id": call_id, "name": name, "input": read_object(self.arguments)}
            case _:
                return self.start


class MessageAssembly:
    """Collects one answer. `taken` are call ids used earlier in the conversation; ids given out never repeat them."""

    def __init__(self, *, taken: Collection[str] = ()) -> None:
        self._taken = set(taken)
        self._blocks: dict[int, _Block] = {}
        self._usage: dict[str, Any] = {}
        self._reported_output = False
        self._model = ""
        self._id = ""
        self._stop_reason: str | None = None

    @property
    def is_finished(self) -> bool:
        """The model said why it stopped."""
        return self._stop_reason is not None

    @property
    def has_content(self) -> bool:
        return bool(self._blocks)

    def add(self, event: Mapping[str, Any]) -> Iterator[Delta]:
        """Take one event; a whole message counts as all of them. Unknown kinds are passed over."""
        match event.get("type"):
            case "message_start":
                self._begin(_mapping(event.get("message")))
            case "content_block_start":
                yield from self._open(_index(event), _mapping(event.get("content_block")))
            case "content_block_delta":
                yield from self._extend(_index(event), _mapping(event.get("delta")))
            case "message_delta":
                self._take_usage(_mapping(event.get("usage")), is_final=True)
                self._end(_mapping(event.get("delta")).get("stop_reason"))
            case "message":
                self._begin(event)
                content = event.get("content")
                for index, block in enumerate(content if isinstance(content, list) else ()):
                    yield from self._open(index, _mapping(block))
                self._take_usage(_mapping(event.get("usage")), is_final=True)
                self._end(event.get("stop_reason"))

    def reply(self, body: Mapping[str, Any], *, request_id: str | None = None) -> Reply:
        """The finished answer; `body` is what was sent, for an estimate where usage is missing."""
        text = "".join(block.text for block in self._ordered() if block.kind == "text")
        message = AssistantMessage(text=text, calls=self._calls())
        return Reply(
            message=message,
            usage=self._final_usage(body, message),
            stop=_STOPS.get(self._stop_reason or "", StopCause.TOOL_CALLS if message.calls else StopCause.END),
            model=self._model,
            request_id=request_id or self._id or None,
        )

    def content(self) -> list[dict[str, Any]]:
        """The blocks as they came, in their order."""
        return [block.as_sent() for block in self._ordered()]

    def _begin(self, message: Mapping[str, Any]) -> None:
        self._model = str(message.get("model") or "")
        self._id = str(message.get("id") or "")
        self._take_usage(_mapping(message.get("usage")), is_final=False)

    def _end(self, reason: object) -> None:
        if isinstance(reason, str) and reason:
            self._stop_reason = reason

    def _take_usage(self, report: Mapping[str, Any], *, is_final: bool) -> None:
        """Figures are cumulative, so they only grow: a later 0 is what servers send that have no figure any more, and
        null says nothing.
        """
        for key, value in report.items():
            known = self._usage.get(key)
            is_less = isinstance(value, int) and isinstance(known, int) and value < known
            if value is not None and not is_less:
                self._usage[key] = value
        self._reported_output = self._reported_output or (is_final and report.get("output_tokens") is not None)

    def _open(self, index: int, block: Mapping[str, Any]) -> Iterator[Delta]:
        self._blocks[index] = opened = _Block(dict(block))
        if opened.kind in _SPOKEN and opened.text:
            yield _SPOKEN[opened.kind][0](text=opened.text)

    def _extend(self, index: int, delta: Mapping[str, Any]) -> Iterator[Delta]:
        kind = str(delta.get("type"))
        block = self._blocks.get(index)
        if block is None:  # a server that leaves the start out
            block = self._blocks[index] = _Block({"type": kind.removesuffix("_delta")})
        if kind == "signature_delta":
            block.signature += str(delta.get("signature") or "")
        piece = delta.get(_PIECES.get(kind, ""))
        if not isinstance(piece, str) or not piece:
            return
        block.pieces.append(piece)
        if block.kind in _SPOKEN:
            yield _SPOKEN[block.kind][0](text=piece)

    def _ordered(self) -> list[_Block]:
        return [self._blocks[index] for index in sorted(self._blocks)]

    def _calls(self) -> tuple[ToolCall, ...]:
        """In their order, with ids made unique."""
        used, calls = set(self._taken), []
        for block in self._ordered():
            if block.kind != "tool_use":
                continue
            call_id, number = str(block.start.get("id") or ""), len(used)
            while not call_id or call_id in used:
                call_id, number = f"call{number:05d}", number + 1
            used.add(call_id)
            name = str(block.start.get("name") or "")
            calls.append(ToolCall(id=CallId(call_id), name=name, arguments=block.arguments))
        return tuple(calls)

    def _final_usage(self, body: Mapping[str, Any], message: AssistantMessage) -> Usage:
        usage = read_usage(self._usage)
        if usage is not None and usage.total_input and self._reported_output:
            return usage
        thoughts = "".join(block.text for block in self._ordered() if block.kind == "thinking")
        estimate = estimate_usage(body, message, thoughts)
        if usage is None:
            return estimate
        return usage.model_copy(
            update={
                "input": usage.input if usage.total_input else estimate.input,
                "output": usage.output if self._reported_output else max(usage.output, estimate.output),
                "reasoning": usage.reasoning if self._reported_output else estimate.reasoning,
                "estimated": True,
            }
        )


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
