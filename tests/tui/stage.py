"""The screen on a stage: a fixed clock and size, a desk, and a door that plays a log. No agent, no terminal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import RunView
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.presentation.mode import Mode, Setup
from equitr_coder.tui.app import ScreenApp
from equitr_coder.tui.desk import Desk
from equitr_coder.tui.followed import FollowedRun
from equitr_coder.tui.hearing import Hearing
from tests.cli.conftest import ReplayApi, Step, Until

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_ROUNDS = 100
SIZES = ((80, 24), (120, 36), (200, 50))
DRAWN = (*SIZES[:-1], pytest.param((200, 50), marks=pytest.mark.slow))
"""For pictures: the largest size is drawn by `make test-screen`."""
SETUP = Setup(
    models={
        "single": q.ConfiguredModel(role="single", name="small-coder"),
        "supervisor": q.ConfiguredModel(role="supervisor", name="big-planner"),
        "worker": q.ConfiguredModel(role="worker", name="small-coder"),
    },
    budget=Decimal(5),
    multi_agent=True,
)
ENVIRON = {"HOME": "/home/me", "LANG": "C.UTF-8"}


class Door(ReplayApi):
    """A log to play, and answers by their kind: given ones, else those of a small repository."""

    def __init__(self, steps: Sequence[Step] = (), *, answers: Sequence[q.Answer] = ()) -> None:
        super().__init__(steps)
        self.asked: list[q.Query] = []
        self._turn = asyncio.Lock()
        self.answers: dict[type[q.Answer], q.Answer] = {
            q.FilesAnswer: q.FilesAnswer(files=("README.md", "orders/service.py")),
            q.CheckoutAnswer: q.CheckoutAnswer(root="/w", branch="main", is_repository=True, is_clean=True),
            q.RunsAnswer: q.RunsAnswer(runs=()),
            **{type(answer): answer for answer in answers},
        }

    async def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[e.Event | ShownDelta]:
        """For any number of readers; whoever comes to the end of the log plays its next step."""
        told = after
        while True:
            for event in [event for event in self.log if event.seq > told]:
                told = event.seq
                yield event
            if self.log and told and isinstance(self.log[-1], e.RunPaused | e.RunFinished):
                return
            async with self._turn:
                if self.log and self.log[-1].seq > told:
                    continue
                if not self._steps:
                    return
                await self._play(self._steps.pop(0))

    async def _play(self, step: Step) -> None:
        self._take_start()
        if self._interrupted:
            self._stamp(e.RunPaused(reason=StopReason.INTERRUPTED, detail="interrupted"))
        elif isinstance(step, Until):
            async for _ in self._wait(step):
                pass
        else:
            self._stamp(step)

    async def query(self, query: q.Query) -> q.Answer:
        self.asked.append(query)
        kind = getattr(q, type(query).__name__.removesuffix("Query") + "Answer")
        return self.answers[kind]


def followed(events: Iterable[e.Event], *, is_live: bool = True) -> FollowedRun:
    """The run of these events, as the screen would know it after following them."""
    log = list(events)
    known = FollowedRun(RunView(run=log[0].run), is_followed=is_live)
    for event in log:
        known.take(event)
    return known


async def heard(app: ScreenApp, pilot: Pilot[Any]) -> None:
    """Until what was typed has been taken: the pilot knows nothing of keys that wait for their turn."""
    await pilot.pause()
    while app.is_running and not app.has_heard:
        await pilot.pause(0.01)


@dataclass
class Seat:
    """One person before the screen."""

    app: ScreenApp
    desk: Desk
    pilot: Pilot[int]

    async def settle(self) -> None:
        """Until what was pressed or said has had its effect, and drawing again changes nothing."""
        before, same = "", 0
        for _ in range(_ROUNDS):
            await heard(self.app, self.pilot)
            self.desk.changed()
            await self.pilot.pause()
            before, same = (now, same + 1) if (now := self.shown()) == before else (now, 0)
            if same == 2:
                return
        raise AssertionError(f"the screen never came to rest:\n{before}")

    def shown(self) -> str:
        """The screen as text, one line a row."""
        width, height = self.app.size
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text[:width].rstrip() for strip in lines[:height])


def make_desk(
    group: asyncio.TaskGroup,
    environ: Mapping[str, str] = ENVIRON,
    now: datetime = NOW,
    folder: Path = Path("/home/me/src/shop"),
    edit: Callable[[str], str | None] | None = None,
) -> Desk:
    return Desk(group=group, environ=environ, folder=folder, now=lambda: now, edit=edit)


def connect(
    desk: Desk, api: RunApi, *, mode: str = "chat", runs: Sequence[FollowedRun] = (), setup: Setup = SETUP
) -> None:
    """The engine is there; the first of `runs` is in focus."""
    desk.branch = "main, clean"
    for run in runs:
        desk.runs[run.run] = run
    desk.run = runs[0] if runs else None
    wishes = Mode(setup=setup, multi_agent=False, plans_first=False)
    wishes.use(mode)
    desk.connected(api, wishes, Hearing(desk, api))


@asynccontextmanager
async def seated(
    api: RunApi,
    *,
    size: tuple[int, int] = (120, 36),
    mode: str = "chat",
    runs: Sequence[FollowedRun] = (),
    environ: Mapping[str, str] = ENVIRON,
    setup: Setup = SETUP,
    now: datetime = NOW,
    is_connected: bool = True,
    folder: Path = Path("/home/me/src/shop"),
    edit: Callable[[str], str | None] | None = None,
) -> AsyncIterator[Seat]:
    """The app in a test of its own loop. Leaving it ends what `desk.do` began."""
    async with asyncio.TaskGroup() as group:
        desk = make_desk(group, environ, now, folder, edit)
        app = ScreenApp(desk)
        async with app.run_test(size=size) as pilot:
            if is_connected:
                connect(desk, api, mode=mode, runs=runs, setup=setup)
            seat = Seat(app, desk, pilot)
            await seat.settle()
            yield seat
        desk.leaving.set()


def scene(
    api: RunApi,
    *,
    place: str = "",
    mode: str = "chat",
    runs: Sequence[FollowedRun] = (),
    environ: Mapping[str, str] = ENVIRON,
    now: datetime = NOW,
    then: Callable[[Seat], Awaitable[None]] | None = None,
) -> tuple[ScreenApp, Callable[[Pilot[int]], Awaitable[None]]]:
    """For `snap_compare(app, run_before=...)`: the app, and what brings it to the state that is drawn."""
    group = asyncio.TaskGroup()
    desk = make_desk(group, environ, now)
    app = ScreenApp(desk)

    async def before(pilot: Pilot[int]) -> None:
        await group.__aenter__()
        connect(desk, api, mode=mode, runs=runs)
        seat = Seat(app, desk, pilot)
        await seat.settle()
        if place:
            desk.open(place)
            await seat.settle()
        if then is not None:
            await then(seat)
            await seat.settle()

    return app, before
