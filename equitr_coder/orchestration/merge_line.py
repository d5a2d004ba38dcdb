"""Merges on their way to the branch, each made on top of the one before as if that had landed already. Many hand-ins at
once are then checked at the same time, each on the very commit it lands as, and none twice.

What was expected and did not come costs the work again and no more: nothing lands but on what it was made on.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Merge = TypeVar("_Merge")


def _open() -> asyncio.Future[bool]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Place(Generic[_Merge]):
    merge: _Merge
    before: "Place[_Merge] | None"
    """Who must land for this one to land as it is; None: it is made on the branch as it was."""
    settled: asyncio.Future[bool] = field(default_factory=_open)
    """Whether it has landed as `merge`."""

    async def is_next(self, patience: float) -> bool | None:
        """Whether the one before has landed; None when that is not known after so many seconds."""
        if self.before is None:
            return True
        done, _ = await asyncio.wait([self.before.settled], timeout=patience)
        return self.before.settled.result() if done else None


class MergeLine(Generic[_Merge]):
    def __init__(self) -> None:
        self._places: list[Place[_Merge]] = []

    @property
    def last(self) -> Place[_Merge] | None:
        """Whom the next one is to be made on."""
        return self._places[-1] if self._places else None

    def join(self, merge: _Merge) -> Place[_Merge]:
        place = Place(merge, self.last)
        self._places.append(place)
        return place

    def landed(self, place: Place[_Merge] | None) -> None:
        """The branch has moved: by the first in the line, as it stood there, or else by somebody whom nobody waited for
        (None), so that nothing fits any more.
        """
        if place is not None and self._places[:1] == [place]:
            del self._places[0]
        else:
            self._places.clear()
        if place is not None:
            place.settled.set_result(True)

    def leave(self, place: Place[_Merge]) -> None:
        """It has ended, or begins anew; when it has not landed, nothing more is made on it or on who stands behind."""
        if place.settled.done():
            return
        place.settled.set_result(False)
        if place in self._places:
            del self._places[self._places.index(place) :]
