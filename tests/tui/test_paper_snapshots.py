"""How the places where one reads and decides look, at three sizes. Built from events and answers; no agent."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from equitr_coder.domain import events as e
from tests.tui.paper_door import PaperDoor
from tests.tui.paper_samples import BEGIN, BUILT, DRAFTING, PLANNED, stamped
from tests.tui.stage import DRAWN, Seat, followed, scene

NOW = BEGIN + timedelta(minutes=30)


def pressing(*keys: str) -> Callable[[Seat], Awaitable[None]]:
    async def press(seat: Seat) -> None:
        await seat.settle()
        await seat.pilot.press(*keys)

    return press


LOOKS: dict[str, tuple[str, Sequence[e.Event], tuple[str, ...]]] = {
    "drafting": ("talk", DRAFTING, ("f2",)),
    "planned": ("talk", PLANNED, ()),
    "review": ("review", PLANNED, ("down", "down")),
    "approval": ("review", PLANNED, ("a",)),
    "graph": ("review", PLANNED, ("g",)),
    "diff": ("diff", BUILT, ("right_square_bracket", "n")),
    "sessions": ("sessions", BUILT, ("down",)),
    "settings": ("settings", BUILT, ("down",)),
    "models": ("settings", BUILT, ("right_square_bracket",)),
    "money": ("money", BUILT, ()),
    "help": ("help", BUILT, ()),
    "palette": ("palette", BUILT, tuple("rev")),
}


@pytest.mark.parametrize("size", DRAWN, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("look", LOOKS)
def test_it_looks_as_drawn(snap_compare: Any, look: str, size: tuple[int, int]) -> None:
    place, events, keys = LOOKS[look]
    known = followed(stamped(events))
    app, before = scene(PaperDoor(events), place=place, mode="plan", runs=[known], now=NOW, then=pressing(*keys))

    assert snap_compare(app, run_before=before, terminal_size=size)
