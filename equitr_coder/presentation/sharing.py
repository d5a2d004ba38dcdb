"""What tasks share and where they clash, as lines of progress."""

from typing import assert_never

from equitr_coder.domain import events as e
from equitr_coder.domain.artifacts import ContractVerdict
from equitr_coder.domain.conflicts import Conflict, ConflictStage, ConflictState
from equitr_coder.domain.panel import Voice
from equitr_coder.presentation.text import Line, Tone, first_line, prose, shorten

_WIDTH = 160

Sharing = (
    e.TaskAssigned | e.ArtifactProduced | e.ArtifactConsumed | e.ContractChecked | e.MessageSent | e.MessageCancelled
)
Clash = e.ConflictFound | e.ConflictChanged | e.ConflictResolved


def sharing_lines(event: Sharing) -> list[Line]:
    match event:
        case e.TaskAssigned():
            return [Line(f"  {event.task} goes to {event.profile}: {prose(event.why)}")]
        case e.ArtifactProduced():
            artifact = event.artifact
            new = "" if artifact.version == 1 else f", version {artifact.version}"
            who = "the host, from what landed" if event.by == "host" else event.agent or event.task
            return [Line(f"  * {artifact.sync_point} ({artifact.type.value}{new}) published by {who}")]
        case e.ArtifactConsumed():
            return [Line(f"  * {event.sync_point} read by {event.agent or event.task}", Tone.DIM)]
        case e.MessageSent(kind="escalation"):
            return []  # the escalation itself is told
        case e.ContractChecked():
            if event.verdict is ContractVerdict.UNCHECKED:
                return []
            is_kept = event.verdict is ContractVerdict.KEPT
            words = prose(shorten(first_line(event.detail), _WIDTH))
            return [
                Line(
                    f"  * {event.task} {'keeps' if is_kept else 'breaks'} {event.sync_point}: {words}",
                    Tone.DIM if is_kept else Tone.WARN,
                )
            ]
        case e.MessageSent(sender="user"):
            when = "is said before the next step" if event.kind == "steer" else "waits for the end of this turn"
            whom = f" to {event.to}" if event.to != "chat" else ""
            return [Line(f"  {event.id}{whom} {when}: {prose(shorten(first_line(event.content), _WIDTH))}", Tone.DIM)]
        case e.MessageCancelled():
            return [Line(f"  {event.message} is taken back", Tone.DIM)]
        case e.MessageSent():
            return [
                Line(f"  {event.sender} -> {event.to}: {prose(shorten(first_line(event.content), _WIDTH))}", Tone.DIM)
            ]
        case _ as unreachable:
            assert_never(unreachable)


RESOLVED = {
    "structure": "merged by structure: what both sides add is kept",
    "proposal": "resolved: the supervisor's merge was accepted",
    "user": "resolved by you",
    "worker": "resolved by its worker on what had landed",
    "passed": "has passed: both landed",
    "aborted": "given back to its worker",
}
"""How a conflict of files ended."""
_DECIDED = {
    "vote": "by vote",
    "supervisor": "by the supervisor",
    "user": "by you",
    "unattended": "because nobody was there to decide",
}
_STAGES = {
    ConflictStage.FORECAST: "would clash",
    ConflictStage.MERGE: "clash",
    ConflictStage.CHECK: "do not work together",
    ConflictStage.REVIEW: "divides its reviewers",
}


def conflict_words(conflict: Conflict) -> str:
    """`C1: T2 and T1 clash in a.py`, `C2: T1 divides its reviewers (2 approved, 1 rejected)`."""
    about = f" in {', '.join(conflict.paths)}" if conflict.paths else ""
    if conflict.kind == "finding":
        about = f" ({conflict.detail})"
    return f"{conflict.id}: {' and '.join(conflict.tasks)} {_STAGES[conflict.stage]}{about}"


def resolved_words(resolved: e.ConflictResolved) -> str:
    """How a conflict ended; where reviewers disagreed, the decision and who was against it."""
    if resolved.approved is None:
        return RESOLVED[resolved.how]
    against = ", ".join(voice.agent for voice in resolved.dissent)
    verdict = "approved" if resolved.approved else "rejected"
    return f"{verdict} {_DECIDED[resolved.how]}{f', against {against}' if against else ''}"


def voice_words(voice: Voice) -> str:
    """`reviewer_2 rejects: a.py:3 loses the sign; ...`."""
    verdict = {True: "approves", False: "rejects", None: "gave no verdict"}[voice.approved]
    reasons = "; ".join(prose(reason) for reason in voice.reasons)
    return f"{voice.agent} {verdict}{f': {reasons}' if reasons else ''}"


def conflict_lines(event: Clash) -> list[Line]:
    match event:
        case e.ConflictFound():
            return [Line(f"  ! {conflict_words(event.conflict)}", Tone.WARN)]
        case e.ConflictChanged():
            waits = " and waits for you" if event.state is ConflictState.ESCALATED else ""
            return [Line(f"  ! {event.conflict} {event.state.value}{waits}: {prose(event.detail)}", Tone.WARN)]
        case e.ConflictResolved():
            if event.approved is None:
                return [Line(f"  {event.conflict} {resolved_words(event)}", Tone.DIM)]
            why = f" ({prose(shorten(first_line(event.detail), _WIDTH))})" if event.detail else ""
            return [Line(f"  {event.conflict} {resolved_words(event)}{why}")]
        case _ as unreachable:
            assert_never(unreachable)
