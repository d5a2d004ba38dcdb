"""What a session is told between its steps when it gets nowhere: first the evidence, then the supervisor's advice.

What was said stands in the transcript, so a restart says nothing twice.
"""

from collections.abc import Sequence

from equitr_coder.domain.events import EscalationTrigger
from equitr_coder.domain.ids import SessionId
from equitr_coder.domain.models import ToolMessage
from equitr_coder.domain.run_view import SessionView
from equitr_coder.engine.boundary import PUT_BACK_OPENING
from equitr_coder.engine.edit_failures import FailedEdit, failed_in_a_row
from equitr_coder.engine.guards import said
from equitr_coder.engine.permission import LEAVES_FOOTPRINT
from equitr_coder.engine.progress import Circle, circle, standstill, steps_since
from equitr_coder.ports import EventSink, Overseer

_SAME_CALL = 3
"""Times that one call is the same before a word is said."""
_SAME_ROUND = 6
"""Steps that a longer circle takes before a word is said."""
_NO_NEWS = 10
"""Steps without anything new, in whatever order, before a word is said."""
_PATIENCE = 3
"""Steps that a session gets to heed the evidence before the supervisor is asked."""
_REFUSALS = 2
_FAILED_EDITS = 3
_SHOWN = 600

NUDGE = "You are going round in circles: "
ADVICE = "You are still going round in circles, so the supervisor was asked. It answers:\n"
FOOTPRINT_ADVICE = (
    "Writing outside your footprint was refused more than once, so the supervisor was asked. It answers:\n"
)
EDIT_ADVICE = "Three edits in a row found no place, so the supervisor was asked. It answers:\n"


class Coach:
    """Implements `ports.Coach` for one session; without an `advisor` there is nobody stronger to ask."""

    def __init__(self, events: EventSink, session: SessionId, advisor: Overseer | None) -> None:
        self._events = events
        self._session = session
        self._advisor = advisor

    async def word(self) -> str | None:
        session = self._events.view.sessions[self._session]
        failed = failed_in_a_row(session)
        if len(failed) >= _FAILED_EDITS and steps_since(session, EDIT_ADVICE) is None:
            word = await self._ask(EscalationTrigger.FAILED_EDITS, edits_question(failed), EDIT_ADVICE)
            if word is not None:
                return word
        found = circle(session)
        if found is not None and found.length >= (_SAME_CALL if len(found.round) == 1 else _SAME_ROUND):
            return await self._unstick(session, found)
        found = standstill(session)
        if found is not None and found.length >= _NO_NEWS:
            return await self._unstick(session, found)
        refused = footprint_refusals(session)
        if len(refused) >= _REFUSALS and steps_since(session, FOOTPRINT_ADVICE) is None:
            return await self._ask(EscalationTrigger.FOOTPRINT, footprint_question(refused), FOOTPRINT_ADVICE)
        return None

    async def _unstick(self, session: SessionView, found: Circle) -> str | None:
        since = steps_since(session, NUDGE)
        if since is None:
            return nudge(found)
        if since < _PATIENCE or steps_since(session, ADVICE) is not None:
            return None
        return await self._ask(EscalationTrigger.NO_PROGRESS, circle_question(found), ADVICE)

    async def _ask(self, trigger: EscalationTrigger, question: str, opening: str) -> str | None:
        answer = await self._advisor.report(trigger, question) if self._advisor is not None else None
        return None if answer is None else f"{opening}{answer}"


def footprint_refusals(session: SessionView) -> tuple[str, ...]:
    """What the session was told each time that a write outside its footprint was refused or put back."""
    return tuple(
        message.text
        for message in session.messages
        if isinstance(message, ToolMessage) and LEAVES_FOOTPRINT in _refusal(message)
    )


def nudge(found: Circle) -> str:
    calls = "\n".join(f"- {name} {_shown(arguments)}" for step in found.round for name, arguments in step.calls)
    return (
        f"{NUDGE}{said(found)}, and the files are as they were:\n{calls}\nDoing it again will not help. Say what you "
        "expected and what you got instead; then do something else, or end with what you have and say what is open."
    )


def circle_question(found: Circle) -> str:
    steps = [
        f"{name} {_shown(arguments)}\ngives:\n{_shown(result or '')}"
        for step in found.round
        for (name, arguments), result in zip(step.calls, step.results, strict=True)
    ]
    return "\n\n".join(
        [
            f"The worker goes round in circles: {said(found)}, and the files are as they were. It was told so and goes "
            "on. Find out what it is missing and tell it what to do instead. If the task cannot be done, say so and "
            "what to hand in.",
            *steps,
        ]
    )


def footprint_question(refused: tuple[str, ...]) -> str:
    return "\n\n".join(
        [
            f"The worker tried {len(refused)} times to change files outside the footprint of its task and was refused. "
            "The footprint stays as it is. Tell it how to do the task inside it; if that cannot be done, say what to "
            "leave out and what to write into the summary. It was told:",
            *(f"- {_shown(text)}" for text in refused[-_REFUSALS:]),
        ]
    )


def edits_question(failed: Sequence[FailedEdit]) -> str:
    return "\n\n".join(
        [
            f"The last {len(failed)} edits of the worker found no place in the file. Read the file, and tell it the "
            "exact lines to quote and what to put there; if it is about to change the wrong place, say so. It was "
            "told:",
            *(f"{edit.tool}: {_shown(edit.told)}" for edit in failed[-_FAILED_EDITS:]),
        ]
    )


def _refusal(message: ToolMessage) -> str:
    """The part of a tool's result in which a refusal may stand: what a command printed is none."""
    if message.is_error:
        return message.text
    last = message.text.rstrip().rpartition("\n")[2]
    return last if last.startswith(PUT_BACK_OPENING) else ""


def _shown(text: str) -> str:
    """The end, where failures stand."""
    text = text.strip()
    return text if len(text) <= _SHOWN else f"[...] {text[-_SHOWN:]}"
