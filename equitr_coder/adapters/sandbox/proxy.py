"""A small HTTP proxy for the commands of one sandbox: CONNECT and plain requests, to listed hosts and to nothing else.

Names are looked up here, and what is connected to is the address that was looked at. What a listed server itself makes
of a name inside the request is its own matter. RFC 9110, "CONNECT"; RFC 9112, "absolute-form".
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from equitr_coder.adapters.sandbox.hosts import Hosts, parse_address

_LONGEST_HEAD = 65_536
_HEAD_SECONDS = 30.0
_CONNECT_SECONDS = 20.0
_CHUNK = 65_536

Tell = Callable[[str], None]


class _RefusedError(Exception):
    """`status` and why, in words."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


async def serve_proxy(listener: socket.socket, hosts: Hosts, ready: Callable[[], None]) -> None:
    """Serve until cancelled; then every connection is cut. `ready` is called once it can be reached."""
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _serve(reader, writer, hosts)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
            pass  # the other side is gone, or we are: nobody waits for an answer
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, sock=listener, limit=_LONGEST_HEAD)
    ready()
    try:
        await server.serve_forever()
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hosts: Hosts) -> None:
    async with asyncio.timeout(_HEAD_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
    try:
        method, host, port, first = _understood(head)
        there, away = await _connect(host, port, hosts)
    except _RefusedError as refusal:
        body = f"{refusal}\n".encode()
        writer.write(
            f"HTTP/1.1 {refusal.status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return
    try:
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            away.write(first)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, away))
            tasks.create_task(_copy(there, writer))
    except* (OSError, ConnectionError):
        pass  # one side broke off; both are closed
    finally:
        away.close()


def _understood(head: bytes) -> tuple[str, str, int, bytes]:
    """Method, host, port, and the head as the server is to get it."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _RefusedError("400 Bad Request", "equitrcoder: this proxy understands HTTP/1.1 only.")
    method, target, version = words
    try:
        where = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = where.hostname or "", where.port or (443 if method == "CONNECT" else 80)
    except ValueError as error:
        raise _RefusedError("400 Bad Request", f"equitrcoder: {target} names no host.") from error
    if not host or (method != "CONNECT" and where.scheme != "http"):
        raise _RefusedError("400 Bad Request", f"equitrcoder: {target} names no host to go to by HTTP.")
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    kept = [
        line
        for line in lines[1:-2]
        if line.partition(":")[0].strip().lower() not in ("host", "connection", "keep-alive", "proxy-connection",
                                                          "proxy-authorization")
    ]  # fmt: skip
    fresh = [f"{method} {path} {version}", f"Host: {where.netloc.rpartition('@')[2]}", *kept, "Connection: close"]
    return method, host, port, ("\r\n".join(fresh) + "\r\n\r\n").encode("latin-1")


async def _connect(host: str, port: int, hosts: Hosts) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if not hosts.allows(host, port):
        raise _RefusedError("403 Not in sandbox.network", _not_listed(f"{host}:{port}"))
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise _RefusedError("502 Name not found", f"equitrcoder: no address of {host}: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for text in dict.fromkeys(addresses):
        address = parse_address(text)
        if address is None or not hosts.allows_address(host, address, port):
            continue
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await asyncio.open_connection(text, port)
    public = [text for text in addresses if (a := parse_address(text)) and hosts.allows_address(host, a, port)]
    if not public:
        raise _RefusedError(
            "403 Not in sandbox.network",
            f"equitrcoder: {host} leads to {', '.join(dict.fromkeys(addresses))}, which is no public address; "
            f"list that as well in sandbox.network if it is meant.",
        )
    raise _RefusedError("502 Not reached", f"equitrcoder: {host}:{port} does not answer.")


def _not_listed(where: str) -> str:
    return f"equitrcoder: {where} is not among the hosts that commands may reach; the key is sandbox.network."


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
