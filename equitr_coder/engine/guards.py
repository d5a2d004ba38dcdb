"""What keeps a session from going on for ever: steps and time. Each raises `RunStopped`; none is advisory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from equitr_coder.domain.errors import ModelErrorKind, RunStopped, StopReason
from equitr_coder.domain.ids import SessionId
from equitr_coder.engine.progress import Circle, circle, standstill
from equitr_coder.ports import EventSink

ATTEMPT_STOPS = frozenset(
    {StopReason.MAX_ITERATIONS, StopReason.WORKER_TIMEOUT, StopReason.NO_PROGRESS, StopReason.CONTEXT_OVERFLOW}
)
"""Reasons that end one session or attempt, and never the run."""

SESSION_FAILURES = {
    ModelErrorKind.CONTEXT_OVERFLOW: StopReason.CONTEXT_OVERFLOW,
    ModelErrorKind.REFUSED: StopReason.MODEL_ERROR,
    ModelErrorKind.BAD_REQUEST: StopReason.MODEL_ERROR,
    ModelErrorKind.BAD_RESPONSE: StopReason.MODEL_ERROR,
}
"""Provider errors that are about this one conversation, and what they are called; all others concern the whole run."""


class StepLimit:
    """Bounds the model calls of one session (`orchestrator.max_iterations`)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def check(self, iterations: int) -> None:
        if iterations >= self._limit:
            raise RunStopped(
                StopReason.MAX_ITERATIONS,
                f"stopped after {iterations} model calls without handing in",
                hint="raise orchestrator.max_iterations, or make the task smaller",
            )


class NoProgress:
    """Stops a session that went round in a circle for `limit` steps, or for `no_news` steps in no order that brought
    nothing new: each costs money and changes nothing.
    """

    def __init__(self, events: EventSink, session: SessionId, *, limit: int = 12, no_news: int = 24) -> None:
        self._events = events
        self._session = session
        self._limit = limit
        self._no_news = no_news

    def check(self, iterations: int) -> None:
        session = self._events.view.sessions.get(self._session)
        if session is None or iterations < self._limit:
            return
        found = circle(session)
        is_stuck = found is not None and found.length >= self._limit
        if not is_stuck:
            found = standstill(session)
            is_stuck = found is not None and found.length >= self._no_news
        if found is not None and is_stuck:
            raise RunStopped(StopReason.NO_PROGRESS, said(found), hint="say more in the request, or try another model")


def said(found: Circle) -> str:
    """A circle in words."""
    names = ", ".join(found.tools)
    if not found.is_exact:
        return f"the last {found.length} steps ({names}) brought nothing that had not been seen before"
    if len(found.round) == 1:
        return f"the same call of {names} gave the same result {found.rounds} times in a row"
    return f"the same {len(found.round)} calls ({names}) gave the same results {found.rounds} times in a row"


class AttemptDeadline:
    """Bounds the wall time of one attempt; pauses (rate limits, budget holds, people) do not count."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout: asyncio.Timeout | None = None
        self._pauses = 0
        self._left = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancels what is inside when the time is used up, and raises RunStopped(WORKER_TIMEOUT) instead."""
        timeout = asyncio.timeout(self._seconds)
        try:
            async with timeout:
                self._timeout = timeout
                yield
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise RunStopped(
                StopReason.WORKER_TIMEOUT,
                f"the attempt took longer than {self._seconds:g} s",
                hint="raise orchestrator.worker_timeout, or make the task smaller",
            ) from error
        finally:
            self._timeout = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        timeout = self._timeout
        if timeout is None:
            yield
            return
        loop = asyncio.get_running_loop()
        self._pauses += 1
        if self._pauses == 1 and not timeout.expired():
            when = timeout.when()
            self._left = self._seconds if when is None else max(0.0, when - loop.time())
            timeout.reschedule(None)
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0 and self._timeout is timeout and not timeout.expired():
                timeout.reschedule(loop.time() + self._left)


class NoDeadline:
    @contextmanager
    def paused(self) -> Iterator[None]:
        yield
