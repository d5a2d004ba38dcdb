"""What a provider wants back with its own tool calls and our messages have no place for: signed thoughts.

Kept in memory only. A call that is not remembered (after a resume, after a fallback) is sent without.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from equitr_coder.domain.models import ToolCall

_MOST = 4096
_UNSIGNED = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}
"""Google's own word for calls that its model did not make, or whose signature is lost."""

Kept = TypeVar("Kept")


class Recollection(Generic[Kept]):
    """The newest few thousand things, by model and call id; another model must not see them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def put(self, model: str, call_id: str, kept: Kept) -> None:
        self._kept[model, call_id] = kept
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def get(self, model: str, call_id: str) -> Kept | None:
        return self._kept.get((model, call_id))

    def drop(self, model: str, call_ids: Iterable[str]) -> bool:
        """Forget; False when there was nothing."""
        dropped = [self._kept.pop((model, call_id), None) for call_id in call_ids]
        return any(kept is not None for kept in dropped)


class Signatures:
    """`extra_content` of tool calls, by which Gemini recognises its own thoughts; newer ones refuse calls without."""

    def __init__(self) -> None:
        self._kept: Recollection[Mapping[str, Any]] = Recollection()

    def note(self, model: str, chunk: Mapping[str, Any]) -> None:
        for choice in _list(chunk.get("choices")):
            part = choice.get("delta") or choice.get("message")
            for call in _list(part.get("tool_calls") if isinstance(part, Mapping) else None):
                if isinstance(call.get("id"), str) and call.get("extra_content"):
                    self._kept.put(model, call["id"], {"extra_content": call["extra_content"]})

    def more(self, model: str, call: ToolCall, is_first: bool) -> Mapping[str, Any]:
        """Of parallel calls only the first is signed."""
        is_old = model.startswith(("gemini-1", "gemini-2"))
        return self._kept.get(model, call.id) or ({} if is_old or not is_first else _UNSIGNED)


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
