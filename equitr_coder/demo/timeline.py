"""Who worked when: a bar per task over the time of the run, and how many worked at once. Folds events; draws text."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.events import Event, TaskChanged
from equitr_coder.domain.ids import TaskId

_MARKS = {TaskState.WORKING: "=", TaskState.REVIEW: "?"}
_COLUMNS = 64


@dataclass
class Timeline:
    peak: int = 0
    """Most tasks in somebody's hands at the same time."""
    _changes: dict[TaskId, list[tuple[datetime, TaskState]]] = field(default_factory=dict)
    _working: set[TaskId] = field(default_factory=set)

    def add(self, event: Event) -> None:
        if not isinstance(event, TaskChanged) or event.at is None:
            return
        self._changes.setdefault(event.task, []).append((event.at, event.state))
        if event.state is TaskState.WORKING:
            self._working.add(event.task)
        else:
            self._working.discard(event.task)
        self.peak = max(self.peak, len(self._working))

    def lines(self) -> list[str]:
        """`=` an agent works, `?` what it handed in is checked, reviewed and merged, `+` done; `x` not done."""
        times = [at for changes in self._changes.values() for at, _ in changes]
        if not times:
            return []
        first, last = min(times), max(times)
        scale = _COLUMNS / max((last - first).total_seconds(), 0.001)
        bars = []
        for task, changes in sorted(self._changes.items(), key=lambda item: _began(item[1])):
            cells = [" "] * (_COLUMNS + 1)
            for (at, state), (until, _) in pairwise(changes):
                start, end = (int((moment - first).total_seconds() * scale) for moment in (at, until))
                cells[start : max(end, start + 1)] = _MARKS.get(state, " ") * max(end - start, 1)
            ended, state = changes[-1]
            cells[int((ended - first).total_seconds() * scale)] = "+" if state is TaskState.DONE else "x"
            bars.append(f"  {task:<4}{''.join(cells).rstrip()}")
        return [*bars, f"  {'':<4}0 s{(last - first).total_seconds():>{_COLUMNS - 4}.1f} s"]


def _began(changes: list[tuple[datetime, TaskState]]) -> datetime:
    return next((at for at, state in changes if state is TaskState.WORKING), changes[-1][0])
