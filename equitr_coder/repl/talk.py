"""What the person says to the agent of a chat while it works, as commands of the run."""

import asyncio
from typing import assert_never

from equitr_coder.domain.commands import CancelMessage, QueueMessage
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.ports import RunApi
from equitr_coder.repl.keyboard import Keyboard, Queued, Said, Steering, TakenBack


class Talk:
    """Of one run while it is followed; `view` is the fold of its events, changed in place by whoever follows it."""

    def __init__(self, api: RunApi, keyboard: Keyboard, view: RunView) -> None:
        self._api = api
        self._keyboard = keyboard
        self._view = view
        self._said: asyncio.Queue[Said] = asyncio.Queue()

    def hear(self, what: Said) -> bool:
        """Whether the agent can be spoken to now: not while it asks, when a line may be meant as the answer."""
        view = self._view
        is_at_work = view.kind is RunKind.CHAT and view.state is RunState.RUNNING
        if not is_at_work or view.questions or view.approvals:
            return False
        self._said.put_nowait(what)
        return True

    async def carry(self) -> None:
        """Hand on what is said, for ever."""
        while True:
            what = await self._said.get()
            try:
                await self._hand_on(what)
            except UserError as error:
                self._keyboard.screen.complain(str(error), error.hint)

    def give_back_rest(self) -> None:
        """What came too late stands at the next prompt."""
        while not self._said.empty():
            what = self._said.get_nowait()
            if not isinstance(what, TakenBack):
                self._keyboard.give_back(what.text)

    async def _hand_on(self, what: Said) -> None:
        run = self._view.run
        match what:
            case Queued():
                await self._api.submit(QueueMessage(run=run, text=what.text))
            case Steering(text="") | TakenBack():
                waiting = self._view.users_waiting
                if not waiting:
                    return
                await self._api.submit(CancelMessage(run=run, message=waiting[-1].id))
                if isinstance(what, Steering):
                    await self._api.submit(QueueMessage(run=run, text=waiting[-1].content, steer=True))
                else:
                    self._keyboard.give_back(waiting[-1].content)
            case Steering():
                await self._api.submit(QueueMessage(run=run, text=what.text, steer=True))
            case _ as unreachable:
                assert_never(unreachable)
