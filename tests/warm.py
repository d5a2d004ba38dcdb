"""The command without the price of its imports: forked from a process that has made them once.

Importing the product is half of what a short command costs, and the suite starts more than a thousand of them. From
`main()` on the child is what `python -m equitr_coder` would be: its own session, environment, folder, streams and end.
With EQUITR_TEST_START=cold every command is started anew (`make test-all`); tests of starting itself always do so.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

IS_COLD = os.environ.get("EQUITR_TEST_START", "warm") == "cold" or not hasattr(os, "pidfd_open")
_PARENT = Path(__file__).with_name("warm_parent.py")
_AT_START = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONWARNINGS")
"""What an interpreter reads when it starts: commands that differ in these have different parents."""


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    script: Path | None = None,
) -> "subprocess.Popen[str]":
    """As `Popen` of the command, in a session of its own, both outputs on pipes as text. `script` is run in its place,
    where a test needs the command and something more.
    """
    is_known = all(name in _AT_START or not name.startswith("PYTHON") for name in environ)
    made = subprocess.Popen if IS_COLD or not is_known else _Forked
    return made(
        [sys.executable, *(["-m", "equitr_coder"] if script is None else [str(script)]), *arguments],
        cwd=cwd,
        env=environ,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class _Parent:
    """One for each way an interpreter can start. It ends when this process does, by the end of its socket."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_PARENT), str(theirs.fileno())],
                env=dict(environ),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, order: Mapping[str, Any], fds: Sequence[int]) -> int:
        """Start one; the end of a pipe that tells its number, and how it ended."""
        told, tells = os.pipe()
        spec = os.memfd_create("order")
        try:
            os.write(spec, json.dumps(order).encode())
            socket.send_fds(self._socket, [b"1"], [spec, *fds, tells])
        finally:
            os.close(spec)
            os.close(tells)
        return told


_DIGITS = 8
_parents: dict[tuple[str | None, ...], _Parent] = {}
_first = threading.Lock()


def _parent(environ: Mapping[str, str]) -> _Parent:
    key = tuple(environ.get(name) for name in _AT_START)
    with _first:
        if key not in _parents:
            _parents[key] = _Parent({name: environ[name] for name in (*_AT_START, "PATH") if name in environ})
        return _parents[key]


class _Forked(subprocess.Popen[str]):
    """Its parent waits for it and tells how it ended; all else is `Popen`'s own."""

    def _execute_child(self, *given: Any) -> None:
        arguments, cwd, env = given[0], given[5], given[6]
        stdin, _, _, stdout, _, stderr = pipes = given[10:16]
        _, first, *rest = arguments
        script, rest = (None, rest[1:]) if first == "-m" else (first, rest)
        order = {"script": script, "arguments": rest, "cwd": str(cwd), "environ": dict(env)}
        with open(os.devnull) as nothing:  # noqa: PTH123
            self._told = _parent(env).fork(order, [stdin if stdin >= 0 else nothing.fileno(), stdout, stderr])
        self.pid = int(os.read(self._told, _DIGITS))
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        os.set_blocking(self._told, wait_flags == 0)
        try:
            status = os.read(self._told, _DIGITS)
        except BlockingIOError:
            return 0, 0
        os.close(self._told)
        return self.pid, int(status)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode
