"""Stays with one run until it ends or pauses: told on the screen, its questions answered, stopped when asked."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from equitr_coder.domain.commands import Interrupt
from equitr_coder.domain.errors import EquitrError, UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.presentation.person import Person
from equitr_coder.presentation.progress import question_lines
from equitr_coder.presentation.tally import Tally
from equitr_coder.presentation.text import Tone
from equitr_coder.repl.guest import Guest
from equitr_coder.repl.keyboard import Keyboard
from equitr_coder.repl.narrator import Narrator
from equitr_coder.repl.talk import Talk


class Attendant(Protocol):
    """Answers, with the person, what a run asks."""

    async def attend(self, known: RunView) -> None: ...


Attendants = Callable[[RunApi, Person], Sequence[Attendant]]
"""Made anew for each run that is followed."""


@frozen
class Followed:
    """What a run came to while it was followed."""

    view: RunView
    tally: Tally
    """Of what was new, not of earlier turns."""
    was_stopped: bool = False
    """The person pressed Ctrl-C, or ended a question with it."""
    was_abandoned: bool = False
    """They pressed it again before the run had stopped: `view` is not its end."""
    has_quit: bool = False


class Follower:
    def __init__(self, api: RunApi, keyboard: Keyboard, attendants: Attendants) -> None:
        self._api = api
        self._keyboard = keyboard
        self._attendants = attendants

    async def follow(self, run: RunId, *, known: RunView | None = None, after: int = 0) -> Followed:
        """Events up to number `after` are told already. `known` is a fold of the run's events to go on from; it is
        changed in place, and None reads them all.

        Raises:
            EquitrError: the run cannot be read.
        """
        view, tally, guest = known or RunView(run=run), Tally(), Guest(self._keyboard)
        stop, talk = _Stop(), Talk(self._api, self._keyboard, view)
        failures: list[EquitrError] = []
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(view, tally, guest, after=after, stop=stop, talk=talk))
                talking = group.create_task(talk.carry())
                stopping = group.create_task(self._stop_when_asked(run, stop))
                stop.hurries = (watching, stopping)
                await asyncio.wait([watching])
                talking.cancel()
                if not stop.asked.is_set():
                    stopping.cancel()
        except* EquitrError as errors:
            failures += [error for error in errors.exceptions if isinstance(error, EquitrError)]
        talk.give_back_rest()
        if failures:
            raise failures[0]
        return Followed(view, tally, stop.asked.is_set(), stop.was_hurried, guest.has_quit)

    async def _watch(self, view: RunView, tally: Tally, guest: Guest, *, after: int, stop: "_Stop", talk: Talk) -> None:
        narrator = Narrator(self._keyboard.screen, view)
        attendants = self._attendants(self._api, guest)
        told_open = False
        with self._keyboard.listening(lambda: self._press(stop), talk.hear) as listening:
            async for item in self._api.events(view.run, after=view.seq, deltas=True):
                if isinstance(item, ShownDelta):
                    narrator.stream(item)
                    continue
                apply(view, item)
                if item.seq <= after:
                    continue
                if not told_open:
                    told_open = True
                    self._repeat_questions(view, after)
                tally.add(item)
                narrator.tell(item)
                if _may_ask(view):
                    with listening.paused():
                        for attendant in attendants:
                            await attendant.attend(view)
                    if guest.is_closed:
                        stop.asked.set()

    def _repeat_questions(self, view: RunView, after: int) -> None:
        """What a resumed run still waits for was asked long ago."""
        for question in view.questions.values():
            if question.seq <= after:
                self._keyboard.screen.show(question_lines(question))

    def _press(self, stop: "_Stop") -> None:
        if stop.asked.is_set():
            stop.hurry()
            return
        stop.asked.set()
        self._keyboard.screen.say("Stopping; Ctrl-C again leaves.", Tone.WARN)

    async def _stop_when_asked(self, run: RunId, stop: "_Stop") -> None:
        await stop.asked.wait()
        try:
            await self._api.submit(Interrupt(run=run))
        except UserError as error:
            self._keyboard.screen.complain(str(error), error.hint)


class _Stop:
    """The person's wish to stop the run, and their impatience."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.was_hurried = False
        self.hurries: tuple[asyncio.Task[None], ...] = ()

    def hurry(self) -> None:
        self.was_hurried = True
        for task in self.hurries:
            task.cancel()


def _may_ask(view: RunView) -> bool:
    """Whether somebody may have to be asked now: only then the terminal is given to prompts and editors."""
    waits_for_approval = view.kind is not RunKind.CHAT and view.plan is not None and not view.is_approved
    return bool(view.questions or view.approvals or waits_for_approval)
