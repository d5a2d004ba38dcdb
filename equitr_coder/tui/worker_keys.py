"""What `p` and `x` do with a worker, wherever they are pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.domain.commands import HoldTask, ReleaseTask, StopTask
from equitr_coder.presentation.waits import is_held

if TYPE_CHECKING:
    from equitr_coder.domain.ids import TaskId
    from equitr_coder.tui.desk import Desk


def hold_or_release(desk: Desk, task: TaskId | None) -> None:
    run = desk.run
    if run is None or task is None:
        desk.say("no worker is chosen", "1-9 or the arrows choose a lane")
        return
    if is_held(run.view.tasks[task]):
        desk.do(desk.api.submit(ReleaseTask(run=run.run, task=task)))
        desk.say(f"{task} goes on")
    else:
        desk.do(desk.api.submit(HoldTask(run=run.run, task=task)))


def stop(desk: Desk, task: TaskId | None) -> None:
    run = desk.run
    if run is None or task is None:
        desk.say("no task is chosen", "1-9 or the arrows choose one")
        return
    desk.do(desk.api.submit(StopTask(run=run.run, task=task)))
