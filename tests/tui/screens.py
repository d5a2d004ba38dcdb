"""The real screen on a story: its places, its keys and its desk; the door records what it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from equitr_coder.domain import commands as c
from equitr_coder.domain import queries as q
from equitr_coder.domain.events import Event
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import RunView
from equitr_coder.ports import ShownDelta
from equitr_coder.presentation.mode import Mode, Setup
from equitr_coder.tui.app import ScreenApp
from equitr_coder.tui.desk import Desk
from equitr_coder.tui.followed import FollowedRun
from equitr_coder.tui.hearing import Hearing
from tests.tui.run_story import BOUNDS, STRONG, WEAK, Story
from tests.tui.stage import heard

SMALL, MIDDLE, LARGE = (80, 24), (120, 36), (200, 50)
SIZES = (SMALL, MIDDLE, LARGE)
DRAWN = (*SIZES[:-1], pytest.param(LARGE, marks=pytest.mark.slow))
"""For pictures: the largest size is drawn by `make test-screen`."""
DIFF = """diff --git a/orders/service.py b/orders/service.py
@@ -86,3 +86,4 @@ class Orders
     def create(self, row: OrderRow) -> Order:
-        return self._repo.add(row)
+        if self._repo.exists(row.number):
+            raise DuplicateOrder(row.number)
"""


@dataclass
class RecordingApi:
    """Implements `ports.RunApi`: answers from the story, and keeps what it was told."""

    story: Story
    told: list[c.Command] = field(default_factory=list)

    async def submit(self, command: c.Command) -> RunId:
        self.told.append(command)
        return RunId("run-41")

    async def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[Event | ShownDelta]:
        del run, deltas
        for event in self.story.events[after:]:
            yield event

    async def view(self, run: RunId) -> RunView:
        del run
        return self.story.view

    async def runs(self, *, unfinished_only: bool = False) -> Sequence[RunView]:
        del unfinished_only
        return [self.story.view]

    async def query(self, query: q.Query) -> q.Answer:
        match query:
            case q.ConflictQuery():
                return q.ConflictAnswer(ours=DIFF.replace("Duplicate", "Double"), theirs=DIFF, merged=DIFF)
            case q.RunsQuery():
                return q.RunsAnswer(runs=())
            case q.CheckoutQuery():
                return q.CheckoutAnswer(root="/w", branch="main", is_repository=True, is_clean=True)
            case q.FilesQuery():
                return q.FilesAnswer(files=())
            case _:
                raise AssertionError(query)


class Loose(asyncio.TaskGroup):
    """Lets the screen start what it wants, and forgets it: a picture waits for nothing."""

    def create_task(self, coro: Any, **_: Any) -> "asyncio.Task[Any]":
        return asyncio.get_running_loop().create_task(coro)


@dataclass
class Screen:
    app: ScreenApp
    desk: Desk
    api: RecordingApi
    story: Story
    run: FollowedRun
    clock: timedelta = timedelta()
    """How much later it is than the last event."""

    def now(self) -> datetime:
        return self.story.now + self.clock

    def tell(self) -> None:
        """What the story has told since is known to the screen."""
        for event in self.story.events[self.run.view.seq :]:
            self.run.take(event)
        self.desk.version += 1

    async def at(self, place: str, pilot: Pilot[Any]) -> None:
        """The engine is there, the run is followed, and the place is open."""
        await pilot.pause()
        setup = Setup(models={}, budget=Decimal(5), multi_agent=True, bounds=BOUNDS)
        mode = Mode(setup=setup, multi_agent=True, plans_first=False)
        self.desk.connected(self.api, mode, Hearing(self.desk, self.api))
        self.tell()
        self.desk.runs[self.run.run] = self.desk.run = self.run
        self.desk.open(place)
        await self.settle(pilot)

    async def settle(self, pilot: Pilot[Any]) -> None:
        """Until drawing again changes nothing."""
        before = ""
        for _ in range(12):
            await heard(self.app, pilot)
            self.desk.changed()
            await pilot.pause()
            if self.text == before:
                return
            before = self.text
        raise AssertionError(f"the screen does not come to rest:\n{before}")

    async def press(self, pilot: Pilot[Any], *keys: str) -> None:
        for key in keys:
            await pilot.press(key)
        await self.settle(pilot)

    @property
    def text(self) -> str:
        """All that is seen, row by row."""
        return "\n".join(
            "".join(segment.text for segment in strip).rstrip() for strip in self.app.screen._compositor.render_strips()
        )


def screen_of(story: Story, *, environ: dict[str, str] | None = None) -> Screen:
    known = {"LANG": "C.UTF-8", "HOME": "/home/me"} | (environ or {})
    made: list[Screen] = []

    def now() -> datetime:
        return made[0].now()

    desk = Desk(group=Loose(), environ=known, folder=Path("/home/me/shop"), now=now)
    screen = Screen(ScreenApp(desk), desk, RecordingApi(story), story, FollowedRun(RunView(run=RunId("run-41"))))
    made.append(screen)
    return screen


@asynccontextmanager
async def shown(
    story: Story, place: str = "run", size: tuple[int, int] = MIDDLE
) -> AsyncIterator[tuple[Screen, Pilot[Any]]]:
    screen = screen_of(story)
    async with screen.app.run_test(size=size) as pilot:
        await screen.at(place, pilot)
        yield screen, pilot
        if screen.app.crash is not None:
            raise screen.app.crash


__all__ = ["DIFF", "LARGE", "MIDDLE", "SIZES", "SMALL", "STRONG", "WEAK", "Screen", "screen_of", "shown"]
