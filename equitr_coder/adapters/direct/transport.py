"""HTTP connections for the direct adapter: one client per event loop and kind of endpoint.

httpx is imported here, on first use, without what it drags in for others.
"""

import asyncio
import importlib
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from equitr_coder.adapters.models.errors import bad_response, timed_out, unreachable
from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.errors import EquitrError, ModelError, UserError

if TYPE_CHECKING:
    from types import ModuleType

    import httpx

CONNECT_TIMEOUT = 10.0
KEEP_ALIVE = 30.0
_MAX_ERROR = 64 * 1024
_ERROR_SECONDS = 10.0

# Optional to httpx and httpcore and unused here: the command line (rich, pygments) and HTTP/2. Without them the import
# costs less than half.
_UNUSED = ("httpx._main", "h2")


class Connections:
    """Hands out the httpx client for a route. Connections are kept alive between calls."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, httpx.AsyncClient]]
        self._clients = WeakKeyDictionary()

    def client(self, route: Route) -> "httpx.AsyncClient":
        of_loop = self._clients.setdefault(asyncio.get_running_loop(), {})
        kind = "loopback" if route.is_loopback and (route.base or "").startswith("http://") else "remote"
        if kind not in of_loop:
            of_loop[kind] = self._open(is_plain_loopback=kind == "loopback")
        return of_loop[kind]

    async def close(self) -> None:
        """Close what this event loop opened; those of loops that are gone went with them."""
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.aclose()

    def _open(self, *, is_plain_loopback: bool) -> "httpx.AsyncClient":
        import_httpx()
        import httpx

        try:
            return httpx.AsyncClient(
                timeout=httpx.Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout), pool=None),
                limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE),
                # No proxy stands between this machine and itself, and without TLS no certificates need to be read.
                trust_env=not is_plain_loopback,
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain_loopback else True,
                follow_redirects=False,
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            hint = "Set it to an http:// or https:// URL, or name the endpoint in NO_PROXY."
            raise UserError(f"the proxy in the environment cannot be used: {error}", hint=hint) from error


@contextmanager
def transport_errors(route: Route, *, timeout: float, is_finished: Callable[[], bool]) -> Iterator[None]:
    """What httpx raises, as ours. An answer that was complete when the connection broke is kept."""
    httpx = import_httpx()
    try:
        yield
    except (httpx.TransportError, httpx.DecodingError) as error:
        if not is_finished():
            raise transport_error(error, route, timeout=timeout) from error


async def read_error_body(response: "httpx.Response") -> bytes:
    """As much as came: the status is the answer, the text only explains it."""
    httpx, body = import_httpx(), b""
    try:
        async with asyncio.timeout(_ERROR_SECONDS):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MAX_ERROR:
                    break
    except (httpx.TransportError, httpx.DecodingError, TimeoutError):
        return body
    return body


def transport_error(error: Exception, route: Route, *, timeout: float) -> ModelError:
    """Ours for what httpx raises when a connection fails. Only before a connection stands is nothing sent."""
    import httpx

    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return unreachable(_reason(error), route)
    if isinstance(error, httpx.TimeoutException):
        return timed_out(timeout, route)
    return bad_response(f"the answer broke off ({_reason(error)})", route)


def _reason(error: Exception) -> str:
    """The operating system's words where there are any: httpx only says that all attempts failed."""
    words, cause = str(error) or type(error).__name__, error.__cause__ or error.__context__
    while cause is not None and not isinstance(cause, EquitrError):
        if isinstance(cause, socket.gaierror | ssl.SSLError):
            return cause.strerror or str(cause)
        if isinstance(cause, OSError) and cause.errno:
            words = os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return words


def warm_up() -> None:
    """Import what the first call needs, ahead of it: in a thread while the event loop waits for other programs."""
    import_httpx()
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the first one initialises the library
    # httpcore asks for these only when its first connection opens. Should they move, the first call loads them itself.
    for name in ("httpcore._backends.anyio", "anyio._backends._asyncio"):
        with suppress(ImportError):
            importlib.import_module(name)


def import_httpx() -> "ModuleType":
    if "httpx" in sys.modules:
        import httpx
    else:
        with _held_back(_UNUSED):
            import httpcore  # noqa: F401 - httpx itself imports it only later
            import httpx
    return httpx


@contextmanager
def _held_back(names: tuple[str, ...]) -> Iterator[None]:
    """While open, importing these raises ImportError, unless they are loaded already."""
    held = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(held))  # type: ignore[arg-type] # None is how Python spells it
    try:
        yield
    finally:
        for name in held:
            sys.modules.pop(name, None)
