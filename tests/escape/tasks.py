"""How many processes and threads there are on the machine, at the worst. Imports nothing of pytest."""

import threading
from pathlib import Path
from typing import Self

_SECONDS = 0.002


def tasks_on_the_machine() -> int:
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])


class MostTasks:
    """Looks on from a thread, so that it sees what happens while the event loop stands."""

    above_start = 0

    def __enter__(self) -> Self:
        self._before = tasks_on_the_machine()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._ended.wait(_SECONDS):
            self.above_start = max(self.above_start, tasks_on_the_machine() - self._before)
