"""What keeps a session from going on for ever: steps and time. Each raises `RunStopped`; none is advisory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from equitr_coder.domain.errors import ModelErrorKind, RunStopped, StopReason
from equitr_coder.domain.ids import CallId, SessionId
from equitr_coder.domain.models import AssistantMessage, ToolMessage
from equitr_coder.domain.run_view import SessionView
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

_LONGEST_CIRCLE = 3


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
    """Stops a session whose last calls went round in a circle of at most three steps, each time with the same results
    and the same files: each costs money and changes nothing.

    Results that differ are progress, so polling is not cut; so are files that differ, so a command that says nothing
    but builds is not cut either. One guard serves one session and is asked before each of its model calls.
    """

    def __init__(self, events: EventSink, session: SessionId, *, limit: int = 12) -> None:
        self._events = events
        self._session = session
        self._limit = limit
        self._files: deque[tuple[int, object]] = deque(maxlen=limit)
        """What the files were when a model call was due, by the number of calls made."""

    def check(self, iterations: int) -> None:
        session = self._events.view.sessions.get(self._session)
        if session is None:
            return
        self._files.append((iterations, (session.tree, frozenset(session.seen.items()))))
        if iterations < self._limit:
            return
        steps = self._last_steps(session, iterations)
        for period in range(1, _LONGEST_CIRCLE + 1):
            goes_round = all(step == again for step, again in zip(steps, steps[period:], strict=False))
            if steps and goes_round and None not in steps:
                raise self._stop(session, period)

    def _last_steps(self, session: SessionView, iterations: int) -> list[object]:
        """What each of the last answers called, what came of it, and the files after it; None where it called nothing.

        Of steps before a restart the files are not known; they count as the same as each other.
        """
        answers: list[AssistantMessage] = []
        results: dict[CallId, str] = {}
        for message in reversed(session.messages):
            if isinstance(message, ToolMessage):
                results[message.call] = message.text
            elif isinstance(message, AssistantMessage):
                answers.append(message)
                if len(answers) == self._limit:
                    break
        if len(answers) < self._limit:
            return []
        files = dict(self._files)
        return [
            (tuple((call.name, call.arguments, results.get(call.id)) for call in answer.calls), files.get(number))
            if answer.calls
            else None
            for number, answer in zip(
                range(iterations - self._limit + 1, iterations + 1), reversed(answers), strict=True
            )
        ]

    def _stop(self, session: SessionView, period: int) -> RunStopped:
        answers = [message for message in session.messages if isinstance(message, AssistantMessage)][-period:]
        names = ", ".join(dict.fromkeys(call.name for answer in answers for call in answer.calls))
        if period == 1:
            what = f"the same call of {names} gave the same result {self._limit} times in a row"
        else:
            what = f"the same {period} calls ({names}) gave the same results {self._limit // period} times in a row"
        return RunStopped(StopReason.NO_PROGRESS, what, hint="say more in the request, or try another model")


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
