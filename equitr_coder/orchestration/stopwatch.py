"""Measures where the host's time for an attempt goes. Observes only: nothing decides by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from equitr_coder.domain.events import AttemptMeasured, TimeSpan
from equitr_coder.domain.ids import TaskId
from equitr_coder.ports import Clock, GitTime, Repository

Kind = Literal["worktree", "check", "turn"]


class Stopwatch:
    def __init__(self, clock: Clock, git: GitTime) -> None:
        self._clock = clock
        self._git = git
        self._taken = (0, 0)
        self._spans: list[TimeSpan] = []

    @contextmanager
    def span(self, kind: Kind) -> Iterator[None]:
        at, started = self._clock.now(), self._clock.monotonic()
        try:
            yield
        finally:
            ms = round((self._clock.monotonic() - started) * 1000)
            self._spans.append(TimeSpan(kind=kind, at=at, ms=ms))

    def take(self, task: TaskId, attempt: int) -> list[AttemptMeasured]:
        """What was measured since it was last asked; nothing when nothing was."""
        git, self._taken = self._taken, (self._git.ms, self._git.commands)
        spans, self._spans = tuple(self._spans), []
        if self._taken == git and not spans:
            return []
        return [
            AttemptMeasured(
                task=task,
                attempt=attempt,
                git_ms=self._taken[0] - git[0],
                git_commands=self._taken[1] - git[1],
                spans=spans,
            )
        ]


# Of the asyncio task that works on a task: gates and worktrees serve all of them and know none.
_RUNNING: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def stopwatch(repository: Repository, clock: Clock) -> Iterator[Stopwatch]:
    with repository.measured() as git:
        watch = Stopwatch(clock, git)
        token = _RUNNING.set(watch)
        try:
            yield watch
        finally:
            _RUNNING.reset(token)


def measured_here(task: TaskId, attempt: int) -> list[AttemptMeasured]:
    """`Stopwatch.take` of whoever runs one here."""
    watch = _RUNNING.get()
    return watch.take(task, attempt) if watch is not None else []


@contextmanager
def span(kind: Kind) -> Iterator[None]:
    """Time inside belongs to whoever runs a stopwatch here; nobody may."""
    watch = _RUNNING.get()
    if watch is None:
        yield
    else:
        with watch.span(kind):
            yield
