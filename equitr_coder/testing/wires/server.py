"""A scripted server in one provider's form. Keeps what came as it came, keys included: never for logs."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from equitr_coder.domain.frozen import frozen
from equitr_coder.testing.backend import Answer, Recorded, WireError
from equitr_coder.testing.http import Connection, HttpRequest
from equitr_coder.testing.rates import write_headers
from equitr_coder.testing.script import Rule, Script, ScriptedReply
from equitr_coder.testing.server import ScriptedServer, serve_in_thread
from equitr_coder.testing.wires.wire_format import WireFormat

Scripted = Script | Sequence[Rule] | Sequence[ScriptedReply]


@frozen
class Received:
    """One request as the provider got it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    """Read as JSON; None when there is none."""


class ProviderServer(ScriptedServer):
    """`requests` are the chats as rules see them, `received` everything in the provider's own form.

    `headers` are sent with every answer of a model, as rate limits are.
    """

    def __init__(self, script: Scripted, wire: WireFormat, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(script)
        self.received: list[Received] = []
        self._wire = wire
        self._headers = headers or {}

    @property
    def root(self) -> str:
        return super().url.removesuffix("/v1")

    @property
    def url(self) -> str:
        """The provider's `api_base`."""
        return self.root + self._wire.base

    async def _respond(self, connection: Connection, request: HttpRequest) -> bool:
        with suppress(ValueError):
            body = json.loads(request.body) if request.body else None
            self.received.append(Received(request.method, request.path, request.headers, body))
        if self._wire.is_chat(request):
            return await self._converse(connection, request)
        try:
            page = self._wire.page(request, self.backend)
            if page is None:
                raise WireError(404, f"{request.method} {request.path} was not found")
        except WireError as error:
            page = self._wire.refusal(error, request)
        await connection.send(page[0], json.dumps(page[1]).encode(), kind="application/json")
        return True

    async def _converse(self, connection: Connection, request: HttpRequest) -> bool:
        is_done = False
        try:
            body = self._wire.read(request)
        except WireError as error:
            with self.backend.opened({}, has_key=self._wire.key(request) is not None) as record:
                record.status, record.error = error.status, str(error)
                self.backend.close(record, "error")
            await self._refuse(connection, request, error)
            return True
        with self.backend.opened(body, has_key=self._wire.key(request) is not None) as record:
            async with connection.while_present():
                with suppress(ConnectionError):  # seen when writing before the watch sees it
                    is_done = await self._say(connection, request, record)
        return is_done

    async def _say(self, connection: Connection, request: HttpRequest, record: Recorded) -> bool:
        try:
            answer = await self.backend.answer(record, key=self._wire.key(request))
        except WireError as error:
            await self._refuse(connection, request, error)
            return True
        reply = answer.reply
        if reply.hang and reply.cut_after is None:
            await asyncio.Event().wait()
        if record.body.get("stream"):
            return await self._pour(connection, request, answer, record)
        is_cut = reply.cut_after is not None
        body = json.dumps(self._wire.whole(request, answer, record)).encode()
        self.backend.close(record, "cut" if is_cut else "answered")
        cut_to = len(body) // 2 if is_cut else None
        await connection.send(200, body, kind="application/json", headers=self._all_headers(answer), cut_to=cut_to)
        return not is_cut

    def _all_headers(self, answer: Answer) -> Mapping[str, str]:
        return {**write_headers(answer.limits), **self._headers}

    async def _pour(self, connection: Connection, request: HttpRequest, answer: Answer, record: Recorded) -> bool:
        reply = answer.reply
        content, finish = self._wire.stream(request, answer, record)
        is_partial = reply.cut_after is not None
        await connection.start_stream(headers={"content-type": self._wire.stream_type, **self._all_headers(answer)})
        for piece in content[: reply.cut_after] if is_partial else content:
            await connection.send_chunk(piece)
            if reply.pace:
                await self.backend.sleep(reply.pace)
        if reply.hang:
            await asyncio.Event().wait()
        if is_partial:
            self.backend.close(record, "cut")
            return False
        self.backend.close(record, "answered")
        await connection.send_chunk(b"".join(finish))
        await connection.send_chunk(b"")
        return True

    async def _refuse(self, connection: Connection, request: HttpRequest, error: WireError) -> None:
        status, body = self._wire.refusal(error, request)
        wait = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
        await connection.send(status, json.dumps(body).encode(), kind="application/json", headers=wait)


@contextmanager
def serve_provider(
    script: Scripted, wire: WireFormat, *, headers: Mapping[str, str] | None = None
) -> Iterator[ProviderServer]:
    """For tests that are not asynchronous: the server runs in another thread, and is only looked at from this one."""
    made: list[ProviderServer] = []

    def make(_: Scripted) -> ScriptedServer:
        made.append(ProviderServer(script, wire, headers=headers))
        return made[-1]

    with serve_in_thread(script, make=make):
        yield made[0]
