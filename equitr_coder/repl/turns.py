"""The runs of this session: starts them, goes on with them, follows them, and remembers what became of them."""

from enum import Enum, auto

from equitr_coder.domain.commands import RedoChange, ResumeRun, RewindChange, SendMessage, StartRun, UndoChange
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import CheckpointTaken, FileChanged
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import FilesAnswer, FilesQuery, RunsAnswer, RunsQuery
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import RunApi
from equitr_coder.presentation.cost_forecast import with_what_is_left
from equitr_coder.presentation.mode import Mode
from equitr_coder.presentation.plan import plan_lines
from equitr_coder.repl.endings import say_ending
from equitr_coder.repl.following import Attendants, Followed, Follower
from equitr_coder.repl.keyboard import Keyboard


class Next(Enum):
    """What follows in the session."""

    PROMPT = auto()
    STOPPED = auto()
    """The prompt; one more Ctrl-C leaves."""
    LEAVE = auto()
    ABANDON = auto()
    """Leave, though the run has not stopped yet."""


@frozen
class Moved:
    """What going back or forth did: files that changed by it, files left alone because somebody changed them, and
    ignored ones that no state holds.
    """

    paths: tuple[str, ...]
    left: tuple[str, ...]
    uncovered: tuple[str, ...]


class Turns:
    def __init__(self, api: RunApi, keyboard: Keyboard, attendants: Attendants, mode: Mode) -> None:
        self._api = api
        self._keyboard = keyboard
        self._mode = mode
        self._follower = Follower(api, keyboard, attendants)
        self._views: dict[RunId, RunView] = {}
        self.chat: RunId | None = None
        """The conversation that the next single-agent request goes on with."""
        self.last: RunId | None = None

    @property
    def view(self) -> RunView | None:
        """The last run as it was when it was last followed."""
        return self._views.get(self.last) if self.last is not None else None

    @property
    def current(self) -> RunId:
        """The last run.

        Raises:
            UserError: there is none.
        """
        if self.last is None:
            raise UserError("nothing has run yet in this session", hint="type what you want, or /help")
        return self.last

    async def request(self, text: str) -> Next:
        """Do what the person wants, in the way the mode says.

        Raises:
            EquitrError: it cannot be started.
        """
        mode = self._mode
        if mode.has_workers:
            plan = PlanMode.ALWAYS if mode.plans_first else None
            start = StartRun(kind=RunKind.EPIC, request=text, plan=plan, multi_agent=True, model=mode.model)
            run = await self._api.submit(start)
            mode.plans_first = False
            return await self._follow(run)
        if self.chat is None:
            start = StartRun(kind=RunKind.CHAT, request=text, multi_agent=False, model=mode.model)
            self.chat = await self._api.submit(start)
            return await self._follow(self.chat)
        seen = (await self._api.view(self.chat)).seq
        await self._api.submit(SendMessage(run=self.chat, text=text))
        return await self._follow(self.chat, after=seen)

    async def resume(self, name: str) -> Next:
        """Go on with the named run, else with the last one when it is unfinished, else with the newest; approves its
        plan if that is what it waits for.

        Raises:
            EquitrError: there is none, or it cannot go on.
        """
        view = await self._waiting(name)
        approves = view.plan is not None and not view.is_approved
        if approves and view.plan is not None:
            width, forecast = self._keyboard.screen.width, with_what_is_left(view)
            self._keyboard.screen.show(
                plan_lines(view.plan, gaps=view.gaps, forecast=forecast, standing=view.standing, width=width)
            )
        seen = view.seq
        run = await self._api.submit(ResumeRun(run=view.run, approve=approves))
        return await self._follow(run, after=seen)

    @property
    def chat_with_files(self) -> RunId:
        """The conversation whose changes can be taken back.

        Raises:
            UserError: there is none.
        """
        if self.chat is None:
            raise UserError("there is nothing to undo", hint="only turns of a single-agent conversation can be undone")
        return self.chat

    async def move(self, command: UndoChange | RedoChange | RewindChange) -> Moved:
        """Go back or forth in the files of a chat.

        Raises:
            UserError: there is nothing to go to.
        """
        seen = (await self._api.view(command.run)).seq
        await self._api.submit(command)
        events = [item async for item in self._api.events(command.run, after=seen)]
        moved = {event.path for event in events if isinstance(event, FileChanged)}
        taken = [event for event in events if isinstance(event, CheckpointTaken)]
        left = {path for event in taken for path in event.left}
        uncovered = {name for event in taken for name in event.uncovered}
        return Moved(tuple(sorted(moved)), tuple(sorted(left)), tuple(sorted(uncovered)))

    def forget(self) -> RunId | None:
        """The next request begins a new conversation; returns the old one when there was one."""
        left, self.chat = self.chat, None
        if self.last == left:
            self.last = None
        return left

    async def unfinished(self) -> list[RunView]:
        """Runs of this session that can be resumed, as they are now."""
        views = [await self._api.view(run) for run in self._views]
        return [view for view in views if not view.state.is_final]

    async def offer_files(self) -> None:
        """Complete the files that are there now."""
        answer = await self._api.query(FilesQuery())
        assert isinstance(answer, FilesAnswer)
        words = {"/model": (*self._mode.setup.names, "default"), "/multi-agent": ("on", "off")}
        self._keyboard.offer(answer.files, words)

    async def _follow(self, run: RunId, *, after: int = 0) -> Next:
        self.last = run
        known = self._views.setdefault(run, RunView(run=run))
        spent = known.spent if after else ZERO
        followed = await self._follower.follow(run, known=known, after=after)
        while not followed.was_stopped and await self._goes_on(run):
            # What was queued in the moment in which the turn ended has begun the next one.
            followed = await self._follower.follow(run, known=known, after=known.seq)
        say_ending(self._keyboard.screen, followed, spent_before=spent)
        await self.offer_files()
        return _next(followed)

    async def _goes_on(self, run: RunId) -> bool:
        view = await self._api.view(run)
        return view.kind is RunKind.CHAT and view.state is RunState.RUNNING

    async def _waiting(self, name: str) -> RunView:
        view = self.view
        if not name and view is not None and view.kind is not RunKind.CHAT and not view.state.is_final:
            return await self._api.view(view.run)
        answer = await self._api.query(RunsQuery(unfinished_only=True))
        assert isinstance(answer, RunsAnswer)
        for row in answer.runs:
            is_meant = name in (row.run, row.epic) if name else not row.alive
            if row.kind is not RunKind.CHAT and is_meant:
                return await self._api.view(row.run)
        if name:
            raise UserError(f"no unfinished run is called {name}", hint="`equitrcoder runs` lists them")
        raise UserError("no plan waits for approval and no run is unfinished", hint="/plan TEXT makes a plan")


def _next(followed: Followed) -> Next:
    if followed.was_abandoned:
        return Next.ABANDON
    if followed.has_quit:
        return Next.LEAVE
    return Next.STOPPED if followed.was_stopped else Next.PROMPT
