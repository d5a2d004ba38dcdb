"""The interactive session: requests and slash commands in, one run at a time followed to its end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from equitr_coder.domain import queries as q
from equitr_coder.domain.commands import Interrupt, ResumeRun, SendMessage, StartRun, UndoChange
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import Event, MessageAdded, RunResumed
from equitr_coder.domain.ids import RunId, SessionId
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.domain.runs import PlanMode, RunKind
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.presentation.cost import cost_lines
from equitr_coder.presentation.diff import diff_lines
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.listings import models_lines
from equitr_coder.presentation.person import Person
from equitr_coder.presentation.progress import progress_lines
from equitr_coder.presentation.slash import find_slash, slash_help_lines
from equitr_coder.presentation.summary import summary_lines
from equitr_coder.presentation.tally import Tally
from equitr_coder.presentation.text import Line, Tone
from equitr_coder.repl.keyboard import Keyboard

_WELCOME = "EQUITR Coder. /help lists the commands; Alt-Enter begins a new line; @ completes file names."
_FIRST_QUESTION = "What would you like to build?"


class Attendant(Protocol):
    """Answers, with the person, what a run asks."""

    async def attend(self, known: RunView) -> None: ...


Attendants = Callable[[RunApi, Person], Sequence[Attendant]]


@dataclass
class Mode:
    """What the next request starts."""

    multi_agent: bool
    plans_first: bool
    model: str | None = None


class Conversation:
    def __init__(self, *, api: RunApi, keyboard: Keyboard, attendants: Attendants, mode: Mode) -> None:
        self._api = api
        self._keyboard = keyboard
        self._attendants = attendants(api, keyboard)
        self._mode = mode
        self._chat: RunId | None = None
        self._last: RunId | None = None
        self._view: RunView | None = None

    async def hold(self) -> int:
        """Until the person leaves; returns the exit code."""
        self._show([Line(_WELCOME)])
        if self._mode.plans_first:
            self._show([Line(_FIRST_QUESTION, Tone.STRONG)])
        was_interrupted = False
        while not self._keyboard.is_closed:
            try:
                typed = await self._keyboard.request("> ", status=await self._status())
            except EOFError:
                break
            except KeyboardInterrupt:
                if was_interrupted:
                    break
                was_interrupted = True
                self._show([Line("Ctrl-C again leaves.")])
                continue
            was_interrupted = False
            if typed.strip() and not await self._take(typed.strip()):
                break
        self._say_how_to_go_on()
        return 0

    async def _take(self, typed: str) -> bool:
        """One line of input; False when it says to leave."""
        try:
            if typed.startswith("/"):
                return await self._command(typed)
            await self._request(typed)
        except UserError as error:
            self._show([Line(f"error: {error}", Tone.BAD), Line(f"hint: {error.hint}")])
        return True

    async def _request(self, text: str) -> None:
        mode = self._mode
        if mode.plans_first or mode.multi_agent:
            plan = PlanMode.ALWAYS if mode.plans_first else None
            start = StartRun(kind=RunKind.EPIC, request=text, plan=plan, multi_agent=True, model=mode.model)
            mode.plans_first = False
            await self._follow(await self._api.submit(start), after=0)
        elif self._chat is None:
            start = StartRun(kind=RunKind.CHAT, request=text, multi_agent=False, model=mode.model)
            self._chat = await self._api.submit(start)
            await self._follow(self._chat, after=0)
        else:
            seen = (await self._api.view(self._chat)).seq
            await self._api.submit(SendMessage(run=self._chat, text=text))
            await self._follow(self._chat, after=seen)

    async def _follow(self, run: RunId, *, after: int) -> None:
        """Show the run until it ends or pauses. Ctrl-C interrupts the agent and keeps the session."""
        self._last = run
        view, tally = RunView(run=run), Tally()
        streamed: set[SessionId] = set()
        with _interrupts() as interrupted:
            async with asyncio.TaskGroup() as group:
                stopper = group.create_task(self._stop(run, interrupted))
                async for item in self._api.events(run, deltas=True):
                    if isinstance(item, ShownDelta):
                        if view.kind is RunKind.CHAT:
                            self._keyboard.stream(item.text)
                            streamed.add(item.session)
                        continue
                    apply(view, item)
                    tally.add(item)
                    if item.seq > after:
                        self._tell(item, view, streamed)
                        for attendant in self._attendants:
                            await attendant.attend(view)
                    if self._keyboard.is_closed:
                        interrupted.set()
                stopper.cancel()
        self._view = view
        self._show(summary_lines(view, tally))

    async def _stop(self, run: RunId, interrupted: asyncio.Event) -> None:
        await interrupted.wait()
        await self._api.submit(Interrupt(run=run))

    def _tell(self, event: Event, view: RunView, streamed: set[SessionId]) -> None:
        match event:
            case MessageAdded(session=session, message=AssistantMessage()) if session in streamed:
                streamed.discard(session)
                self._keyboard.stream("\n")
                return
            case RunResumed() if view.kind is RunKind.CHAT:
                return
            case _:
                self._show(progress_lines(event, view))

    # ---------------------------------------------------------------- slash commands

    async def _command(self, typed: str) -> bool:
        word, _, rest = typed.partition(" ")
        found = find_slash(word)
        if len(found) != 1:
            near = ", ".join(command.name for command in found)
            hint = f"did you mean {near}?" if found else "/help lists the commands"
            raise UserError(f"there is no command {word}", hint=hint)
        if found[0].name == "/quit":
            return False
        actions: dict[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._help,
            "/status": self._show_status,
            "/cost": self._show_cost,
            "/model": self._model,
            "/multi-agent": self._switch,
            "/plan": self._plan,
            "/run": self._approve,
            "/diff": self._diff,
            "/undo": self._undo,
            "/clear": self._clear,
        }
        await actions[found[0].name](rest.strip())
        return True

    async def _help(self, _rest: str) -> None:
        self._show(slash_help_lines())

    async def _plan(self, rest: str) -> None:
        self._mode.plans_first = True
        if rest:
            await self._request(rest)
        else:
            self._show([Line(_FIRST_QUESTION, Tone.STRONG)])

    async def _clear(self, _rest: str) -> None:
        self._chat, self._view = None, None
        self._show([Line("A new conversation; the old one is kept in the log.")])

    async def _switch(self, rest: str) -> None:
        if rest not in ("", "on", "off"):
            raise UserError(f"/multi-agent takes on or off, not {rest}", hint="/multi-agent alone switches")
        self._mode.multi_agent = not self._mode.multi_agent if not rest else rest == "on"
        state = "on: supervisor and workers" if self._mode.multi_agent else "off: one agent in your checkout"
        self._show([Line(f"multi-agent {state}")])

    async def _model(self, rest: str) -> None:
        if rest:
            self._mode.model, self._chat = rest, None
            self._show([Line(f"model for this session: {rest} (a new conversation begins)")])
            return
        answer = await self._api.query(q.ModelsQuery())
        assert isinstance(answer, q.ModelsAnswer)
        self._show(models_lines(answer))

    async def _approve(self, _rest: str) -> None:
        waiting = [view for view in await self._api.runs(unfinished_only=True) if view.phase == "awaiting approval"]
        if not waiting:
            raise UserError("no plan waits for approval", hint="/plan TEXT makes one")
        seen = waiting[0].seq
        run = await self._api.submit(ResumeRun(run=waiting[0].run, approve=True))
        await self._follow(run, after=seen)

    async def _diff(self, _rest: str) -> None:
        answer = await self._api.query(q.DiffQuery(run=self._current()))
        assert isinstance(answer, q.DiffAnswer)
        self._show(diff_lines(answer.text) if answer.text.strip() else [Line("nothing was changed")])

    async def _undo(self, _rest: str) -> None:
        if self._chat is None:
            raise UserError("there is nothing to undo", hint="only turns of a single-agent conversation can be undone")
        seen = (await self._api.view(self._chat)).seq
        await self._api.submit(UndoChange(run=self._chat))
        view = await self._api.view(self._chat)
        changed = sum(1 for _ in range(seen + 1, view.seq))
        self._show([Line(f"taken back: {changed} {'file' if changed == 1 else 'files'}")])

    async def _show_cost(self, _rest: str) -> None:
        answer = await self._api.query(q.CostQuery(run=self._current()))
        assert isinstance(answer, q.CostAnswer)
        self._show(cost_lines(answer))

    async def _show_status(self, _rest: str) -> None:
        lines = [Line(await self._status())]
        if self._last is not None:
            view = await self._api.view(self._last)
            messages = sum(len(session.messages) for session in view.sessions.values())
            calls = sum(session.calls_made for session in view.sessions.values())
            lines.append(Line(f"run {view.run}: {view.state.value}, {messages} messages, {calls} iterations"))
            lines.append(Line(f"cost {dollars(view.spent)} of {limit(view.options.budget)}"))
        self._show(lines)

    async def _status(self) -> str:
        answer = await self._api.query(q.ModelsQuery())
        assert isinstance(answer, q.ModelsAnswer)
        names = {row.role: row.name or "none" for row in answer.configured}
        spent = f"  {dollars(self._view.spent)} of {limit(self._view.options.budget)}" if self._view is not None else ""
        if self._mode.multi_agent or self._mode.plans_first:
            supervisor = self._mode.model or names["supervisor"]
            return f"multi-agent on  supervisor {supervisor}  worker {names['worker']}{spent}"
        return f"multi-agent off  model {self._mode.model or names['single']}{spent}"

    def _current(self) -> RunId:
        if self._last is None:
            raise UserError("nothing has run yet in this session", hint="type what you want, or /help")
        return self._last

    def _say_how_to_go_on(self) -> None:
        if self._view is not None and not self._view.state.is_final:
            self._show([Line(f"resume with: equitrcoder resume {self._view.epic or self._view.run}")])

    def _show(self, lines: Sequence[Line]) -> None:
        self._keyboard.show(lines)


@contextmanager
def _interrupts() -> Iterator[asyncio.Event]:
    """While open, Ctrl-C sets the event instead of ending the program."""
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    try:
        yield interrupted
    finally:
        loop.remove_signal_handler(signal.SIGINT)
