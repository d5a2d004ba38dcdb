"""How long git works, and how often it is started, for whoever opened a measurement."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class GitMeter:
    """Implements `ports.GitTime`."""

    seconds: float = 0.0
    commands: int = 0

    @property
    def ms(self) -> int:
        return round(self.seconds * 1000)


# Of the asyncio task that measures: git is started in many places and none of them knows for which task of a plan.
_METER: ContextVar[GitMeter | None] = ContextVar("git_meter", default=None)


@contextmanager
def measured() -> Iterator[GitMeter]:
    meter = GitMeter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


@contextmanager
def one_command() -> Iterator[None]:
    """Adds what runs inside to the open measurement, if there is one."""
    meter, started = _METER.get(), time.monotonic()
    try:
        yield
    finally:
        if meter is not None:
            meter.commands += 1
            meter.seconds += time.monotonic() - started


@contextmanager
def one_question() -> Iterator[None]:
    """As `one_command`, for a git that runs already."""
    meter, started = _METER.get(), time.monotonic()
    try:
        yield
    finally:
        if meter is not None:
            meter.seconds += time.monotonic() - started
