"""Numbers and ports that one worktree has to itself: each is a lock file that the kernel frees when its holder dies.

Processes with the same EQUITR_HOME never have the same one. Of others only what listens is seen; they begin at another
port, so that they seldom meet.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from equitr_coder.domain.errors import UserError

NUMBER = "EQUITR_WORKTREE"
_FIRST, _LAST = 20_000, 29_999
"""Below the ports that systems give out by themselves."""
_MOST = 10_000


class LocalLeases:
    """Implements `ports.Leases`."""

    def __init__(self, folder: Path, *, ports: Sequence[str]) -> None:
        """`ports` are the names of the variables that hold one port each."""
        self._folder = folder
        self._ports = tuple(ports)
        spread = int.from_bytes(sha256(os.fsencode(folder)).digest()[:4], "big")
        self._begin = spread % (_LAST + 1 - _FIRST)

    def take(self) -> "LocalLease":
        variables: dict[str, str] = {}
        held: list[int] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            number, lock = self._first_free("worktree", iter(range(1, _MOST)))
            held.append(lock)
            variables[NUMBER] = str(number)
            for name in self._ports:
                port, lock = self._first_free("port", self._open_ports())
                held.append(lock)
                variables[name] = str(port)
        except OSError as error:
            _close(held)
            raise UserError(
                f"cannot write under {self._folder}: {error.strerror}",
                hint="make it writable, or set EQUITR_HOME to a folder that is",
            ) from error
        except BaseException:
            _close(held)
            raise
        return LocalLease(variables, held)

    def _first_free(self, kind: str, numbers: Iterator[int]) -> tuple[int, int]:
        """The number, and the descriptor of its lock."""
        for number in numbers:
            lock = _lock(self._folder / f"{kind}-{number}.lock")
            if lock is not None:
                if kind != "port" or _is_free(number):
                    return number, lock
                os.close(lock)
        raise UserError(
            f"no {kind} is free for a worktree", hint="end what listens on the ports from 20000 to 29999, or use less"
        )

    def _open_ports(self) -> Iterator[int]:
        count = _LAST + 1 - _FIRST
        return (_FIRST + (self._begin + step) % count for step in range(count))


class LocalLease:
    """Implements `ports.Lease`."""

    def __init__(self, variables: Mapping[str, str], locks: list[int]) -> None:
        self.variables = variables
        self._locks = locks

    def release(self) -> None:
        _close(self._locks)


def _lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _close(locks: list[int]) -> None:
    while locks:
        os.close(locks.pop())


def _is_free(port: int) -> bool:
    """Nobody listens there, on no address of this machine."""
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - looked at, never served
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT and (family == socket.AF_INET or error.errno == errno.EADDRINUSE):
                return False
    return True
