"""Just enough HTTP/1.1 for the scripted server: read one request, write one response, notice when the client goes.

Takes bodies by length or in chunks, keeps connections open; nothing else of HTTP.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from equitr_coder.domain.frozen import frozen

_LARGEST_HEAD = 65_536
_LARGEST_BODY = 64 * 1024 * 1024


class UnreadableError(Exception):
    """The bytes are not a request that we read; the connection is of no more use."""


@frozen
class HttpRequest:
    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    @property
    def key(self) -> str | None:
        """What stands after `Bearer`, or None."""
        kind, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() or None if kind.lower() == "bearer" else None


class Connection:
    """One client, many requests, one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unread = b""

    async def request(self) -> HttpRequest | None:
        """The next request; None when the client has gone."""
        while b"\r\n\r\n" not in self._unread:
            if len(self._unread) > _LARGEST_HEAD:
                raise UnreadableError("the head is too long")
            if not await self._fill():
                return None
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3:
            raise UnreadableError(f"not a request line: {first[:80]!r}")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await self._chunked_body()
        else:
            length = headers.get("content-length", "0")
            if not length.isdigit() or int(length) > _LARGEST_BODY:
                raise UnreadableError(f"not a usable content-length: {length[:40]}")
            body = await self._take(int(length))
        return HttpRequest(parts[0], parts[1].partition("?")[0], headers, body)

    async def send_json(
        self, status: int, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> None:
        await self.send(status, json.dumps(body).encode(), kind="application/json", headers=headers)

    async def send(
        self,
        status: int,
        body: bytes,
        *,
        kind: str,
        headers: Mapping[str, str] | None = None,
        cut_to: int | None = None,
    ) -> None:
        """Answer with a length. `cut_to` sends only so many bytes of the body that was announced."""
        self._head(status, {"content-type": kind, "content-length": str(len(body)), **(headers or {})})
        self._writer.write(body[:cut_to])
        await self._writer.drain()

    async def start_stream(self, *, headers: Mapping[str, str] | None = None) -> None:
        stream = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        self._head(200, stream | dict(headers or {}))
        await self._writer.drain()

    async def send_chunk(self, data: bytes) -> None:
        """One chunk of a stream; the empty one ends it."""
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    def drop(self) -> None:
        """Close without a farewell."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close when everything written has been sent."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return  # the client was faster

    @asynccontextmanager
    async def while_present(self) -> AsyncIterator[None]:
        """Cancels the current task when the client closes the connection meanwhile."""
        present = asyncio.current_task()
        assert present is not None

        async def watch() -> None:
            while await self._fill():
                pass
            present.cancel()

        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(watch())
            try:
                yield
            finally:
                watcher.cancel()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{k}: {v}" for k, v in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def _fill(self) -> bool:
        """Read what has come; False at the end."""
        try:
            data = await self._reader.read(_LARGEST_HEAD)
        except ConnectionError:
            return False
        self._unread += data
        return bool(data)

    async def _take(self, length: int) -> bytes:
        while len(self._unread) < length:
            if not await self._fill():
                raise UnreadableError("the body is shorter than announced")
        data, self._unread = self._unread[:length], self._unread[length:]
        return data

    async def _line(self) -> bytes:
        while b"\r\n" not in self._unread:
            if not await self._fill():
                raise UnreadableError("the body ends inside a chunk")
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line

    async def _chunked_body(self) -> bytes:
        body = b""
        while True:
            size = int(await self._line(), 16)
            data = await self._take(size + 2)
            if not size:
                return body
            body += data[:-2]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # providers have their own, such as 529
        return "Unassigned"
