"""What `p` and `x` do with a worker, wherever they are pressed."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from equitr_coder.domain.commands import HoldTask, ReleaseTask, StopTask

if TYPE_CHECKING:
    from equitr_coder.domain.ids import TaskId
    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.followed import FollowedRun


def hold_or_release(desk: Desk, task: TaskId | None) -> None:
    run = desk.run
    if run is None or task is None:
        desk.say("no worker is chosen", "1-9 or the arrows choose a lane")
        return
    if run.view.tasks[task].is_held:
        desk.do(_tell(desk, run, ReleaseTask(run=run.run, task=task)))
        desk.say(f"{task} goes on" if run.is_live else f"{task} goes on with the next resume")
    else:
        desk.do(_tell(desk, run, HoldTask(run=run.run, task=task)))


def stop(desk: Desk, task: TaskId | None) -> None:
    run = desk.run
    if run is None or task is None:
        desk.say("no task is chosen", "1-9 or the arrows choose one")
        return
    desk.do(_tell(desk, run, StopTask(run=run.run, task=task)))


async def _tell(desk: Desk, run: FollowedRun, command: HoldTask | ReleaseTask | StopTask) -> None:
    """Of a run that is not at work no events come by themselves."""
    is_live = run.is_live
    await desk.api.submit(command)
    if is_live:
        return
    last = (await desk.api.view(run.run)).seq
    items = desk.api.events(run.run, after=run.view.seq)
    async with aclosing(items):  # type: ignore[type-var] # an async generator behind the port's iterator
        async for item in items:
            run.take(item)
            if run.view.seq >= last:
                break
    desk.changed()
