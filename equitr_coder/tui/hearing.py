"""Carries what the person says to the door, and what happens there to the desk."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from equitr_coder.domain import commands as c
from equitr_coder.domain.errors import EquitrError, UserError
from equitr_coder.domain.queries import CheckoutAnswer, CheckoutQuery, FilesAnswer, FilesQuery
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.presentation.ranking import FileNames
from equitr_coder.presentation.slash import find_slash, is_slash
from equitr_coder.tui.followed import FollowedRun
from equitr_coder.tui.slash import SCREEN_COMMANDS, Slash

if TYPE_CHECKING:
    from equitr_coder.domain.ids import RunId
    from equitr_coder.ports import RunApi
    from equitr_coder.tui.desk import Desk

_FAREWELLS = ("exit", "quit")


class Hearing:
    """Of one open door. Implements `desk.Ear`."""

    def __init__(self, desk: Desk, api: RunApi) -> None:
        self._desk = desk
        self._api = api
        self._slash = Slash(desk, api, self)
        self._stopped = asyncio.Condition()

    # ------------------------------------------------------------ what the person says

    async def hear(self, text: str, *, is_pasted: bool = False, steer: bool = False) -> None:
        words = text.strip()
        if not words:
            return
        if is_slash(words) and not is_pasted:
            await self._slash.do(words)
            return
        if is_pasted and is_slash(words) and find_slash(words.split(maxsplit=1)[0]):
            raise UserError("that was pasted, so it was not run as a command", hint="type the command to run it")
        if words.lower() in _FAREWELLS:
            self._desk.leave()
            return
        await self._send(words, steer=steer)

    async def _send(self, text: str, *, steer: bool) -> None:
        desk, run = self._desk, self._desk.run
        if run is None or not run.is_live:
            await self.begin(text)
            return
        if run.view.questions:
            question = next(iter(run.view.questions.values()))
            answer = chosen(question.options, text)
            await self._api.submit(c.AnswerQuestion(run=run.run, question=question.question, answer=answer))
            return
        to = desk.selected_task if run.view.is_approved else None
        if run.view.kind is not RunKind.CHAT and to is None:
            hint = "choose a lane to speak to its worker, or answer what is asked (F8)"
            raise UserError("nobody listens to that now", hint=hint)
        await self._api.submit(c.QueueMessage(run=run.run, text=text, to=to, steer=steer))

    async def begin(self, text: str) -> None:
        """A request, in the way that the mode says.

        Raises:
            EquitrError: it cannot be started.
        """
        desk, mode = self._desk, self._desk.mode
        if mode.has_workers:
            plan = PlanMode.ALWAYS if mode.plans_first else None
            start = c.StartRun(kind=RunKind.EPIC, request=text, plan=plan, multi_agent=True, model=mode.model)
            self.follow(await self._api.submit(start))
        elif desk.chat is not None:
            await self._api.submit(c.SendMessage(run=desk.chat, text=text))
            self.follow(desk.chat)
        else:
            start = c.StartRun(kind=RunKind.CHAT, request=text, multi_agent=False, model=mode.model)
            desk.chat = await self._api.submit(start)
            self.follow(desk.chat)
        desk.open("talk")

    async def go_on(self, run: RunId) -> None:
        """Raises:
        EquitrError: it cannot go on.
        """
        if run in self._desk.runs and self._desk.runs[run].is_live:
            self._focus(self._desk.runs[run])
            return
        view = await self._api.view(run)
        if view.kind is RunKind.CHAT:
            await self._look(run)
            self._desk.chat = run
            self._desk.mode.use("chat")
            self._desk.say("your next message goes on with it")
            return
        if view.state.is_final and not view.can_be_tried_again:
            await self._look(run)
            return
        waits = view.plan is not None and not view.is_approved
        await self._api.submit(c.ResumeRun(run=run))
        self.follow(run)
        self._desk.open("review" if waits else "run" if view.is_approved else "talk")

    async def approve(self, run: RunId) -> None:
        """Approve the plan that waits, whether its run lives here or is paused."""
        followed = self._desk.runs.get(run)
        if followed is not None and followed.is_live:
            await self._api.submit(c.ApprovePlan(run=run))
        else:
            await self._api.submit(c.ResumeRun(run=run, approve=True))
            self.follow(run)
        self._desk.open("run")

    async def interrupt(self) -> None:
        if (run := self._desk.run) is not None:
            await self._api.submit(c.Interrupt(run=run.run))

    async def take_back(self) -> str | None:
        run = self._desk.run
        waiting = run.view.users_waiting if run is not None else []
        if run is None or not waiting:
            self._desk.say("nothing is queued")
            return None
        await self._api.submit(c.CancelMessage(run=run.run, message=waiting[-1].id))
        return waiting[-1].content

    async def steer_queued(self) -> None:
        """What waits for the end of the turn goes in before the next model call."""
        run = self._desk.run
        for sent in list(run.view.users_waiting) if run is not None else []:
            if run is not None and sent.kind == "queue":
                await self._api.submit(c.CancelMessage(run=run.run, message=sent.id))
                await self._api.submit(c.QueueMessage(run=run.run, text=sent.content, steer=True))

    async def stop_all(self) -> None:
        for run in self._desk.live:
            await self._api.submit(c.Interrupt(run=run.run))
        async with self._stopped:
            await self._stopped.wait_for(lambda: not self._desk.live)

    # ------------------------------------------------------------ what comes

    def follow(self, run: RunId) -> None:
        """Show the run, and everything that happens in it until it ends or pauses."""
        known = self._desk.runs.setdefault(run, FollowedRun(RunView(run=run)))
        known.is_followed = True
        self._focus(known)
        self._desk.do(self._watch(known))

    async def _look(self, run: RunId) -> None:
        """Show a run that does not work here: its events so far."""
        known = FollowedRun(RunView(run=run), is_followed=False)
        await self._read(known)
        self._desk.runs[run] = known
        self._focus(known)
        self._desk.open("talk" if known.view.kind is RunKind.CHAT or not known.view.is_approved else "run")

    def _focus(self, known: FollowedRun) -> None:
        self._desk.run = known
        self._desk.selected_task = None
        self._desk.version += 1
        self._desk.changed()

    async def _watch(self, known: FollowedRun) -> None:
        try:
            while True:
                await self._read(known)
                now = await self._api.view(known.run)
                # What was queued in the moment in which a turn ended has begun the next one.
                if now.seq <= known.view.seq and now.state is not RunState.RUNNING:
                    break
        except EquitrError as error:
            self._desk.say(str(error), getattr(error, "hint", ""), is_bad=True)
        finally:
            known.is_followed = False
            self._desk.version += 1
            async with self._stopped:
                self._stopped.notify_all()
        await self.look_around()

    async def _read(self, known: FollowedRun) -> None:
        """To the end or pause of a run that is followed; else to what stands in its log now."""
        last = None if known.is_followed else (await self._api.view(known.run)).seq
        items = self._api.events(known.run, after=known.view.seq, deltas=known.is_followed)
        async with aclosing(items):  # type: ignore[type-var] # an async generator behind the port's iterator
            async for item in items:
                known.take(item)
                if last is not None and known.view.seq >= last:
                    return

    async def look_around(self) -> None:
        """The files that can be mentioned, and the branch."""
        files = await self._api.query(FilesQuery())
        assert isinstance(files, FilesAnswer)
        offers = self._desk.offers
        offers.commands = SCREEN_COMMANDS
        offers.files = await asyncio.to_thread(FileNames, files.files)
        offers.words = {"/model": (*self._desk.mode.setup.names, "default"), "/multi-agent": ("on", "off")}
        stands = await self._api.query(CheckoutQuery())
        assert isinstance(stands, CheckoutAnswer)
        state = "clean" if stands.is_clean else "changed"
        if stands.is_repository:
            self._desk.branch = f"{stands.branch or 'detached'}, {state}"
        self._desk.version += 1


def chosen(options: tuple[str, ...], typed: str) -> str:
    """The option of this number, or the words themselves."""
    word = typed.strip()
    if word.isdigit() and 1 <= int(word) <= len(options):
        return options[int(word) - 1]
    return word
