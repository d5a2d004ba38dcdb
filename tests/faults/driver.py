"""The real command in a process that dies by SIGKILL at a chosen point; run as a script by the tests beside it.

`driver.py SPEC ARGUMENT...` is `equitrcoder ARGUMENT...`, every part of it the real one. SPEC is JSON: `kill` is None
or `[kind, when, number]`, `signals` what is sent there, and `counts` a file that is told how often each kind of point
was passed.
"""

import asyncio
import inspect
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

from equitr_coder import __main__ as program
from equitr_coder import app
from equitr_coder.adapters.git import child, process
from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.resident import Answer, Resident
from equitr_coder.cli.doors import Doors
from equitr_coder.domain.events import Event, TaskChanged
from equitr_coder.domain.models import Delta, ModelRequest, Reply
from equitr_coder.domain.run_view import HELD
from equitr_coder.ports import EventStore, Executor, ModelClient, Repository, RunApi, Unstored, Written

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.faults.points import EXECUTOR, FILES, GIT_QUESTIONS, REPOSITORY, STORE

STOPPED = "stopped by you"
_RESIDENTS = {b"start\0": "git.update-ref", b"/": "git.hash-object"}
"""What begins so, asked of a git that stays, writes; the others only answer."""


class Points:
    """Counts what is passed, and ends the process at the chosen one."""

    def __init__(self, kill: Sequence[Any] | None, signals: Sequence[int]) -> None:
        self.counts: Counter[str] = Counter()
        self._kill = tuple(kill) if kill else None
        self._signals = signals

    async def around(self, kind: str, work: Callable[[], Awaitable[Any]]) -> Any:
        number = self.enter(kind)
        result = await work()
        self.leave(kind, number)
        return result

    def enter(self, kind: str) -> int:
        self.counts[kind] += 1
        self.die_at(kind, "before", self.counts[kind])
        return self.counts[kind]

    def leave(self, kind: str, number: int) -> None:
        self.die_at(kind, "after", number)

    def die_at(self, kind: str, when: str, number: int) -> None:
        if self._kill == (kind, when, number):
            for number in self._signals:
                os.kill(os.getpid(), number)


class Tapped:
    """The real part; the named methods pass a point before and after."""

    def __init__(self, real: object, name: str, methods: Sequence[str], points: Points) -> None:
        self._real = real
        self._name = name
        self._methods = frozenset(methods)
        self._points = points

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._real, attribute)
        if attribute not in self._methods or not inspect.iscoroutinefunction(found):
            return found

        async def tapped(*arguments: Any, **keywords: Any) -> Any:
            return await self._points.around(f"{self._name}.{attribute}", lambda: found(*arguments, **keywords))

        return tapped


def _named(events: Sequence[Event]) -> str:
    """After the last of them; a person's word on a task has a name of its own."""
    words = {HELD: "task_held", STOPPED: "task_stopped"}
    told = (words.get(event.detail) for event in events if isinstance(event, TaskChanged))
    return next((name for name in told if name is not None), events[-1].type)


class TappedStore(Tapped):
    """An append is named after what it stores, so that a point can be chosen by what it means: `append.run_started` the
    first time, or what becomes of a task in an attempt of it, `T1.ready` of its first.
    """

    def append(self, unstored: Unstored) -> "asyncio.Future[None]":
        return cast("EventStore", self._real).append(TappedBacklog(unstored, self._points))


class TappedBacklog:
    """What the store takes, in its own thread: just before a transaction, and just after it."""

    def __init__(self, real: Unstored, points: Points) -> None:
        self._real = real
        self._points = points
        self._passed: list[tuple[str, int]] = []

    def take(self) -> Sequence[Sequence[Written]]:
        batches = self._real.take()
        kinds = [f"append.{_named([event for event, _ in batch])}" for batch in batches]
        self._passed = [(kind, self._points.enter(kind)) for kind in kinds]
        return batches

    def put_back(self, batches: Sequence[Sequence[Written]]) -> None:
        self._real.put_back(batches)

    def have_stored(self, batches: Sequence[Sequence[Written]]) -> None:
        for kind, number in self._passed:
            self._points.leave(kind, number)
        for event in (event for batch in batches for event, _ in batch if isinstance(event, TaskChanged)):
            self._points.die_at(f"{event.task}.{event.state}", "after", event.attempt)
        self._real.have_stored(batches)


class TappedClient(Tapped):
    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Reply]:
        number = self._points.enter("client.stream")
        async for item in cast("ModelClient", self._real).stream(request):
            if isinstance(item, Reply):
                self._points.leave("client.stream", number)
            yield item


def tap_git(points: Points) -> None:
    """Every git command that writes, also what one that stays is told to write: before it, while it is at work and
    nobody waits for it any more, and after it.
    """
    run, start = child.run_child, child._start
    current: ContextVar[tuple[str, int] | None] = ContextVar("current", default=None)

    def tapped_start(*arguments: Any, **keywords: Any) -> Any:
        started = start(*arguments, **keywords)
        if (here := current.get()) is not None:
            points.die_at(here[0], "during", here[1])
        return started

    async def tapped_run(arguments: Sequence[str], **keywords: Any) -> Any:
        verb = arguments[1]
        if verb in GIT_QUESTIONS:
            return await run(arguments, **keywords)
        kind = f"git.{verb}"
        number = points.enter(kind)
        token = current.set((kind, number))
        try:
            output = await run(arguments, **keywords)
        finally:
            current.reset(token)
        points.leave(kind, number)
        return output

    ask, send = Resident.ask, Resident._send

    async def tapped_ask(resident: Resident, request: bytes, answer: Answer) -> None:
        kind = next((kind for begin, kind in _RESIDENTS.items() if request.startswith(begin)), None)
        if kind is None:
            return await ask(resident, request, answer)
        number = points.enter(kind)
        token = current.set((kind, number))
        try:
            await ask(resident, request, answer)
        finally:
            current.reset(token)
        points.leave(kind, number)
        return None

    def tapped_send(resident: Resident, request: bytes) -> Any:
        running = send(resident, request)
        if (here := current.get()) is not None:
            points.die_at(here[0], "during", here[1])
        return running

    vars(child)["_start"] = tapped_start
    vars(process)["run_child"] = tapped_run
    for name, tapped in (("ask", tapped_ask), ("_send", tapped_send)):
        setattr(Resident, name, tapped)


def tap_files(points: Points) -> None:
    """What a landing does to the user's files and index without git."""

    def tap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(*arguments: Any, **keywords: Any) -> Any:
            number = points.enter(f"files.{name}")
            result = real(*arguments, **keywords)
            points.leave(f"files.{name}", number)
            return result

        return tapped

    for name in FILES:
        setattr(FileOps, name, tap(name, getattr(FileOps, name)))


def tapped_doors(points: Points) -> Doors:
    environ = dict(os.environ)
    real = program._doors(environ)

    @asynccontextmanager
    async def connect(
        *, repo: Path, flags: Mapping[str, tuple[object, str]], create_repo: bool
    ) -> AsyncIterator[RunApi]:
        overrides = app.Overrides(
            repo=repo,
            environ=environ,
            flags=flags,
            create_repo=create_repo,
            wrap_store=lambda part: cast("EventStore", TappedStore(part, "store", STORE, points)),
            wrap_repository=lambda part: cast("Repository", Tapped(part, "repository", REPOSITORY, points)),
            wrap_client=lambda part: cast("ModelClient", TappedClient(part, "client", (), points)),
            wrap_executor=lambda part: cast("Executor", Tapped(part, "executor", EXECUTOR, points)),
        )
        async with app.open_api(overrides) as api:
            yield api

    return Doors(
        connect=connect,
        open_prompt=real.open_prompt,
        open_screen=real.open_screen,
        run_demo=real.run_demo,
        environ=environ,
    )


def main(spec: dict[str, Any], arguments: Sequence[str]) -> int:
    points = Points(spec["kill"], spec["signals"])
    tap_git(points)
    tap_files(points)
    code = program.start(arguments, tapped_doors(points))
    Path(spec["counts"]).write_text(json.dumps(points.counts))
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
