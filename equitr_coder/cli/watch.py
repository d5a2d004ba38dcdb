"""Follows one run from a command to its end: prints it, asks the person what it asks, and gives the exit code."""

import asyncio

from equitr_coder.cli.answers import Answers
from equitr_coder.cli.console import Console
from equitr_coder.cli.doors import Streams
from equitr_coder.cli.exit_codes import ExitCode, exit_code
from equitr_coder.cli.interrupts import Interrupts, interrupts
from equitr_coder.cli.reporters import Reporter
from equitr_coder.cli.review import Review
from equitr_coder.cli.terminal import Terminal
from equitr_coder.domain.commands import Interrupt, ResumeRun, StartRun
from equitr_coder.domain.events import Event, MessageAdded, RunFinished, RunResumed
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.presentation.summary import trouble
from equitr_coder.presentation.tally import Tally
from equitr_coder.presentation.text import Line, Tone, shown_on_one_line

Attendant = Answers | Review


@frozen
class Watch:
    """Who prints and who is asked while runs are followed."""

    api: RunApi
    reporter: Reporter
    console: Console
    streams: Streams

    async def follow(self, command: StartRun | ResumeRun) -> ExitCode:
        """Submit the command and stay until the run ends or pauses."""
        terminal = Terminal(self.streams) if command.can_ask else None
        with interrupts(self._announce) as asked:
            told = await self._told(command)
            run = await self.api.submit(command)
            async with asyncio.TaskGroup() as group:
                stopper = group.create_task(self._stop_when_asked(asked, run, terminal))
                view, tally = await self._events(run, told, self._attendants(terminal, told), terminal, asked)
                stopper.cancel()
        self.reporter.end(view, tally)
        self._complain(view)
        return exit_code(view)

    def _attendants(self, terminal: Terminal | None, told: int) -> list[Attendant]:
        if terminal is None:
            return []
        return [Answers(self.api, terminal, told=told), Review(self.api, terminal, is_resumed=told > 0)]

    async def _events(
        self, run: RunId, told: int, attendants: list[Attendant], terminal: Terminal | None, asked: Interrupts
    ) -> tuple[RunView, Tally]:
        view, tally = RunView(run=run), Tally()
        is_new = told == 0
        unsaid: MessageAdded | None = None
        async for event in self.api.events(run):
            if isinstance(event, ShownDelta):
                continue
            fold([event], view)
            tally.add(event)
            if not is_new and not (isinstance(event, RunResumed) and event.seq > told):
                unsaid = _unsaid(event, unsaid)
                continue
            self.reporter.event(event, view)
            if not is_new and unsaid is not None:
                self.reporter.missed(unsaid, view)
            is_new = True
            for attendant in attendants:
                await attendant.attend(view)
            if terminal is not None and terminal.is_closed and not asked.were_asked:
                asked.ask()
        return view, tally

    async def _told(self, command: StartRun | ResumeRun) -> int:
        """How far the log of a run to be resumed was told before."""
        if isinstance(command, StartRun):
            return 0
        unfinished = await self.api.runs(unfinished_only=True)
        return next((view.seq for view in unfinished if command.run in (None, view.run, view.epic)), 0)

    async def _stop_when_asked(self, asked: Interrupts, run: RunId, terminal: Terminal | None) -> None:
        await asked.wait()
        if terminal is not None:
            terminal.give_up()
        await self.api.submit(Interrupt(run=run))

    def _complain(self, view: RunView) -> None:
        """What stopped the run, on stderr, in the form of every other error."""
        found = trouble(view)
        if found is not None:
            message, hint = found
            self.console.note(f"error: {shown_on_one_line(message)}", Tone.BAD)
            self.console.note(f"hint: {shown_on_one_line(hint)}")

    def _announce(self) -> None:
        self.console.aside([Line(""), Line("Stopping cleanly; Ctrl-C again leaves at once.", Tone.WARN)])


def _unsaid(event: Event, before: MessageAdded | None) -> MessageAdded | None:
    """The answer that stands at the end of the log so far: its turn was cut off, so it may not have been printed."""
    match event:
        case MessageAdded(message=AssistantMessage(calls=())):
            return event
        case MessageAdded() | RunFinished():
            return None
        case _:
            return before
