from collections.abc import Callable, Sequence
from typing import Any

from equitr_coder.domain.events import Event
from equitr_coder.ports import Unstored, Written
from equitr_coder.session.backlog import Backlog


def waiting(*batches: Sequence[Event]) -> Backlog:
    """What a store is to append, for tests that need no hub."""
    return Backlog(lambda _: None, *batches)


class Taking:
    """What waits, as the store's thread gets it by way of `take`."""

    def __init__(self, unstored: Unstored, take: Callable[[Unstored], Sequence[Sequence[Written]]]) -> None:
        self._unstored = unstored
        self._take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unstored, name)

    def take(self) -> Sequence[Sequence[Written]]:
        return self._take(self._unstored)
