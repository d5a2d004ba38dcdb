"""One table of keys: what it says is what is bound, shown in the footer, in help and in the palette. And colours."""

import importlib
from itertools import product

import pytest

from equitr_coder.presentation.rows import Ink
from equitr_coder.tui.actions import doable, entries
from equitr_coder.tui.keys import GLOBAL_KEYS, Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.presenter import PLACES
from equitr_coder.tui.prompt.keys import PROMPT_KEYS
from equitr_coder.tui.slash import SCREEN_COMMANDS
from equitr_coder.tui.theme import THEMES, Colours
from tests.tui.paper_door import PaperDoor
from tests.tui.paper_samples import BUILT, stamped
from tests.tui.stage import followed, seated

FORBIDDEN = {f"ctrl+{letter}" for letter in ("h", "i", "m", "s", "q", "z", "left_square_bracket")}
MINE = ("talk", "review", "diff", "sessions", "settings", "money", "help", "palette")


def place_class(name: str) -> type[Place]:
    module, attribute = PLACES[name]
    found: type[Place] = getattr(importlib.import_module(f"equitr_coder.tui.places.{module}"), attribute)
    return found


def keys_of(name: str) -> tuple[Key, ...]:
    return place_class(name).KEYS


@pytest.mark.parametrize("name", MINE)
def test_a_place_binds_each_key_once_to_something_it_can_do(name: str) -> None:
    found = place_class(name)

    names = [key for entry in found.KEYS for key in entry.keys]
    assert len(names) == len(set(names))
    for entry in found.KEYS:
        assert callable(getattr(found, f"action_{entry.action.partition('(')[0]}")), entry
        assert entry.label
        assert len(entry.label.split()) <= 4


@pytest.mark.parametrize("name", MINE)
def test_no_key_is_one_that_a_terminal_takes_for_another(name: str) -> None:
    every = [*keys_of(name), *GLOBAL_KEYS, *PROMPT_KEYS]

    assert FORBIDDEN & {key for entry in every for key in entry.keys} == set()


async def test_help_and_palette_name_every_key_of_the_place_below_with_the_same_label() -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))], size=(120, 50)) as seat:
        for name in ("review", "diff", "sessions"):
            seat.desk.open(name)
            await seat.settle()
            await seat.pilot.press("f1")
            await seat.settle()
            shown = seat.app.screen.query_one("#help-rows").text  # type: ignore[attr-defined]
            for key in (*keys_of(name), *GLOBAL_KEYS, *PROMPT_KEYS):
                assert key.label in shown, key
                assert key.shown in shown, key
            for command in SCREEN_COMMANDS:
                assert command.usage in shown
            await seat.pilot.press("escape")
            await seat.settle()
            under = seat.app.screen.query_one(f"#{name}", Place)
            offered = {(entry.shown, entry.label) for entry in doable(under)}
            assert {(key.shown, key.label) for key in (*keys_of(name), *GLOBAL_KEYS)} <= offered
            assert {entry.label for entry in doable(under)} <= {entry.label for entry in entries(under)}


async def test_help_is_filtered_while_one_types_and_esc_takes_the_filter_back() -> None:
    async with seated(PaperDoor()) as seat:
        await seat.pilot.press("f1")
        await seat.settle()
        await seat.pilot.press("slash", *"sess")
        await seat.settle()
        assert "F6  sessions" in seat.shown()
        assert "Ctrl+T" not in seat.shown()
        await seat.pilot.press("escape")
        await seat.settle()
        assert "Ctrl+T" in seat.shown()


async def test_the_palette_does_what_is_chosen_where_it_was_opened() -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        seat.desk.open("review")
        await seat.settle()
        await seat.pilot.press("ctrl+p")
        await seat.settle()
        await seat.pilot.press(*"graph", "enter")
        await seat.settle()
        assert "critical path" in seat.shown()
        await seat.pilot.press("ctrl+p")
        await seat.settle()
        await seat.pilot.press(*"f5 money", "enter")
        await seat.settle()
        assert seat.app.screen.query_one("#money").display
        await seat.pilot.press("ctrl+p")
        await seat.settle()
        await seat.pilot.press(*"/rewind", "enter")
        await seat.settle()
        assert seat.app.screen.query_one("#prompt").text == "/rewind "  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [(44, 12), (30, 8)])
async def test_no_place_breaks_on_a_screen_that_is_nearly_or_really_too_small(size: tuple[int, int]) -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        for name in MINE:
            seat.desk.open(name)
            await seat.settle()
            await seat.pilot.resize_terminal(*size)
            await seat.settle()
            if size[0] < 40:
                assert "is too small" in " ".join(seat.shown().split())
            await seat.pilot.resize_terminal(120, 36)
            await seat.settle()
            assert seat.app.screen.query_one(f"#{name}").display


# ---------------------------------------------------------------- colours


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


COLOURED = [colours for colours in THEMES.values() if colours.background.startswith("#")]


@pytest.mark.parametrize("colours", COLOURED, ids=lambda colours: colours.name)
def test_every_ink_can_be_read_on_every_ground(colours: Colours) -> None:
    grounds = (colours.background, colours.panel, colours.selection)

    poor = [
        f"{ink} on {ground}: {contrast(colours.inks[ink], ground):.2f}"
        for ink, ground in product(Ink, grounds)
        if contrast(colours.inks[ink], ground) < 4.5
    ]
    assert poor == []
    assert contrast(colours.line, colours.background) >= 3


def test_contrast_is_measured_as_the_guideline_says() -> None:
    assert round(contrast("#ffffff", "#000000"), 1) == 21.0
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48
