"""The slash commands of the screen: those of every interactive front end, and a few that only a screen has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from equitr_coder.domain import commands as c
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import CheckpointTaken, FileChanged
from equitr_coder.domain.runs import RunKind
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.history import history_lines
from equitr_coder.presentation.listings import models_lines
from equitr_coder.presentation.mode import PLAN, status_line
from equitr_coder.presentation.slash import SLASH_COMMANDS, SlashCommand, read_slash
from equitr_coder.presentation.text import Line, Tone, plural
from equitr_coder.presentation.trusting import Trusting

if TYPE_CHECKING:
    from equitr_coder.domain.ids import RunId
    from equitr_coder.ports import RunApi
    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.hearing import Hearing

_WIDTH = 100

SCREEN_COMMANDS = (
    *SLASH_COMMANDS[:-1],
    SlashCommand("/sessions", "earlier runs: resume, look, export"),
    SlashCommand("/settings", "settings and models, with where each value comes from"),
    SlashCommand("/export", "write the transcript into this folder, as Markdown or as JSON lines", "[md|jsonl]"),
    SlashCommand("/theme", "the next theme"),
    SLASH_COMMANDS[-1],
)


class Slash:
    def __init__(self, desk: Desk, api: RunApi, hearing: Hearing) -> None:
        self._desk = desk
        self._api = api
        self._hearing = hearing
        self._trusting = Trusting(api.query)
        self._actions: dict[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._opening("help"),
            "/status": self._status,
            "/cost": self._opening("money"),
            "/model": self._model,
            "/multi-agent": self._multi_agent,
            "/plan": self._plan,
            "/run": self._run,
            "/diff": self._diff,
            "/undo": self._undo,
            "/redo": self._redo,
            "/rewind": self._rewind,
            "/trust": self._trust,
            "/clear": self._clear,
            "/sessions": self._opening("sessions"),
            "/settings": self._opening("settings"),
            "/export": self._export,
            "/theme": self._theme,
            "/quit": self._quit,
        }

    async def do(self, typed: str) -> None:
        """Run the command that the line names.

        Raises:
            EquitrError: there is no such command, or it makes no sense now.
        """
        command, rest = read_slash(typed, SCREEN_COMMANDS)
        await self._actions[command.name](rest)

    def _opening(self, place: str) -> Callable[[str], Awaitable[None]]:
        async def go(_rest: str) -> None:
            self._desk.open(place)

        return go

    async def _status(self, _rest: str) -> None:
        view = self._desk.run.view if self._desk.run is not None else None
        lines = [Line(status_line(self._desk.mode, view))]
        if view is not None:
            messages = sum(len(session.messages) for session in view.sessions.values())
            calls = sum(session.calls_made for session in view.sessions.values())
            counts = f"{plural(messages, 'message')}, {plural(calls, 'iteration')}"
            lines.append(Line(f"{view.epic or view.run}: {view.phase}, {counts}"))
            lines.append(Line(f"cost {dollars(view.spent)} of {limit(view.options.budget)}"))
        self._desk.tell(lines)

    async def _model(self, rest: str) -> None:
        mode = self._desk.mode
        if not rest:
            answer = await self._api.query(q.ModelsQuery())
            assert isinstance(answer, q.ModelsAnswer)
            self._desk.tell(models_lines(answer, width=_WIDTH))
            return
        mode.model = None if rest == "default" else rest
        self._forget()
        self._desk.say(f"{', '.join(mode.models)} for this session; the next request begins a new conversation")

    async def _multi_agent(self, rest: str) -> None:
        if rest not in ("", "on", "off"):
            raise UserError(f"/multi-agent takes on or off, not {rest}", hint="/multi-agent alone switches")
        mode = self._desk.mode
        mode.plans_first = False
        mode.multi_agent = rest == "on" if rest else not mode.multi_agent
        self._desk.say(f"multi-agent {'on: supervisor and workers' if mode.multi_agent else 'off: one agent'}")

    async def _plan(self, rest: str) -> None:
        self._desk.mode.use(PLAN)
        if rest:
            self._desk.run = None
            await self._hearing.begin(rest)

    async def _run(self, rest: str) -> None:
        run = self._desk.run
        if not rest and run is not None and run.view.kind is not RunKind.CHAT and not run.view.state.is_final:
            if run.view.plan is not None and not run.view.is_approved:
                await self._hearing.approve(run.run)
            else:
                await self._hearing.go_on(run.run)
            return
        answer = await self._api.query(q.RunsQuery(unfinished_only=True))
        assert isinstance(answer, q.RunsAnswer)
        for row in answer.runs:
            is_meant = rest in (row.run, row.epic) if rest else not row.alive
            if row.kind is not RunKind.CHAT and is_meant:
                await self._hearing.go_on(row.run)
                return
        if rest:
            raise UserError(f"no unfinished run is called {rest}", hint="/sessions lists them")
        raise UserError("no plan waits for approval and no run is unfinished", hint="/plan TEXT makes a plan")

    async def _diff(self, _rest: str) -> None:
        if self._desk.run is None:
            raise UserError("nothing has run yet in this session", hint="type what you want, or /help")
        self._desk.open("diff")

    async def _undo(self, _rest: str) -> None:
        await self._move("taken back", c.UndoChange(run=self._chat))

    async def _redo(self, _rest: str) -> None:
        await self._move("brought back", c.RedoChange(run=self._chat))

    async def _rewind(self, rest: str) -> None:
        if not rest:
            self._desk.tell(history_lines(await self._api.view(self._chat), width=_WIDTH))
            return
        if not rest.isdecimal():
            raise UserError(f"{rest} is no step", hint="/rewind lists the steps by number")
        await self._move("changed", c.RewindChange(run=self._chat, state=int(rest)))

    @property
    def _chat(self) -> RunId:
        if self._desk.chat is None:
            raise UserError("there is nothing to undo", hint="only turns of a single-agent conversation can be undone")
        return self._desk.chat

    async def _move(self, what: str, command: c.UndoChange | c.RedoChange | c.RewindChange) -> None:
        """Go back or forth in the files of a chat, and say which changed by it and which were left alone."""
        seen = (await self._api.view(command.run)).seq
        await self._api.submit(command)
        events = [item async for item in self._api.events(command.run, after=seen)]
        if (known := self._desk.runs.get(command.run)) is not None:
            for item in events:
                if item.seq > known.view.seq:  # type: ignore[union-attr] # no deltas were asked for
                    known.take(item)
        moved = sorted({event.path for event in events if isinstance(event, FileChanged)})
        left = sorted({path for event in events if isinstance(event, CheckpointTaken) for path in event.left})
        lines = [Line(f"{what}: {', '.join(moved) or 'nothing'}")]
        if left:
            lines.append(Line(f"left alone, because they were changed since: {', '.join(left)}", Tone.WARN))
        self._desk.tell(lines)

    async def _trust(self, rest: str) -> None:
        self._desk.tell(await self._trusting.do(rest))

    async def _export(self, rest: str) -> None:
        from equitr_coder.tui.export import export

        if rest not in ("", "md", "jsonl"):
            raise UserError(f"/export takes md or jsonl, not {rest}", hint="/export alone writes Markdown")
        run = self._desk.run
        if run is None:
            raise UserError("there is no transcript yet", hint="/sessions lists earlier runs; e exports one of them")
        path = await export(self._api, run.run, self._desk.folder, "jsonl" if rest == "jsonl" else "md")
        self._desk.say(f"exported to {path}")

    async def _theme(self, _rest: str) -> None:
        self._desk.turn_theme()

    async def _clear(self, _rest: str) -> None:
        left = self._forget()
        kept = f"; the last one is kept as {left}" if left is not None else ""
        self._desk.say(f"a new conversation begins{kept}")
        self._desk.open("home")

    def _forget(self) -> RunId | None:
        """The next request begins a new conversation; returns the old one when there was one."""
        left, self._desk.chat = self._desk.chat, None
        if self._desk.run is not None and not self._desk.run.is_live:
            self._desk.run = None
        return left

    async def _quit(self, _rest: str) -> None:
        self._desk.leave()
