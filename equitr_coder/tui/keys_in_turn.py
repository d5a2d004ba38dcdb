"""Keys, one after the other: the next is looked at when the one before has had its whole effect, the focus included.

Textual hands a key to what has the focus at that moment, and runs a binding only after the key has come up through
every widget around it. What was typed right behind a key that opens something would go to what had the focus before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode

_LOOK_AGAIN = 0.01
_LOOKS = 200
"""After so many the focus is not going to move any more: nothing that is typed may be held for ever."""

Typed = events.Key | events.Paste


class KeysInTurn:
    def __init__(
        self, app: App[int], dispatch: Callable[[Typed], Awaitable[None]], is_settled: Callable[[], bool]
    ) -> None:
        """`dispatch` hands an event to what has the focus; `is_settled` says whether the focus is where it is to be."""
        self._app = app
        self._dispatch = dispatch
        self._is_settled = is_settled
        self._waiting: deque[Typed] = deque()
        self._is_busy = False
        self._looks = 0

    @property
    def is_idle(self) -> bool:
        """Every key has had its effect."""
        return not self._is_busy

    async def take(self, event: Typed) -> None:
        self._waiting.append(event)
        if not self._is_busy:
            await self._next()

    async def _next(self) -> None:
        self._is_busy = bool(self._waiting)
        if self._waiting:
            target = self._app.focused or self._app.screen
            await self._dispatch(self._waiting.popleft())
            self._looks = 0
            self._follow(target)

    def _follow(self, node: DOMNode | None) -> None:
        """Go the way of the event, behind it: each widget does what it was sent in turn, and then passes it on."""
        while node is not None and node is not self._app:
            parent = node.parent
            if node.call_later(self._follow, parent):
                return
            node = parent
        if self._app.is_running:
            # What it set off in the screen comes before the look.
            self._app.screen.call_later(self._app.call_later, self._look)

    def _look(self) -> None:
        self._looks += 1
        if self._looks < _LOOKS and not self._is_settled():
            self._app.set_timer(_LOOK_AGAIN, self._look)
        else:
            self._app.call_later(self._next)  # the focus moves in the app's own turn
