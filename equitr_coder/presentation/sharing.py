"""What tasks share and where they clash, as lines of progress."""

from typing import assert_never

from equitr_coder.domain import events as e
from equitr_coder.domain.artifacts import ContractVerdict
from equitr_coder.domain.conflicts import ConflictStage, ConflictState
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
"""How a conflict ended."""


def conflict_lines(event: Clash) -> list[Line]:
    match event:
        case e.ConflictFound():
            conflict = event.conflict
            words = {
                ConflictStage.FORECAST: "would clash",
                ConflictStage.MERGE: "clash",
                ConflictStage.CHECK: "do not work together",
            }[conflict.stage]
            where = f" in {', '.join(conflict.paths)}" if conflict.paths else ""
            return [Line(f"  ! {conflict.id}: {' and '.join(conflict.tasks)} {words}{where}", Tone.WARN)]
        case e.ConflictChanged():
            waits = " and waits for you" if event.state is ConflictState.ESCALATED else ""
            return [Line(f"  ! {event.conflict} {event.state.value}{waits}: {prose(event.detail)}", Tone.WARN)]
        case e.ConflictResolved():
            return [Line(f"  {event.conflict} {RESOLVED[event.how]}", Tone.DIM)]
        case _ as unreachable:
            assert_never(unreachable)
