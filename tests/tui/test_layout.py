"""Nothing moves the prompt, and nothing in the footer is cut, in any place at any size."""

import pytest

from equitr_coder.tui.keys import GLOBAL_KEYS, SEND
from equitr_coder.tui.place import Place
from equitr_coder.tui.presenter import PLACES
from equitr_coder.tui.prompt import Prompt
from tests.tui.paper_door import PaperDoor
from tests.tui.paper_samples import BUILT, PLANNED, stamped
from tests.tui.stage import SIZES, Seat, followed, seated


def prompt_rows(shown: str) -> list[int]:
    rows = shown.split("\n")
    return [number for number, row in enumerate(rows) if row.startswith(("╭", "╰"))]


def entries_of_footer(seat: Seat, place: str) -> set[str]:
    keys = (SEND, *seat.app.screen.query_one(f"#{place}", Place).KEYS, *GLOBAL_KEYS)
    return {f"{key.shown} {key.label}" for key in keys}


@pytest.mark.parametrize("size", [*SIZES, (60, 20), (44, 12)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_prompt_stands_on_the_same_rows_and_the_footer_is_whole_in_every_place(size: tuple[int, int]) -> None:
    runs = [followed(stamped(BUILT)), followed(stamped(PLANNED))]
    stood = set()
    async with seated(PaperDoor(BUILT), runs=runs, size=size) as seat:
        for name in PLACES:
            seat.desk.open(name)
            await seat.settle()
            shown = seat.shown()
            stood.add(tuple(prompt_rows(shown)))
            footer = shown.rstrip("\n").split("\n")[-1].strip()
            left = footer
            for entry in sorted(entries_of_footer(seat, name), key=len, reverse=True):
                left = left.replace(entry, "")
            assert left.strip() == "", f"{name}: {footer}"
            assert footer, name

    assert len(stood) == 1, stood


async def test_growing_back_restores_what_was_typed_chosen_scrolled_and_focused() -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        await seat.pilot.press(*"abc")
        seat.desk.open("review")
        await seat.settle()
        await seat.pilot.press("tab", "down", "down", "tab", "down")
        await seat.settle()
        before, focused = seat.shown(), seat.app.focused
        assert focused is not seat.app.screen.query_one(Prompt)
        for size in ((30, 8), (120, 9), (39, 24)):
            await seat.pilot.resize_terminal(*size)
            await seat.settle()
            assert "is too small" in " ".join(seat.shown().split())
        await seat.pilot.resize_terminal(120, 36)
        await seat.settle()

        assert seat.shown() == before
        assert seat.app.focused is focused
