"""What waits for the person in all runs that the screen follows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from equitr_coder.presentation.inbox import Ask, inbox_of

if TYPE_CHECKING:
    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.followed import FollowedRun

_LATEST = datetime.max.replace(tzinfo=UTC)


class Waiting(NamedTuple):
    run: FollowedRun
    ask: Ask

    def is_same(self, other: Waiting) -> bool:
        return self.run.run == other.run.run and self.ask.kind == other.ask.kind and self.ask.id == other.ask.id


def waiting_of(desk: Desk) -> list[Waiting]:
    """The oldest first. Of a run that does not work here only what needs no worker to hear it."""
    now = desk.now()
    found = [
        Waiting(run, ask)
        for run in desk.runs.values()
        for ask in inbox_of(run.view, run.happenings, now)
        if run.is_live or ask.kind in ("plan", "conflict", "budget")
    ]
    return sorted(found, key=lambda one: one.ask.at or _LATEST)
