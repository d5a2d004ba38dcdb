"""Walking through the history with Up and Down. What was written on the way is still there on the way back."""

from collections.abc import Callable

from equitr_coder.tui.prompt.draft import Draft
from equitr_coder.tui.prompt.history import History


class Recall:
    def __init__(self, history: History, from_outside: Callable[[str], Draft]) -> None:
        """`from_outside` makes a draft of a text that was not written here."""
        self._history, self._from_outside = history, from_outside
        self._at: int | None = None
        self._left: dict[int | None, Draft] = {}

    @property
    def is_walking(self) -> bool:
        return self._at is not None

    def older(self, draft: Draft) -> Draft | None:
        """The request before the one that is shown; None when there is none."""
        at = len(self._history.requests) if self._at is None else self._at
        return self._go(draft, at - 1) if at > 0 else None

    def newer(self, draft: Draft) -> Draft | None:
        """The request after it, and after the last one what was being written; None when that is shown."""
        if self._at is None:
            return None
        return self._go(draft, self._at + 1 if self._at + 1 < len(self._history.requests) else None)

    def jump(self, draft: Draft, to: int) -> Draft | None:
        """The request of this number."""
        return self._go(draft, to)

    def stop(self) -> None:
        self._at, self._left = None, {}

    def _go(self, draft: Draft, to: int | None) -> Draft | None:
        self._left[self._at] = draft
        self._at = to
        if to in self._left:
            return self._left[to]
        return self._from_outside(self._history.requests[to] if to is not None else "")
