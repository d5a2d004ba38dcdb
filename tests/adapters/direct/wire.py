"""A server that answers with exactly the bytes a test gives, and the pieces such answers are made of."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Pieces = Sequence[bytes]
"""What is written one after the other."""
DONE = "data: [DONE]\n\n"
STAYS_OPEN = b"__stays_open__"
"""As the last piece: nothing more comes, but the connection is not closed."""


@dataclass
class RawServer:
    """Each request takes the next answer; the last one serves all that follow."""

    answers: list[Pieces]
    base: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Path, headers and JSON body of each."""
    connections: int = 0
    handlers: set[asyncio.Task[None]] = field(default_factory=set)
    """One for each open connection."""
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def paths(self) -> list[str]:
        return [request["path"] for request in self.requests]

    async def reached(self) -> None:
        """Wait for the first request."""
        await asyncio.wait_for(self._came.wait(), 5)

    async def client_gone(self) -> None:
        """Wait until a client has closed a connection whose answer was not finished."""
        await asyncio.wait_for(self._gone.wait(), 5)

    async def all_gone(self) -> None:
        """Wait until no connection is open."""
        await asyncio.wait_for(asyncio.gather(*self.handlers), 5)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        handler = asyncio.current_task()
        assert handler is not None
        self.handlers.add(handler)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # asyncio reports a cancelled handler as an error nobody handled
        finally:
            self.handlers.discard(handler)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append({"path": first.split(" ")[1], "headers": headers, "body": json.loads(body or b"null")})
        self._came.set()
        pieces = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for piece in pieces:
            if piece == STAYS_OPEN:
                await reader.read(1)
                self._gone.set()
                return False
            writer.write(piece)
            await writer.drain()
        if b"connection: close" in pieces[0]:
            return False
        return pieces[-1].endswith(b"0\r\n\r\n") or b"content-length" in pieces[0]


@asynccontextmanager
async def raw_server(*answers: Pieces) -> AsyncIterator[RawServer]:
    raw = RawServer(list(answers))
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        for handler in raw.handlers:
            handler.cancel()
        await asyncio.gather(*raw.handlers)
        await server.wait_closed()


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(status: int, body: bytes | dict[str, Any], **headers: str) -> Pieces:
    """An answer with a length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [head(status, content_length=str(len(data)), **{"content_type": "application/json", **headers}) + data]


def error(status: int, message: str, **fields: str) -> Pieces:
    return whole(status, {"error": {"message": message, **fields}})


def streamed(*payloads: dict[str, Any] | str, end: bool = True) -> Pieces:
    """A chunked stream; a text is written as it is, an object as a `data:` line."""
    texts = [item if isinstance(item, str) else f"data: {json.dumps(item)}\n\n" for item in payloads]
    chunks = [b"%x\r\n%s\r\n" % (len(text.encode()), text.encode()) for text in texts]
    start = head(content_type="text/event-stream", transfer_encoding="chunked")
    return [start, *chunks, *([b"0\r\n\r\n"] if end else [])]


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}
HELLO = (delta(role="assistant", content=None), delta(content="hel"), delta(content="lo"), delta(finish="stop"), USAGE)
"""An ordinary answer, but for its `DONE`."""
