"""A socket that listens inside a sandbox's network and is served from outside: the only way out of it.

A socket belongs to the network in which it was made, whoever holds it. So a small program enters the sandbox's user
and network namespaces, makes the socket and hands it back; nothing of ours runs beside the command.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import field

from equitr_coder.adapters.sandbox.hosts import Hosts
from equitr_coder.adapters.sandbox.proxy import serve_proxy
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

PORT = 3128
_PROXY = f"http://127.0.0.1:{PORT}"
_VARIABLES = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _PROXY),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1"),
    "NODE_USE_ENV_PROXY": "1",
}
_SECONDS = 20.0
_ENTER = """
import ctypes, fcntl, os, socket, sys
channel, pid, port = socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)

def enter(fd):
    if libc.setns(fd, 0):
        sys.exit(os.strerror(ctypes.get_errno()))

network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
owner = fcntl.ioctl(network, 0xB701)  # NS_GET_USERNS
if os.fstat(owner).st_ino != os.stat("/proc/self/ns/user").st_ino:
    enter(owner)
enter(network)
# Any address: the one of the loopback device may not be there yet, and there is no other device.
listener = socket.create_server(("0.0.0.0", port))
socket.send_fds(channel, [b"x"], [listener.fileno()])
"""
"""Needs setns(2) from a process with one thread, which this one has not."""


@frozen
class Gate:
    """What a sandbox with a way out is started with. It waits until something is written to the first of `fds`."""

    options: tuple[str, ...] = ()
    fds: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def way_out(hosts: Hosts, first_process: Callable[[], Awaitable[int]]) -> AsyncIterator[Gate]:
    """While it stands, the sandbox that is started with it reaches `hosts`; none listed, it is no way at all.

    Raises:
        UserError: this machine does not let its user in.
    """
    if not hosts.entries:
        yield Gate()
        return
    held, release = os.pipe()

    async def serve() -> None:
        listener = await listener_inside(await first_process())
        await serve_proxy(listener, hosts, lambda: _write(release))

    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve())
            yield Gate(("--block-fd", str(held)), (held,), _VARIABLES)
            serving.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    finally:
        os.close(held)
        os.close(release)


def _write(fd: int) -> None:
    os.write(fd, b"x")


async def listener_inside(pid: int) -> socket.socket:
    """A socket that listens at PORT in the network of the process `pid`, which a sandbox of ours started.

    Raises:
        UserError: this machine does not let its user in.
    """
    return await asyncio.to_thread(_listener, pid)


def _listener(pid: int) -> socket.socket:
    try:
        return _handed_over(pid)
    except (OSError, subprocess.SubprocessError) as error:
        raise _no_way(str(error)) from error


def _handed_over(pid: int) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-E", "-c", _ENTER, str(theirs.fileno()), str(pid), str(PORT)],
            cwd="/",
            env={},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise _no_way(said[-1] if said else "no reason was given")
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=descriptors[0])


def _no_way(why: str) -> UserError:
    return UserError(
        f"The hosts of sandbox.network cannot be reached from the sandbox: {why}.",
        hint="Take the key out: commands then have no network at all.",
    )
