"""Who comes to run first: a command that is watched comes behind those that watch.

The kernel's scheduler favours what was just started: beside a command that starts others without end, whoever is to end
it would come to run after many seconds.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

FIRST = -20
"""The priority before all others."""
_BEHIND = 10
_LAST = 19
_NICE = "/usr/bin/nice"


def started_behind(start: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """What `start` answers, which passes its place on to all that it starts."""
    if not _may_go_ahead():
        return start()  # whoever gives way could not come back
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with _as(min(usual + _BEHIND, _LAST)):
        return start()


def gives_way() -> Sequence[str]:
    """The words before a command line by which it does so itself, where `started_behind` cannot see to it."""
    return () if _may_go_ahead() or not os.access(_NICE, os.X_OK) else (_NICE, "-n", str(_BEHIND))


@contextlib.contextmanager
def ahead() -> Iterator[None]:
    """This thread before all others, where that may be had."""
    if not _may_go_ahead():
        yield
        return
    with _as(FIRST):
        yield


@contextlib.contextmanager
def _as(priority: int) -> Iterator[None]:
    """In Linux each thread has its own."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, priority)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)


@lru_cache(maxsize=1)
def _may_go_ahead() -> bool:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    except PermissionError:
        return False
    os.setpriority(os.PRIO_PROCESS, 0, usual)
    return True
