"""The dashboard of a followed run, made once for each state of it and each second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.presentation.dashboard import Dashboard, dashboard

if TYPE_CHECKING:
    from datetime import datetime

    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.followed import FollowedRun


class Boards:
    """Of one place."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: tuple[FollowedRun, int, datetime, Dashboard] | None = None

    def of(self, run: FollowedRun) -> Dashboard:
        now = run.view.last if not run.is_live and run.view.last is not None else self._desk.now()
        made = self._made
        if made is not None and made[0] is run and made[1] == run.view.seq and made[2] == now:
            return made[3]
        board = dashboard(run.view, run.happenings, now, bounds=self._desk.mode.setup.bounds)
        self._made = run, run.view.seq, now, board
        return board
