"""Landlock (landlock(7)) and seccomp for one thread, by bare system calls: whatever that thread starts is confined.

Restrictions belong to the thread that asks for them and pass on to its children, through `execve` as well. So a thread
made for the purpose takes them on and starts the command; no program stands between, and no Python code runs after a
fork. What is not granted is refused; nothing granted can be taken back for a part of it.
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from equitr_coder.domain.frozen import frozen

OLDEST = 3
"""Version of the kernel's Landlock (Linux 6.2): before, any file that could be named could be emptied."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every machine (include/uapi/asm-generic/unistd.h)."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_FILTER_MODE = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ALL_OF_VERSION_1 = (1 << 13) - 1
_MAKE_DEVICES = 1 << 6 | 1 << 11
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_FOLDER
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_TCP = 0b11
"""To bind and to connect; from version 4 on."""
_SCOPES = 0b11
"""Abstract sockets and signals stay within; from version 6 on."""

Access = Literal["read", "write"]


@frozen
class Grant:
    """A path and everything below it. `write` is all that may be done to files but to make devices; `read` is also to
    execute.
    """

    path: str
    access: Access


@lru_cache(maxsize=1)
def landlock_version() -> int:
    """Of the kernel's Landlock; 0 where there is none or it is not switched on."""
    try:
        return max(_call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG), 0)
    except (OSError, AttributeError):
        return 0


def restrict_thread(grants: Sequence[Grant], program: bytes, *, machine: str) -> None:
    """Confine the calling thread for good: files by `grants`, TCP and signals altogether, system calls by `program`.

    Raises:
        OSError: the kernel refused; the thread may be confined in part and must start nothing.
    """
    version = landlock_version()
    ruleset = _ruleset(version)
    try:
        for grant in grants:
            _add(ruleset, grant, version)
        _checked("prctl", _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    _call(_SECCOMP[machine], _FILTER_MODE, 0, ctypes.create_string_buffer(described, len(described)))


def _handled(version: int) -> int:
    rights = _ALL_OF_VERSION_1 | _REFER | _TRUNCATE
    return rights | _DEVICE_CONTROL if version >= 5 else rights


def _ruleset(version: int) -> int:
    fields = [_handled(version)]
    if version >= 4:
        fields.append(_TCP)
    if version >= 6:
        fields.append(_SCOPES)
    described = struct.pack(f"={len(fields)}Q", *fields)
    buffer = ctypes.create_string_buffer(described, len(described))
    return _call(_CREATE_RULESET, buffer, ctypes.c_size_t(len(described)), 0)


def _add(ruleset: int, grant: Grant, version: int) -> None:
    """What is not there needs no grant."""
    try:
        fd = os.open(grant.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ if grant.access == "read" else _handled(version) & ~_MAKE_DEVICES
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        described = struct.pack("=Qi", rights & _handled(version), fd)
        buffer = ctypes.create_string_buffer(described, len(described))
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, buffer, 0)
    finally:
        os.close(fd)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    return _checked(f"system call {number}", _libc().syscall(ctypes.c_long(number), *arguments))


def _checked(what: str, answer: int) -> int:
    if answer < 0:
        code = ctypes.get_errno() or errno.EINVAL
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return answer
