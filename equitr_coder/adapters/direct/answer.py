"""The body of a good answer to its chunks: a stream of events, or one JSON text from servers that do not stream."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from equitr_coder.adapters.direct.bounds import drain
from equitr_coder.adapters.direct.sse import EventStream
from equitr_coder.adapters.models.errors import bad_response, web_page
from equitr_coder.adapters.models.providers import Route

_DONE = "[DONE]"
_BOM = b"\xef\xbb\xbf"


class Answer:
    """Reads one response. The first byte tells the form; content types are not to be relied on."""

    def __init__(self, pieces: AsyncIterator[bytes], route: Route) -> None:
        self._pieces = pieces
        self._route = route
        self.is_complete = False
        """The server said it was done: `[DONE]`, or a whole JSON text. A stream may also just end."""

    async def chunks(self) -> AsyncGenerator[Mapping[str, Any], None]:
        head: list[bytes] = []
        first = b""
        async for piece in self._pieces:
            head.append(piece)
            first = first or piece.removeprefix(_BOM).lstrip()[:1]
            if first not in (b"", b"{", b"[", b"<"):
                break
        else:
            self.is_complete = True
            yield self._whole(b"".join(head))
            return
        events = EventStream()
        for payload in events.feed(b"".join(head)):
            if self._ends(payload):
                break
            yield self._parse(payload)
        while not self.is_complete:
            received = await anext(self._pieces, None)
            for payload in events.close() if received is None else events.feed(received):
                if self._ends(payload):
                    break
                yield self._parse(payload)
            if received is None:
                return
        await drain(self._pieces)

    def _ends(self, payload: str) -> bool:
        self.is_complete = self.is_complete or payload.strip() == _DONE
        return self.is_complete

    def _parse(self, payload: str) -> Mapping[str, Any]:
        try:
            chunk = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise bad_response("a piece of the stream is no JSON; it broke off or is damaged", self._route) from error
        if not isinstance(chunk, dict):
            raise bad_response("a piece of the stream is no JSON object", self._route)
        return chunk

    def _whole(self, body: bytes) -> Mapping[str, Any]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            if body.removeprefix(_BOM).lstrip()[:1] in (b"", b"{"):
                raise bad_response("the answer broke off", self._route) from error
            raise web_page("OpenAI chat completions", self._route) from error
        if not isinstance(answer, dict) or not (answer.get("choices") or answer.get("error")):
            raise bad_response("the answer holds no choices", self._route)
        return answer
