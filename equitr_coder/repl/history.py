"""What was asked before, kept in a file of the user's own folder."""

from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from equitr_coder.domain.redaction import without_shapes
from equitr_coder.presentation.past_requests import LONGEST_REQUEST


def open_history(path: Path | None, redact: Callable[[str], str] = without_shapes) -> History:
    """The file's, readable by its owner alone; in memory when there is none or it cannot be written. `redact` takes
    keys out of what is kept.
    """
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()  # a home that cannot be written costs the history, not the session
    return _KeptHistory(path, redact)


class _KeptHistory(FileHistory):
    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        super().__init__(str(path))
        self._redact = redact
        self._is_writable = True

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        if not self._is_writable or len(string) > LONGEST_REQUEST:
            return
        try:
            super().store_string(self._redact(string))
        except OSError:
            self._is_writable = False  # a full disk costs the history, not the session
