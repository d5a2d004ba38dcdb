"""What the summary needs beyond the run's view: working time and the files of a chat. A fold of events."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.events import Event, FileChanged, MergeLanded, RunFinished, RunPaused, RunResumed, TaskChanged
from equitr_coder.domain.ids import TaskId

_ACTIVE = (TaskState.WORKING, TaskState.REVIEW)


@dataclass
class Tally:
    task_time: timedelta = timedelta()
    """Sum over tasks of the time each was worked on or reviewed."""
    wall_time: timedelta = timedelta()
    """From the first task's start to the last one's end; pauses and dead time before a resume left out."""
    files: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Path -> last change, lines added, lines removed; of sessions outside tasks."""
    landing: MergeLanded | None = None
    """The move of the user's branch, once it has happened."""
    _active: dict[TaskId, datetime] = field(default_factory=dict)
    _since: datetime | None = None
    _idle: datetime | None = None
    _last: datetime | None = None

    def add(self, event: Event) -> None:
        match event:
            case TaskChanged() if event.at is not None:
                self._task(event.task, event.state, event.at)
            case RunResumed() if self._last is not None:
                self._stop(self._last)
            case RunPaused() | RunFinished() if event.at is not None:
                self._stop(event.at)
            case FileChanged() if event.task is None:
                _, added, removed = self.files.get(event.path, ("", 0, 0))
                self.files[event.path] = (event.change, added + event.added, removed + event.removed)
            case MergeLanded() if event.task is None:
                self.landing = event
            case _:
                pass
        self._last = event.at or self._last

    def _task(self, task: TaskId, state: TaskState, at: datetime) -> None:
        if state in _ACTIVE:
            self._active.setdefault(task, at)
            if self._since is None:
                self._since = self._idle = at
            return
        started = self._active.pop(task, None)
        if started is not None:
            self.task_time += at - started
            self._idle = at

    def _stop(self, at: datetime) -> None:
        for started in self._active.values():
            self.task_time += at - started
        if self._since is not None:
            self.wall_time += (at if self._active else self._idle or at) - self._since
        self._active.clear()
        self._since = self._idle = None
