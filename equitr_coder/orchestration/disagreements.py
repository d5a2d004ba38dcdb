"""What becomes of reviewers that disagree: a conflict of the kind `finding`, decided by the rule of the team."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from equitr_coder.domain.approvals import VERDICT, Approval
from equitr_coder.domain.conflicts import Conflict, ConflictStage, ConflictState
from equitr_coder.domain.events import (
    ConflictChanged,
    ConflictResolved,
    EscalationAnswered,
    EscalationAsked,
    EscalationSkipped,
    EscalationTrigger,
    Event,
    MessageSent,
    ReviewGiven,
)
from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TaskId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.panel import EscalationPolicy, Voice, disagree, dissent, is_tie, majority, tally
from equitr_coder.domain.run_view import ConflictView, RunView
from equitr_coder.orchestration import briefing
from equitr_coder.orchestration.advice import Quota
from equitr_coder.orchestration.conflict_log import ConflictLog
from equitr_coder.orchestration.panel import no_verdict
from equitr_coder.orchestration.review_session import SUPERVISOR, Matter, ReviewSessions, Seat
from equitr_coder.ports import Approvals, EventSink, Repository, ToolEnd

_UNNAMED = RequestId("")


class Disagreements:
    def __init__(
        self,
        *,
        policy: EscalationPolicy,
        names: Mapping[TaskId, AgentName],
        sessions: ReviewSessions,
        log: ConflictLog,
        quota: Quota,
        approvals: Approvals,
        repository: Repository,
        events: EventSink,
    ) -> None:
        """`names`: whose work it is."""
        self._policy = policy
        self._names = names
        self._sessions = sessions
        self._log = log
        self._quota = quota
        self._approvals = approvals
        self._repository = repository
        self._events = events

    async def settle(self, matter: Matter, voices: Sequence[Voice]) -> ConflictResolved | None:
        """The decision, which the log has from then on; None where nobody disagrees.

        Raises:
            RunStopped, ModelError: whoever decides cannot be asked now; what was said so far is kept.
        """
        if not disagree(voices):
            return None
        found = self._known(matter)
        if found is None:
            found = await self._log.open(
                Conflict(
                    id=_UNNAMED,
                    kind="finding",
                    stage=ConflictStage.REVIEW,
                    tasks=(matter.task.id,),
                    detail=tally(voices),
                    ours=matter.old,
                    theirs=matter.new,
                    attempt=matter.attempt,
                    voices=tuple(voices),
                )
            )
        if found.resolved is None:
            await self._decide(matter, found)
        assert found.resolved is not None, "whoever decides records it"
        return found.resolved

    async def _decide(self, matter: Matter, found: ConflictView) -> None:
        match self._policy:
            case "vote":
                await self._events.record(_by_vote(found.conflict))
            case "coordinator":
                await self._by_coordinator(matter, found)
            case "on_disagreement":
                await self._by_escalation(matter, found)
            case _ as unreachable:
                assert_never(unreachable)

    async def _by_coordinator(self, matter: Matter, found: ConflictView) -> None:
        seat = _decider(matter)
        end, why_not = await self._sessions.hear(seat, matter, beside=self._story(found, may_pass_on=False))
        await self._events.record(*_by_supervisor(matter, found.conflict, seat, end, why_not))

    async def _by_escalation(self, matter: Matter, found: ConflictView) -> None:
        seat = replace(_decider(matter), profile="arbiter", purpose=Purpose.ESCALATION, nudge=briefing.ARBITER_NUDGE)
        if not await self._may_ask(matter, found.conflict, seat):
            return
        if found.state is not ConflictState.ESCALATED:
            end, why_not = await self._sessions.hear(seat, matter, beside=self._story(found, may_pass_on=True))
            if end is not None and end.kind == "reviewed":
                ruled = _by_supervisor(matter, found.conflict, seat, end, why_not)
                answer = f"{'approve' if end.approved else 'reject'}: {end.summary or 'no remarks'}"
                await self._events.record(*ruled, self._answered(matter, found.conflict, seat, answer))
                return
            words = end.summary if end is not None else no_verdict("the supervisor", why_not)
            await self._events.record(
                self._answered(matter, found.conflict, seat, f"Handed on to the user. {words}"),
                ConflictChanged(conflict=found.conflict.id, state=ConflictState.ESCALATED, detail=words),
            )
        await self._by_person(matter, found, seat)

    async def _may_ask(self, matter: Matter, conflict: Conflict, seat: Seat) -> bool:
        """False when the run has no more questions: the vote has decided then."""
        escalation = _escalation(conflict)
        if any(asked.escalation == escalation for asked, _ in self._view.escalations):
            return True
        who = self._who(matter, seat)
        question = f"{conflict.id}: the reviewers of {matter.task.id} disagree ({conflict.detail})"
        trigger = EscalationTrigger.DISAGREEMENT
        asked = EscalationAsked(**who, escalation=escalation, question=question, automatic=True, trigger=trigger)
        message = MessageSent(
            id=RequestId(f"m:{escalation}"),
            sender=matter.task.id,
            to=SUPERVISOR,
            kind="escalation",
            topic=trigger.value,
            content=question,
        )
        if await self._quota.admit(asked, message):
            return True
        limit = self._quota.limit
        why = f"the run's questions to the supervisor are used up ({limit})"
        await self._events.record(
            EscalationSkipped(**who, escalation=escalation, trigger=trigger, limit=limit),
            _by_vote(conflict, because=why),
        )
        return False

    async def _by_person(self, matter: Matter, found: ConflictView, seat: Seat) -> None:
        conflict = found.conflict
        said = "; ".join(_said(voice) for voice in conflict.voices)
        answer = await self._approvals.ask(
            Approval(
                id=RequestId(f"{VERDICT}:{conflict.id}"),
                session=seat.session,
                agent=seat.agent,
                task=matter.task.id,
                tool=VERDICT,
                what=await self._repository.diff(matter.old, matter.new),
                why=f"the reviewers disagree ({conflict.detail}): {said}. The supervisor: {found.detail}",
                inside=False,
            )
        )
        is_person = answer.by == "user" or answer.allowed
        words = answer.note or ("" if is_person else "nobody was there to decide")
        await self._events.record(
            _resolved(conflict, "user" if is_person else "unattended", words, approved=answer.allowed)
        )

    # ---------------------------------------------------------------- what is known

    @property
    def _view(self) -> RunView:
        return self._events.view

    def _known(self, matter: Matter) -> ConflictView | None:
        return next(
            (
                found
                for found in self._view.conflicts.values()
                if found.conflict.voices and found.conflict.voices[0].session == matter.session
            ),
            None,
        )

    def _story(self, found: ConflictView, *, may_pass_on: bool) -> str:
        attended = self._view.options.can_ask
        return briefing.disagreement_story(found.conflict.voices, may_pass_on=may_pass_on, is_attended=attended)

    def _who(self, matter: Matter, seat: Seat) -> dict[str, str]:
        return {"session": seat.session, "agent": self._names[matter.task.id], "task": matter.task.id}

    def _answered(self, matter: Matter, conflict: Conflict, seat: Seat, answer: str) -> EscalationAnswered:
        usd = sum((row.usd for row in self._view.ledger.values() if row.session == seat.session), ZERO)
        return EscalationAnswered(**self._who(matter, seat), escalation=_escalation(conflict), answer=answer, usd=usd)


def _decider(matter: Matter) -> Seat:
    return Seat(SessionId(f"{matter.session}.decision"))


def _escalation(conflict: Conflict) -> RequestId:
    return RequestId(f"disagreement:{conflict.id}")


def _by_vote(conflict: Conflict, *, because: str = "") -> ConflictResolved:
    words = [because, f"{conflict.detail}{': a tie is no approval' if is_tie(conflict.voices) else ''}"]
    return _resolved(conflict, "vote", "; ".join(filter(None, words)), approved=majority(conflict.voices))


def _by_supervisor(
    matter: Matter, conflict: Conflict, seat: Seat, end: ToolEnd | None, why_not: str
) -> Sequence[Event]:
    approved = end is not None and end.approved is True
    reasons = end.reasons if end is not None else (no_verdict("the supervisor", why_not),)
    given = ReviewGiven(
        session=seat.session,
        agent=seat.agent,
        task=matter.task.id,
        approved=approved,
        reasons=reasons,
        tree=matter.tree,
    )
    return [given, _resolved(conflict, "supervisor", "\n".join(reasons), approved=approved)]


def _resolved(conflict: Conflict, how: str, detail: str, *, approved: bool) -> ConflictResolved:
    return ConflictResolved.model_validate(
        {
            "conflict": conflict.id,
            "how": how,
            "detail": detail,
            "approved": approved,
            "dissent": dissent(conflict.voices, approved=approved),
        }
    )


def _said(voice: Voice) -> str:
    words = {True: "approves", False: "rejects", None: "gave no verdict"}[voice.approved]
    reasons = ", ".join(voice.reasons)
    return f"{voice.agent} {words}{f' ({reasons})' if reasons else ''}"
