"""The scripted model as a real HTTP server that speaks OpenAI chat completions; the only fake in end-to-end tests.

`python -m equitr_coder.testing.server --script FILE --port 0 --log FILE` prints its URL on the first line.
"""

import argparse
import asyncio
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from equitr_coder.domain.errors import UserError
from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.chunks import completion, stream_events
from equitr_coder.testing.http import Connection, HttpRequest, UnreadableError
from equitr_coder.testing.rates import write_headers
from equitr_coder.testing.script import RawAnswer, Rule, Script, ScriptedReply, as_script, load_script
from equitr_coder.testing.wire import WireRequest

_CHAT = ("/v1/chat/completions", "/chat/completions")
_MODELS = ("/v1/models", "/models")


class ScriptedServer:
    """Serves on the loopback while the context is open. Port 0 takes a free one; `log` gets a JSON line per request."""

    def __init__(
        self,
        script: Script | Sequence[Rule] | Sequence[ScriptedReply],
        *,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.backend = Backend(as_script(script), on_end=self._write_log)
        self.connections = 0
        """How many were opened."""
        self._port = port
        self._log = log
        self._server: asyncio.Server | None = None
        self._handlers: dict[asyncio.Task[Any], Connection] = {}

    @property
    def url(self) -> str:
        """Base URL, ending in `/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> Sequence[Recorded]:
        return self.backend.requests

    @property
    def peak(self) -> Counter[str]:
        return self.backend.peak

    async def reached(self, count: int) -> None:
        """Wait until `count` chat requests have come."""
        await self.backend.reached(count)

    async def closed(self, count: int) -> None:
        """Wait until `count` chat requests have been answered, or abandoned by their clients."""
        await self.backend.closed(count)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        handlers = dict(self._handlers)
        for handler, connection in handlers.items():
            handler.cancel()
            connection.drop()
        await asyncio.gather(*handlers, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers[handler] = connection
        self.connections += 1
        try:
            await self._serve_all(connection)
        except (UnreadableError, ConnectionError):
            connection.drop()
        except asyncio.CancelledError:
            # The client has gone or the server is closing; asyncio would report the handler as failed.
            connection.drop()
        finally:
            del self._handlers[handler]

    async def _serve_all(self, connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            if not await self._respond(connection, request):
                break
            if not request.keeps_alive:
                break
        await connection.close()

    async def _respond(self, connection: Connection, request: HttpRequest) -> bool:
        """Answer one request; False when the connection is of no more use."""
        if request.path not in _CHAT + _MODELS:
            await connection.send_json(404, _error(404, f"no such path: {request.path}", None))
            return True
        if request.method != ("POST" if request.path in _CHAT else "GET"):
            await connection.send_json(405, _error(405, f"{request.method} is not allowed here", None))
            return True
        if request.path in _MODELS:
            await self._send_models(connection, request)
            return True
        is_done = False
        with self.backend.opened(_json(request.body), has_key=request.key is not None, key=request.key) as record:
            async with connection.while_present():
                with suppress(ConnectionError):  # seen when writing before the watch sees it
                    is_done = await self._chat(connection, request, record)
        return is_done

    async def _send_models(self, connection: Connection, request: HttpRequest) -> None:
        try:
            self.backend.check_key(request.key)
        except WireError as error:
            await connection.send_json(error.status, _error(error.status, str(error), error.code))
            return
        rows = [
            {"id": model.id, "object": "model", "created": 1_700_000_000, "owned_by": "scripted"}
            | ({} if model.context_window is None else {"context_length": model.context_window})
            | {"supported_parameters": ["tools"] if model.tools else []}
            for model in self.backend.models()
        ]
        await connection.send_json(200, {"object": "list", "data": rows})

    async def _chat(self, connection: Connection, request: HttpRequest, record: Recorded) -> bool:
        try:
            answer = await self.backend.answer(record, key=request.key)
        except WireError as error:
            headers = dict(write_headers(error.limits))
            if error.retry_after is not None:
                headers["retry-after"] = f"{error.retry_after:g}"
            await connection.send_json(error.status, _error(error.status, str(error), error.code), headers=headers)
            return True
        if answer.reply.raw is not None:
            return await self._send_raw(connection, answer.reply.raw, record)
        wire = WireRequest(record.body)
        if wire.is_streamed:
            return await self._stream(connection, wire, answer, record)
        if answer.reply.hang:
            await asyncio.Event().wait()
        is_cut = answer.reply.cut_after is not None
        body = json.dumps(completion(answer, record)).encode()
        self.backend.close(record, "cut" if is_cut else "answered")
        cut_to = len(body) // 2 if is_cut else None
        stated = write_headers(answer.limits)
        await connection.send(200, body, kind="application/json", headers=stated, cut_to=cut_to)
        return not is_cut

    async def _send_raw(self, connection: Connection, raw: RawAnswer, record: Recorded) -> bool:
        await connection.start_stream(headers={"content-type": raw.kind})
        self.backend.close(record, "cut" if raw.drops else "answered")
        for piece in filter(None, raw.pieces):  # an empty chunk would end the body
            await connection.send_chunk(piece)
        if not raw.drops:
            await connection.send_chunk(b"")
        return not raw.drops

    async def _stream(self, connection: Connection, wire: WireRequest, answer: Answer, record: Recorded) -> bool:
        reply = answer.reply
        content, finish = stream_events(wire, answer, record)
        is_partial = reply.hang or reply.cut_after is not None
        if reply.hang and reply.cut_after is None:
            await asyncio.Event().wait()
        await connection.start_stream(headers=write_headers(answer.limits))
        await connection.send_chunk(b": keep-alive\n\n")
        for payload in content[: reply.cut_after] if is_partial else content:
            await connection.send_chunk(b"data: %s\n\n" % payload.encode())
            if reply.pace:
                await self.backend.sleep(reply.pace)
        if reply.hang:
            await asyncio.Event().wait()
        if is_partial:
            self.backend.close(record, "cut")
            return False
        self.backend.close(record, "answered")
        await connection.send_chunk(b"".join(b"data: %s\n\n" % payload.encode() for payload in finish))
        await connection.send_chunk(b"")
        return True

    def _write_log(self, record: Recorded) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record.as_log(), ensure_ascii=False) + "\n")


def _json(body: bytes) -> Any:
    """The body read, or None (which is then refused as malformed)."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def _error(status: int, message: str, code: str | None) -> dict[str, Any]:
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class ServerInThread:
    """A server whose event loop runs in another thread; every method may be called from this one."""

    def __init__(self, server: ScriptedServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.url = server.url

    @property
    def requests(self) -> Sequence[Recorded]:
        return tuple(self._server.requests)

    @property
    def peak(self) -> Counter[str]:
        return self._server.peak

    def reached(self, count: int, *, timeout: float = 60.0) -> None:
        """Wait until `count` chat requests have come. Raises TimeoutError."""
        asyncio.run_coroutine_threadsafe(self._server.reached(count), self._loop).result(timeout)

    def closed(self, count: int, *, timeout: float = 60.0) -> None:
        """Wait until `count` chat requests have been answered or abandoned. Raises TimeoutError."""
        asyncio.run_coroutine_threadsafe(self._server.closed(count), self._loop).result(timeout)

    def take_keys(self, keys: bool | tuple[str, ...]) -> None:
        """From now on these, in place of what the script says: a key that was revoked, or any at all."""
        self._server.backend.require_key = keys

    def stop(self, is_over: asyncio.Event) -> None:
        self._loop.call_soon_threadsafe(is_over.set)


@contextmanager
def serve_in_thread(
    script: Script | Sequence[Rule] | Sequence[ScriptedReply],
    *,
    port: int = 0,
    log: Path | None = None,
    make: Callable[[Script | Sequence[Rule] | Sequence[ScriptedReply]], ScriptedServer] | None = None,
) -> Iterator[ServerInThread]:
    """A scripted server for tests that are not asynchronous; `make` builds one of another kind."""
    started: list[ServerInThread] = []
    failures: list[OSError] = []
    is_up, is_over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        try:
            async with make(script) if make is not None else ScriptedServer(script, port=port, log=log) as server:
                started.append(ServerInThread(server, asyncio.get_running_loop()))
                is_up.set()
                await is_over.wait()
        except OSError as error:
            failures.append(error)
        finally:
            is_up.set()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="scripted-server", daemon=True)
    thread.start()
    is_up.wait()
    if failures:
        raise failures[0]
    try:
        yield started[0]
    finally:
        started[0].stop(is_over)
        thread.join()


async def _serve_until_signal(script: Script, *, port: int, log: Path | None) -> None:
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, is_over.set)
    async with ScriptedServer(script, port=port, log=log) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await is_over.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="equitr_coder.testing.server", description="Serve a scripted model.")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args(arguments)
    try:
        script = load_script(options.script)
    except UserError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return error.exit_code
    asyncio.run(_serve_until_signal(script, port=options.port, log=options.log))
    return 0


if __name__ == "__main__":
    sys.exit(main())
