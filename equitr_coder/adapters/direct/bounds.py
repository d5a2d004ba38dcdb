"""How far one answer may go: a stream that never ends must not hold an agent, the memory or the budget for ever.

Knows the shapes of chunks just enough to tell output from what only keeps a connection open.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from equitr_coder.adapters.models.errors import bad_response, timed_out
from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.errors import ModelError

_SILENCES = 5
"""How many times the longest silence keep-alives may fill: a busy provider sends them until it has room."""
_CHUNKS_PER_TOKEN, _MORE_CHUNKS = 2, 32_768
_BYTES_PER_TOKEN, _MORE_BYTES = 1024, 16 * 1024 * 1024
"""Generous: a chunk carries a token or more, but some providers do not count reasoning as output."""
_DRAIN = 0.25
_LABELS = frozenset(["role", "type", "index"])


class Bounds:
    """Watches one answer. Both methods raise ModelError (TIMEOUT, BAD_RESPONSE) once it has gone too far."""

    def __init__(
        self, route: Route, *, timeout: float, max_tokens: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._route = route
        self.silence = timeout * _SILENCES
        """Seconds without output after which nothing more is expected."""
        self._max_tokens = max_tokens
        self._chunks_left = _CHUNKS_PER_TOKEN * max_tokens + _MORE_CHUNKS
        self._bytes_left = _BYTES_PER_TOKEN * max_tokens + _MORE_BYTES
        self._clock = clock
        self._said_at = clock()

    async def pieces(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """`body`, for as long as it stays within bounds."""
        async for piece in body:
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                raise self._endless()
            if self._clock() - self._said_at > self.silence:
                raise self.only_kept_alive()
            yield piece

    def note(self, chunk: Mapping[str, Any]) -> None:
        if _says_something(chunk):
            self._said_at = self._clock()
            self._chunks_left -= 1
            if self._chunks_left < 0:
                raise self._endless()

    def only_kept_alive(self) -> ModelError:
        return timed_out(self.silence, self._route, what="nothing but keep-alives")

    def _endless(self) -> ModelError:
        hint = f"Choose another model than `{self._route.model}`, or check that its server keeps max_tokens."
        reason = f"the answer went on far beyond max_tokens={self._max_tokens} and was stopped"
        return bad_response(reason, self._route, hint=hint, retryable=False)


async def drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end, which follows at once, so that the connection can be used again; but never wait for it."""
    try:
        async with asyncio.timeout(_DRAIN):
            async for _ in pieces:
                pass
    except (TimeoutError, ModelError):
        return


def _says_something(chunk: Mapping[str, Any]) -> bool:
    """Whether it carries output, in OpenAI's shape or in Anthropic's; a ping or an empty delta does not."""
    choices = chunk.get("choices")
    parts = [chunk, *(choices if isinstance(choices, list) else ())]
    said = (part.get(name) for part in parts if isinstance(part, Mapping) for name in ("delta", "message"))
    return any(value for one in said if isinstance(one, Mapping) for key, value in one.items() if key not in _LABELS)
