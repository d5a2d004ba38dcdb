"""What is typed right behind a key that opens something is for what it opens, never for the prompt."""

from collections.abc import Callable

import pytest
from textual import events
from textual.widgets import Input

from equitr_coder.tui.choice import Choice
from equitr_coder.tui.documents import Documents
from equitr_coder.tui.places.help import Help
from equitr_coder.tui.places.money import Money
from equitr_coder.tui.places.sessions import Sessions
from equitr_coder.tui.places.settings import Settings
from equitr_coder.tui.prompt import Prompt
from tests.tui.paper_door import PaperDoor
from tests.tui.paper_samples import BUILT, PLANNED, stamped
from tests.tui.run_story import begun
from tests.tui.screens import shown
from tests.tui.stage import Seat, followed, seated

CHARACTERS = {"slash": "/", "right_square_bracket": "]", "left_square_bracket": "["}


def at_once(seat: Seat, *keys: str) -> None:
    """All of them are in the terminal's buffer before the first is looked at."""
    for key in keys:
        seat.app.post_message(events.Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))


def typed(seat: Seat) -> str:
    return seat.app.screen.query_one(Prompt).text


def asked(seat: Seat) -> str:
    return seat.app.screen.query_one("AskLine Input", Input).value


OPENING: dict[tuple[str, ...], Callable[[Seat], bool]] = {
    ("ctrl+p", "f", "5"): lambda seat: seat.app.screen.query_one("#palette-line", Input).value == "f5",
    ("f1", "slash", "s", "e"): lambda seat: seat.app.screen.query_one(Help).typed == "se" == asked(seat),
    ("f2", "f2", "left_square_bracket"): lambda seat: seat.app.screen.query_one(Documents).pane.has_focus,
    ("f4", "g"): lambda seat: "critical path" in seat.shown(),
    ("f5", "a"): lambda seat: seat.app.screen.query_one(Money).is_of_all,
    ("f6", "slash", "c", "s"): lambda seat: seat.app.screen.query_one(Sessions).filter == "cs" == asked(seat),
    ("f7", "slash", "b"): lambda seat: seat.app.screen.query_one(Settings).filter == "b" == asked(seat),
    ("f4", "ctrl+p", "escape", "g"): lambda seat: "critical path" in seat.shown(),
    ("f1", "f4", "f1", "slash", "x"): lambda seat: seat.app.screen.query_one(Help).typed == "x",
    ("f6", "f4", "escape", "slash", "o"): lambda seat: seat.app.screen.query_one(Sessions).filter == "o",
}


@pytest.mark.parametrize("keys", OPENING, ids=" ".join)
async def test_keys_behind_the_one_that_opens_a_place_are_for_the_place(keys: tuple[str, ...]) -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        at_once(seat, *keys)
        await seat.settle()

        assert typed(seat) == ""
        assert OPENING[keys](seat)


async def test_what_is_written_behind_the_key_that_asks_for_a_line_stands_in_the_line() -> None:
    async with seated(PaperDoor(PLANNED), runs=[followed(stamped(PLANNED))]) as seat:
        at_once(seat, "f4", "r", *"why so", "enter")
        await seat.settle()

        assert typed(seat) == ""
        assert "why so" in seat.shown()


async def test_an_answer_behind_the_key_that_asks_is_the_answer() -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        at_once(seat, "ctrl+d", "2")
        await seat.settle()

        assert typed(seat) == ""
        assert not seat.app.screen.query(Choice)
        assert seat.app.is_running


async def test_a_key_behind_f8_is_for_what_is_asked() -> None:
    story = begun().work("T1").work("T2").ask_permission("T1", "make T1", 1).ask_permission("T2", "make T2", 2)
    async with shown(story, "run") as (screen, pilot):
        for key in ("f8", "n"):
            screen.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await screen.settle(pilot)

        assert screen.app.screen.query_one(Prompt).text == ""
        assert "2 of 2 waiting" in screen.text


async def test_words_and_a_paste_come_in_the_order_in_which_they_were_typed() -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        at_once(seat, *"see ")
        seat.app.post_message(events.Paste("the list"))
        at_once(seat, *" first", "ctrl+a", "f4", "escape", *"Now: ")
        await seat.settle()

        assert typed(seat) == "Now: see the list first"


async def test_nothing_is_held_for_ever_when_a_place_never_takes_the_focus(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seated(PaperDoor(BUILT), runs=[followed(stamped(BUILT))]) as seat:
        monkeypatch.setattr("equitr_coder.tui.keys_in_turn._LOOKS", 2)
        monkeypatch.setattr(type(seat.app), "_is_settled", lambda _: False)
        at_once(seat, *"abc")
        await seat.settle()

        assert typed(seat) == "abc"
