"""Asks the reviewers of a change, each blind to the others, and says what each of them said. Decides nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from equitr_coder.domain.errors import EquitrError, ModelError, RunStopped, UserError
from equitr_coder.domain.events import ReviewGiven
from equitr_coder.domain.ids import AgentName, SessionId
from equitr_coder.domain.panel import PanelRules, Voice, is_settled
from equitr_coder.orchestration.review_session import Matter, ReviewSessions, Seat
from equitr_coder.ports import EventSink

_NOT_WAITED_FOR = "it was not waited for: the others had decided"


class Panel:
    def __init__(self, *, rules: PanelRules, seconds: float, sessions: ReviewSessions, events: EventSink) -> None:
        """`seconds` is what one of several reviewers may take."""
        self._rules = rules
        self._seconds = seconds
        self._sessions = sessions
        self._events = events

    async def hear(self, matter: Matter) -> tuple[Voice, ...]:
        """One voice for each seat, in their order; what the log has is not asked again.

        Raises:
            RunStopped, ModelError: somebody must still be heard and cannot be now; who could was heard to the end.
        """
        seats = self._seats(matter)
        if len(seats) == 1 or self._rules.in_turn:
            stops: Mapping[Seat, EquitrError] = {}
            for seat in seats:
                if self._given(matter, seat) is None and not self._is_over(matter, seats):
                    await self._hear(matter, seat)
        else:
            stops = await self._hear_at_once(matter, seats)
        if stops and not self._is_over(matter, seats):
            raise next(iter(stops.values()))
        await self._events.record(
            *(
                _missing(matter, seat, str(stops[seat]) if seat in stops else _NOT_WAITED_FOR)
                for seat in seats
                if self._given(matter, seat) is None
            )
        )
        return tuple(self._voices(matter, seats))

    def _seats(self, matter: Matter) -> Sequence[Seat]:
        first = Seat(matter.session)
        if not self._rules.is_panel:
            return [first]
        first = replace(first, agent=AgentName("reviewer_1"), seconds=self._seconds)
        return [
            first,
            *(
                replace(first, session=SessionId(f"{matter.session}.{number}"), agent=AgentName(f"reviewer_{number}"))
                for number in range(2, self._rules.reviewers + 1)
            ),
        ]

    async def _hear_at_once(self, matter: Matter, seats: Sequence[Seat]) -> Mapping[Seat, EquitrError]:
        """What kept whom from being heard. One that is stopped stops no other: what they say is paid already."""
        hands: dict[Seat, asyncio.Task[None]] = {}
        stops: dict[Seat, EquitrError] = {}

        async def hear(seat: Seat) -> None:
            try:
                await self._hear(matter, seat)
            except (RunStopped, ModelError, UserError) as stop:
                stops[seat] = stop
            hands.pop(seat, None)
            if self._is_over(matter, seats):
                while hands:  # each once: a second one would cut short what the first sets right
                    hands.popitem()[1].cancel()

        async with asyncio.TaskGroup() as group:
            for seat in seats:
                if self._given(matter, seat) is None and not self._is_over(matter, seats):
                    hands[seat] = group.create_task(hear(seat), name=f"review {seat.session}")
        return stops

    async def _hear(self, matter: Matter, seat: Seat) -> None:
        end, why_not = await self._sessions.hear(seat, matter)
        if end is None and self._rules.is_panel:
            await self._events.record(_missing(matter, seat, why_not or "it ended in plain text"))
            return
        await self._events.record(
            ReviewGiven(
                session=seat.session,
                agent=seat.agent,
                task=matter.task.id,
                approved=end is not None and end.approved is True,
                reasons=end.reasons if end is not None else (no_verdict("the reviewer", why_not),),
                tree=matter.tree,
            )
        )

    def _is_over(self, matter: Matter, seats: Sequence[Seat]) -> bool:
        if self._rules.wait_for_all:
            return False
        voices = self._voices(matter, seats)
        return is_settled(voices, len(seats) - len(voices))

    def _voices(self, matter: Matter, seats: Sequence[Seat]) -> list[Voice]:
        found = (self._given(matter, seat) for seat in seats)
        return [
            Voice(
                agent=given.agent,
                session=given.session,
                approved=None if given.missing else given.approved,
                reasons=given.reasons,
            )
            for given in found
            if given is not None
        ]

    def _given(self, matter: Matter, seat: Seat) -> ReviewGiven | None:
        return self._events.view.reviews.get((seat.session, matter.tree))


def no_verdict(who: str, why: str) -> str:
    return f"{who} gave no verdict{f': {why}' if why else ''}"


def _missing(matter: Matter, seat: Seat, why: str) -> ReviewGiven:
    return ReviewGiven(
        session=seat.session,
        agent=seat.agent,
        task=matter.task.id,
        approved=False,
        reasons=(why,),
        tree=matter.tree,
        missing=True,
    )
