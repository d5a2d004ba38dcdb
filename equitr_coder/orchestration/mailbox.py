"""Messages to the agents of a run. They are events; the receiver's loop brings them before its next model call."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from equitr_coder.domain.events import Event, MessageSent
from equitr_coder.domain.ids import RequestId
from equitr_coder.ports import EventSink

HOST = "host"


class Mailbox:
    """One for a run, shared by all who write: ids follow what is recorded."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._turn = asyncio.Lock()

    async def post(self, make: Callable[[], Sequence[Event]]) -> None:
        """Record what `make` returns, letters and whatever they tell of, as one transaction. Letters that are written
        at the same time would get the same id; here one writer waits for the other.
        """
        async with self._turn:
            await self._events.record(*make())

    def letter(
        self,
        to: str,
        content: str,
        *,
        topic: str = "",
        sender: str = HOST,
        kind: Literal["finding", "question", "response", "escalation"] = "finding",
        number: int = 1,
    ) -> MessageSent:
        """An event to record, alone or in one transaction with what it tells of. `number` counts within one such
        transaction, because ids follow what is recorded.
        """
        mail = RequestId(f"m{len(self._events.view.messages) + number}")
        return MessageSent(id=mail, sender=sender, to=to, kind=kind, topic=topic, content=content)
