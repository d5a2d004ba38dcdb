"""What was asked before, for the screen's prompt: the same file as the inline prompt's, with the same privacy."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from equitr_coder.presentation.past_requests import LONGEST_REQUEST, read_requests, written_request

_MOST_READ = 4_000_000
"""Bytes read from the end of the file: the first key is not kept waiting by years of requests."""


class History:
    def __init__(self, path: Path | None = None, *, at_most: int = _MOST_READ) -> None:
        """Without a path, or when it cannot be read or written, it lasts as long as the program."""
        self._path = path
        self._at_most = at_most
        self._requests: list[str] | None = None
        self._redact: Callable[[str], str] = str

    def keep_in(self, path: Path | None, redact: Callable[[str], str] = str) -> None:
        """From now on in this file; what was said before is written to it. `redact` takes keys out of what is kept."""
        self._redact = redact
        said = self.requests
        self._path, self._requests = path, None
        for text in said:
            self.add(text)

    @property
    def requests(self) -> Sequence[str]:
        """Oldest first. The file is read when they are first asked for."""
        if self._requests is None:
            self._requests = self._read()
        return self._requests

    def add(self, text: str) -> None:
        """The last one said again is kept once in memory; the file says what was said and when."""
        if not self.requests or self.requests[-1] != text:
            assert self._requests is not None
            self._requests.append(text)
        if self._path is None or len(text) > LONGEST_REQUEST:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
            with self._path.open("ab") as file:
                file.write(written_request(self._redact(text), datetime.now()).encode(errors="replace"))  # noqa: DTZ005 (as the inline prompt)
        except OSError:
            self._path = None  # a full disk costs the history, not the session

    def newest_with(self, wanted: str, before: int | None = None) -> int | None:
        """The number of the newest request with `wanted` in it, in any case, older than number `before`."""
        numbers = range(len(self.requests) if before is None else before)
        lower = wanted.lower()
        return next((each for each in reversed(numbers) if lower in self.requests[each].lower()), None)

    def _read(self) -> list[str]:
        if self._path is None:
            return []
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, self._path.stat().st_size - self._at_most))
                requests = read_requests(file.read().decode(errors="replace"))
        except OSError:
            return []
        once: list[str] = []
        for request in requests:
            if not once or once[-1] != request:
                once.append(request)
        return once
