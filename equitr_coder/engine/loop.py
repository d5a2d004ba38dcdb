"""One agent's session: ask the guards, call the model, run its tools, again. The transcript lives in the event log."""

from collections.abc import Sequence
from typing import Any

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.events import MessageAdded
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RequestId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import AssistantMessage, SystemMessage, UserMessage
from equitr_coder.domain.run_view import SessionView
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.engine.compaction import Compaction
from equitr_coder.engine.dispatch import Dispatcher
from equitr_coder.engine.inbox import Inbox
from equitr_coder.engine.model_call import Caller, ModelCalls
from equitr_coder.ports import AgentOutcome, Coach, EventGate, Guard


@frozen
class Opening:
    """What a new session starts with. Of a session that is in the log already, the log's own opening holds."""

    system: str
    first_message: str
    images: tuple[Image, ...] = ()
    delivers: tuple[RequestId, ...] = ()


class AgentLoop:
    """Implements `ports.Agent`."""

    def __init__(
        self,
        *,
        caller: Caller,
        opening: Opening,
        compaction: Compaction,
        calls: ModelCalls,
        dispatcher: Dispatcher,
        events: EventGate,
        guards: Sequence[Guard],
        coach: Coach | None = None,
    ) -> None:
        self._caller = caller
        self._opening = opening
        self._compaction = compaction
        self._calls = calls
        self._dispatcher = dispatcher
        self._events = events
        self._guards = guards
        self._coach = coach
        self._inbox = Inbox(events, caller)

    async def run(self, message: str | None = None) -> AgentOutcome:
        await self._open(message)
        while True:
            end = await self._finish_tools()
            session = self._session
            is_done = end is not None or self._has_spoken(session)
            if is_done and not (end is None and await self._inbox.deliver_steers()):
                return AgentOutcome(text=_last_text(session), end=end, iterations=session.calls_made)
            await self._inbox.deliver()
            for guard in self._guards:
                guard.check(session.calls_made)
            await self._hear_coach()
            await self._call()

    async def _call(self) -> None:
        await self._compaction.make_room()
        while True:
            try:
                await self._calls.call(self._compaction.request())
            except ModelError as error:
                if error.kind is not ModelErrorKind.CONTEXT_OVERFLOW:
                    raise
                await self._compaction.make_room_after(error)
            else:
                return

    @property
    def _session(self) -> SessionView:
        return self._events.view.sessions[self._caller.session]

    async def _hear_coach(self) -> None:
        word = await self._coach.word() if self._coach is not None else None
        if word is not None:
            await self._events.record(MessageAdded(**self._who, message=UserMessage(text=word)))

    @property
    def _who(self) -> dict[str, Any]:
        return {"session": self._caller.session, "agent": self._caller.agent, "task": self._caller.task}

    async def _open(self, message: str | None) -> None:
        who = self._who
        known = self._events.view.sessions.get(self._caller.session)
        if known is None or not known.messages:
            self._events.note(
                MessageAdded(**who, message=SystemMessage(text=self._opening.system)),
                MessageAdded(
                    **who,
                    message=UserMessage(text=self._opening.first_message, images=self._opening.images),
                    delivers=self._opening.delivers,
                ),
            )
        if message is not None:
            await self._finish_tools()
            await self._events.record(MessageAdded(**who, message=UserMessage(text=message)))

    async def _finish_tools(self) -> ToolEnd | None:
        """Run the calls of the last answer that have no result yet; returns how the session ended, if it did."""
        session = self._session
        open_calls = set(session.unanswered)
        last = _last_answer(session)
        if last is not None:
            for call in last.calls:
                if call.id in open_calls:
                    await self._dispatcher.run(call)
        return session.end

    def _has_spoken(self, session: SessionView) -> bool:
        """Whether the last message is an answer without tool calls: the turn is over."""
        last = session.messages[-1]
        return isinstance(last, AssistantMessage) and not last.calls


def _last_answer(session: SessionView) -> AssistantMessage | None:
    return next((m for m in reversed(session.messages) if isinstance(m, AssistantMessage)), None)


def _last_text(session: SessionView) -> str:
    answer = _last_answer(session)
    return answer.text if answer is not None else ""
