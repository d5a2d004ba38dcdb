"""The slash commands: each shows something, switches the mode, or hands a run to `turns`."""

from collections.abc import Awaitable, Callable

from equitr_coder.domain import commands as c
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import RunApi
from equitr_coder.presentation.cost import cost_lines
from equitr_coder.presentation.diff import diff_lines
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.history import history_lines
from equitr_coder.presentation.listings import models_lines
from equitr_coder.presentation.mode import Mode, status_line
from equitr_coder.presentation.slash import read_slash, slash_help_lines
from equitr_coder.presentation.text import Line, Tone, plural
from equitr_coder.presentation.trusting import Trusting
from equitr_coder.repl.screen import Screen
from equitr_coder.repl.turns import Next, Turns

FIRST_QUESTION = "What would you like to build?"
_KEYS = (
    Line("Enter sends; Alt-Enter, Ctrl-J or a backslash before Enter begin a new line."),
    Line("@ and part of a name completes a file; arrow keys and Ctrl-R find what you asked before."),
    Line("Ctrl-C stops the agent, and once more leaves; Ctrl-D on an empty line leaves."),
    Line("While the agent of a chat works: Enter queues a line for the next turn, Alt-S says it before the next step,"),
    Line("Alt-Up takes it back. Otherwise it stands at the next prompt. TERM=dumb gives a prompt of plain lines."),
)


class Commands:
    def __init__(self, api: RunApi, screen: Screen, mode: Mode, turns: Turns) -> None:
        self._api = api
        self._screen = screen
        self._mode = mode
        self._turns = turns
        self._trusting = Trusting(api.query)
        self._actions: dict[str, Callable[[str], Awaitable[Next | None]]] = {
            "/help": self._help,
            "/status": self._status,
            "/cost": self._cost,
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
            "/quit": self._quit,
        }

    async def do(self, typed: str) -> Next:
        """Run the command that the line names.

        Raises:
            EquitrError: there is no such command, or it makes no sense now.
        """
        command, rest = read_slash(typed)
        return await self._actions[command.name](rest) or Next.PROMPT

    async def _help(self, _rest: str) -> None:
        self._screen.show([*slash_help_lines(width=self._screen.width), *_KEYS])

    async def _status(self, _rest: str) -> None:
        lines = [Line(status_line(self._mode, self._turns.view))]
        if self._turns.last is not None:
            view = await self._api.view(self._turns.last)
            messages = sum(len(session.messages) for session in view.sessions.values())
            calls = sum(session.calls_made for session in view.sessions.values())
            counts = f"{plural(messages, 'message')}, {plural(calls, 'iteration')}"
            lines.append(Line(f"{view.epic or view.run}: {view.phase}, {counts}"))
            lines.append(Line(f"cost {dollars(view.spent)} of {limit(view.options.budget)}"))
        self._screen.show(lines)

    async def _cost(self, _rest: str) -> None:
        answer = await self._api.query(q.CostQuery(run=self._turns.current))
        assert isinstance(answer, q.CostAnswer)
        self._screen.show(cost_lines(answer))

    async def _model(self, rest: str) -> None:
        if rest:
            self._mode.model = None if rest == "default" else rest
            self._turns.forget()
            models = ", ".join(self._mode.models)
            self._screen.say(f"{models} for this session; the next request begins a new conversation")
            return
        answer = await self._api.query(q.ModelsQuery())
        assert isinstance(answer, q.ModelsAnswer)
        self._screen.show(models_lines(answer, width=self._screen.width))
        if self._mode.model is not None:
            self._screen.say(f"in this session: {', '.join(self._mode.models)}; `/model default` goes back")

    async def _multi_agent(self, rest: str) -> None:
        if rest not in ("", "on", "off"):
            raise UserError(f"/multi-agent takes on or off, not {rest}", hint="/multi-agent alone switches")
        self._mode.multi_agent = rest == "on" if rest else not self._mode.multi_agent
        state = "on: supervisor and workers" if self._mode.multi_agent else "off: one agent in your checkout"
        self._screen.say(f"multi-agent {state}")

    async def _plan(self, rest: str) -> Next | None:
        self._mode.plans_first = True
        if rest:
            return await self._turns.request(rest)
        self._screen.say(FIRST_QUESTION, Tone.STRONG)
        return None

    async def _run(self, rest: str) -> Next:
        return await self._turns.resume(rest)

    async def _diff(self, rest: str) -> None:
        state = _number(rest) if rest else None
        answer = await self._api.query(q.DiffQuery(run=self._turns.current, state=state))
        assert isinstance(answer, q.DiffAnswer)
        self._screen.show(diff_lines(answer.text) if answer.text.strip() else [Line("nothing was changed")])

    async def _undo(self, _rest: str) -> None:
        await self._move("taken back", c.UndoChange(run=self._turns.chat_with_files))

    async def _redo(self, _rest: str) -> None:
        await self._move("brought back", c.RedoChange(run=self._turns.chat_with_files))

    async def _rewind(self, rest: str) -> None:
        chat = self._turns.chat_with_files
        if rest:
            await self._move("changed", c.RewindChange(run=chat, state=_number(rest)))
            return
        view = await self._api.view(chat)
        self._screen.show(history_lines(view, width=self._screen.width))

    async def _move(self, what: str, command: c.UndoChange | c.RedoChange | c.RewindChange) -> None:
        moved = await self._turns.move(command)
        self._screen.say(f"{what}: {', '.join(moved.paths) or 'nothing'}")
        if moved.left:
            self._screen.say(f"left alone, because they were changed since: {', '.join(moved.left)}", Tone.WARN)
        if moved.uncovered:
            self._screen.say(f"not covered (ignored; large or made by a tool): {', '.join(moved.uncovered)}", Tone.DIM)

    async def _trust(self, rest: str) -> None:
        self._screen.show(await self._trusting.do(rest))

    async def _clear(self, _rest: str) -> None:
        left = self._turns.forget()
        kept = f"; the last one is kept as {left}" if left is not None else ""
        self._screen.say(f"a new conversation begins{kept}")

    async def _quit(self, _rest: str) -> Next:
        return Next.LEAVE


def _number(text: str) -> int:
    """Raises UserError when it is none."""
    if not text.isdecimal():
        raise UserError(f"{text} is no step", hint="/rewind lists the steps by number")
    return int(text)
