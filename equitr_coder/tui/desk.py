"""What lies before the person: the door, the runs that are followed, notices. Places draw it, `hearing` acts on it."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.completion import Offers
from equitr_coder.tui.prompt.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from equitr_coder.domain.ids import RunId, TaskId
    from equitr_coder.ports import RunApi
    from equitr_coder.presentation.mode import Mode
    from equitr_coder.presentation.text import Line
    from equitr_coder.tui.followed import FollowedRun
    from equitr_coder.tui.transcript import Transcript


@frozen
class Notice:
    """One thing to be told over the lowest rows of the body: what happened, and what to do about it."""

    text: str
    hint: str = ""
    is_bad: bool = False


class Ear(Protocol):
    """What the person says and wants, carried to the door. There once the engine is."""

    async def hear(self, text: str, *, is_pasted: bool = False, steer: bool = False) -> None:
        """A request, an answer, a word to whoever works, or a slash command."""
        ...

    async def interrupt(self) -> None: ...

    async def go_on(self, run: RunId) -> None:
        """Resume the run, or open it so that the next message goes on with it."""
        ...

    async def take_back(self) -> str | None:
        """The newest message that waits to be delivered, which is then never delivered; None when there is none."""
        ...

    async def steer_queued(self) -> None: ...

    async def stop_all(self) -> None:
        """Interrupt what works and wait until it has stopped."""
        ...


class Desk:
    """Made before the engine is there; `api`, `mode` and `ear` come with it."""

    def __init__(
        self,
        *,
        group: asyncio.TaskGroup,
        environ: Mapping[str, str],
        folder: Path,
        now: Callable[[], datetime] | None = None,
        edit: Callable[[str], str | None] | None = None,
    ) -> None:
        """`now` gives aware UTC; tests fix it. `edit` opens a text in the person's editor; None: not saved."""
        self._group = group
        self.environ = environ
        self.folder = folder.absolute()
        self._now = now or _utc_now
        self._api: RunApi | None = None
        self._mode: Mode | None = None
        self._ear: Ear | None = None
        self.history = History()
        self.edit = edit
        self.offers = Offers()
        """What the prompt completes."""
        self.branch = ""
        self.warnings: Sequence[str] = ()
        self.runs: dict[RunId, FollowedRun] = {}
        self.run: FollowedRun | None = None
        """The one in focus."""
        self.lobby: Transcript | None = None
        """What is told while no run is in focus."""
        self.chat: RunId | None = None
        """The conversation that the next single-agent request goes on with."""
        self.selected_task: TaskId | None = None
        self.notices: deque[Notice] = deque(maxlen=20)
        self._said_before: list[tuple[str, bool, bool]] = []
        """Sent before the engine was there; sent on, in order, when it is."""
        self.is_painted = asyncio.Event()
        """The first frame stands on the terminal. The screen sets it."""
        self.leaving = asyncio.Event()
        self.failure: BaseException | None = None
        """Why the door could not be opened."""
        self.changed: Callable[[], None] = _nothing
        """Draws what is seen, now. The screen sets it."""
        self.open: Callable[[str], None] = _nowhere
        """Opens the place of this name. The screen sets it."""
        self.leave: Callable[[], None] = _nothing
        """Ends the screen, after a question when something works."""
        self.fail: Callable[[Exception], None] = _raise
        """Ends the screen because of a fault in it. The screen sets it."""
        self.turn_theme: Callable[[], None] = _nothing
        """Takes the next theme. The screen sets it."""
        self.version = 0
        """Rises with every change that is not a run's own."""

    def connected(self, api: RunApi, mode: Mode, ear: Ear) -> None:
        """The engine is there: what was typed meanwhile is sent, once."""
        from equitr_coder.tui.transcript import Transcript

        self._api, self._mode, self._ear = api, mode, ear
        self.lobby = Transcript()
        self.version += 1
        said, self._said_before = self._said_before, []
        if said:
            self.do(self._hear_all(ear, said))
        self.changed()

    async def _hear_all(self, ear: Ear, said: Sequence[tuple[str, bool, bool]]) -> None:
        for text, is_pasted, steer in said:
            await ear.hear(text, is_pasted=is_pasted, steer=steer)

    @property
    def is_connected(self) -> bool:
        return self._api is not None

    @property
    def api(self) -> RunApi:
        assert self._api is not None, "places are opened once the engine is there"
        return self._api

    @property
    def mode(self) -> Mode:
        assert self._mode is not None, "places are opened once the engine is there"
        return self._mode

    def now(self) -> datetime:
        return self._now()

    @property
    def is_busy(self) -> bool:
        """Whether an agent of the run in focus is at work."""
        return self.run is not None and self.run.is_live

    @property
    def live(self) -> list[FollowedRun]:
        return [run for run in self.runs.values() if run.is_live]

    # ------------------------------------------------------------ told to the person

    def say(self, text: str, hint: str = "", *, is_bad: bool = False) -> None:
        self.notices.append(Notice(text, hint, is_bad))
        self.version += 1
        self.changed()

    def tell(self, lines: Sequence[Line]) -> None:
        """In the conversation, which is opened."""
        transcript = self.run.transcript if self.run is not None else self.lobby
        assert transcript is not None
        transcript.tell(lines)
        self.version += 1
        self.open("talk")

    # ------------------------------------------------------------ wanted by the person

    def hear(self, text: str, *, is_pasted: bool = False, steer: bool = False) -> None:
        if self._ear is None:
            self._said_before.append((text, is_pasted, steer))
            self.say("kept; it is sent as soon as the engine is there")
            return
        self.do(self._ear.hear(text, is_pasted=is_pasted, steer=steer))

    def interrupt(self) -> None:
        if self._ear is not None:
            self.do(self._ear.interrupt())

    def go_on(self, run: RunId) -> None:
        if self._ear is not None:
            self.do(self._ear.go_on(run))

    def steer_queued(self) -> None:
        if self._ear is not None:
            self.do(self._ear.steer_queued())

    def take_back(self, give: Callable[[str], None]) -> None:
        """`give` is handed the text of the message that was taken back."""
        if self._ear is not None:
            self.do(self._take_back(self._ear, give))

    @staticmethod
    async def _take_back(ear: Ear, give: Callable[[str], None]) -> None:
        text = await ear.take_back()
        if text is not None:
            give(text)

    async def stop_all(self) -> None:
        if self._ear is not None:
            await self._ear.stop_all()

    def do(self, work: Coroutine[object, object, object]) -> None:
        """Carry out a command of the door beside everything else; what goes wrong with it is told in two rows."""
        self._group.create_task(self._carry(work))

    async def _carry(self, work: Coroutine[object, object, object]) -> None:
        from equitr_coder.domain.errors import EquitrError

        try:
            await work
        except EquitrError as error:
            self.say(str(error), getattr(error, "hint", ""), is_bad=True)
        except Exception as error:
            # A fault of the screen must not take the engine's tasks with it, which stand in the same group.
            self.fail(error)
            return
        self.version += 1
        self.changed()


def _raise(error: Exception) -> None:
    raise error


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nothing() -> None:
    pass


def _nowhere(_: str) -> None:
    pass
