"""The prompt as a person uses it: keys in, messages out."""

import pytest
from textual import events

from equitr_coder.tui.prompt.history import History
from equitr_coder.tui.prompt.keys import PROMPT_KEYS
from tests.tui.prompt.conftest import OpenDesk

LINES = "".join(f"line {number}\n" for number in range(1, 43))


async def test_enter_sends_and_clears(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("say hi")
        await desk.press("enter")

        assert desk.sent == ["say hi"]
        assert desk.prompt.is_empty
        assert not desk.app.sent[0].is_pasted
        assert not desk.app.sent[0].steer


async def test_a_blank_text_is_not_sent(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.press("enter", "space", "enter")

        assert desk.sent == []


async def test_alt_s_sends_at_once(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("wait")
        await desk.press("alt+s")

        assert [each.steer for each in desk.app.sent] == [True]


@pytest.mark.parametrize("keys", [("ctrl+j",), ("alt+enter",), ("backslash", "enter")])
async def test_a_new_line(open_desk: OpenDesk, keys: tuple[str, ...]) -> None:
    async with open_desk() as desk:
        await desk.type("a")
        await desk.press(*keys, "b", "enter")

        assert desk.sent == ["a\nb"]


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        (("ctrl+a", "x"), "xone two three"),
        (("home", "x"), "xone two three"),
        (("ctrl+a", "ctrl+e", "x"), "one two threex"),
        (("ctrl+w",), "one two "),
        (("ctrl+w", "ctrl+w", "ctrl+y"), "one two three"),
        (("ctrl+left", "ctrl+u"), "three"),
        (("ctrl+left", "ctrl+u", "ctrl+e", "ctrl+y"), "threeone two "),
        (("ctrl+left", "ctrl+left", "ctrl+k"), "one "),
        (("ctrl+a", "ctrl+right", "x"), "onex two three"),
        (("ctrl+a", "alt+d"), " two three"),
        (("left", "left", "backspace", "delete"), "one two the"),
        (("ctrl+a", "ctrl+d"), "ne two three"),
        (("ctrl+w", "ctrl+underscore"), "one two three"),
        (("ctrl+w", "ctrl+underscore", "alt+underscore"), "one two "),
        (("alt+backspace",), "one two "),
        (("ctrl+b", "ctrl+b", "ctrl+f", "x"), "one two threxe"),
    ],
)
async def test_readline_keys(open_desk: OpenDesk, keys: tuple[str, ...], left: str) -> None:
    async with open_desk() as desk:
        desk.prompt.set_text("one two three")
        await desk.press(*keys)

        assert desk.prompt.text == left


async def test_keys_of_two_words_count_as_one_step_of_undo_each(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("one two")
        await desk.press("ctrl+underscore")
        assert desk.prompt.text == "one "
        await desk.press("ctrl+underscore", "ctrl+underscore")
        assert desk.prompt.text == ""


async def test_it_stands_on_fixed_rows_and_scrolls_inside(open_desk: OpenDesk) -> None:
    async with open_desk(rows=3) as desk:
        before = desk.prompt.region
        for number in range(8):
            await desk.type(str(number))
            await desk.press("ctrl+j")

        assert desk.prompt.region == before
        assert desk.shown == ["6", "7", "|"]
        await desk.press("up", "up", "up")
        assert desk.shown == ["|5", "6", "7"]


async def test_a_long_line_is_wrapped_at_a_blank(open_desk: OpenDesk) -> None:
    async with open_desk(size=(30, 10)) as desk:
        await desk.type("a line that is longer than the prompt")

        assert desk.shown == ["a line that is longer", "than the prompt|", ""]


async def test_up_goes_by_line_then_by_request(open_desk: OpenDesk) -> None:
    history = History()
    for text in ("first", "second"):
        history.add(text)
    async with open_desk(history) as desk:
        await desk.type("a")
        await desk.press("ctrl+j")
        await desk.type("b")
        await desk.press("up")
        assert desk.prompt.text == "a\nb"
        await desk.press("up")
        assert desk.prompt.text == "second"
        await desk.press("up")
        assert desk.prompt.text == "first"
        await desk.press("up")
        assert desk.prompt.text == "first"
        await desk.press("down", "down")
        assert desk.prompt.text == "a\nb"


async def test_a_change_to_an_old_request_is_still_there_on_the_way_back(open_desk: OpenDesk) -> None:
    history = History()
    for text in ("first", "second"):
        history.add(text)
    async with open_desk(history) as desk:
        await desk.press("up", "x", "up", "down")

        assert desk.prompt.text == "secondx"
        assert history.requests == ["first", "second"]


async def test_up_in_an_empty_prompt_may_leave_it(open_desk: OpenDesk) -> None:
    history = History()
    history.add("old")
    async with open_desk(history) as desk:
        desk.app.left_up = True
        await desk.press("up")
        assert desk.prompt.text == ""
        desk.app.left_up = False
        await desk.press("up")
        assert desk.prompt.text == "old"


async def test_what_is_sent_is_in_the_history_unless_it_answers_a_question(open_desk: OpenDesk) -> None:
    history = History()
    async with open_desk(history) as desk:
        await desk.press("a", "enter")
        desk.prompt.remembers = False
        await desk.press("b", "enter")

        assert history.requests == ["a"]
        assert desk.sent == ["a", "b"]


async def test_history_is_searched_in_the_border(open_desk: OpenDesk) -> None:
    history = History()
    for text in ("fix the parser", "add tests", "fix the lexer"):
        history.add(text)
    async with open_desk(history) as desk:
        desk.prompt.mode = "plan"
        await desk.type("kept")
        await desk.press("ctrl+r", "f", "i")
        assert str(desk.prompt.border_title) == "search history: fi"
        assert desk.shown[0] == "|fix the lexer"
        await desk.press("ctrl+r")
        assert desk.shown[0] == "|fix the parser"
        await desk.press("ctrl+r")
        assert str(desk.prompt.border_title) == "nothing found: fi"
        await desk.press("escape")
        assert desk.prompt.text == "kept"
        assert str(desk.prompt.border_title) == "plan"


async def test_enter_takes_what_was_found_and_sends_nothing(open_desk: OpenDesk) -> None:
    history = History()
    for text in ("older", "fix", "newest"):
        history.add(text)
    async with open_desk(history) as desk:
        await desk.press("ctrl+r", "f", "enter")
        assert desk.prompt.text == "fix"
        assert desk.sent == []
        await desk.press("up")
        assert desk.prompt.text == "older"


async def test_a_cleared_text_comes_back(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("long thought")
        assert desk.prompt.clear_kept()
        assert desk.prompt.is_empty
        assert not desk.prompt.clear_kept()
        await desk.press("ctrl+y")
        assert desk.prompt.text == "long thought"


async def test_a_long_paste_is_one_piece(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("see ")
        await desk.paste(LINES)
        assert desk.shown[0] == "see [pasted 42 lines]|"
        await desk.press("left")
        assert desk.shown[0] == "see |[pasted 42 lines]"
        await desk.press("right", "x", "enter")
        assert desk.sent == [f"see {LINES}x"]


async def test_backspace_takes_the_whole_paste_and_undo_brings_it_back(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.paste(LINES)
        await desk.paste(LINES.replace("line", "other"))
        await desk.press("backspace")
        assert desk.prompt.text == LINES
        await desk.press("ctrl+underscore")
        assert desk.prompt.text == LINES + LINES.replace("line", "other")


async def test_a_paste_is_unfolded(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.paste("/quit\n" + LINES)
        await desk.press("ctrl+o")
        assert desk.shown[1] == "line 42"
        assert desk.prompt.is_pasted
        await desk.press("enter")
        assert desk.sent == ["/quit\n" + LINES]


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
async def test_pasted_line_ends_are_line_feeds(open_desk: OpenDesk, line_end: str) -> None:
    async with open_desk() as desk:
        await desk.paste(f"a{line_end}b")
        await desk.press("enter")

        assert desk.sent == ["a\nb"]


async def test_what_is_pasted_is_never_a_command(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.paste("/quit")
        assert desk.offered == []
        await desk.press("enter")
        assert [each.is_pasted for each in desk.app.sent] == [True]
        await desk.paste("quit")
        await desk.press("ctrl+a", "slash", "enter")
        assert [each.is_pasted for each in desk.app.sent] == [True, False]


async def test_a_paste_that_ends_in_a_line_feed_sends_nothing(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.paste("a\nb\n")

        assert desk.sent == []
        assert desk.prompt.text == "a\nb\n"


async def test_the_menu_opens_upward_and_moves_nothing(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        before = desk.prompt.region
        await desk.type("/")
        await desk.pilot.pause()
        menu = desk.app.menu
        assert desk.prompt.region == before
        assert (menu.region.bottom, menu.region.height) == (before.y, 8)
        await desk.press("escape")
        assert not menu.is_open
        assert desk.prompt.text == "/"


async def test_enter_sends_the_command_that_is_marked(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("/hlp")
        await desk.press("enter")

        assert desk.sent == ["/help"]


async def test_enter_on_a_command_with_an_argument_waits_for_it(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("/mult")
        await desk.press("enter")
        assert desk.sent == []
        assert desk.prompt.text == "/multi-agent "
        assert desk.offered == ["on", "off"]
        await desk.press("enter")
        assert desk.sent == ["/multi-agent "]


async def test_a_command_typed_in_full_is_sent(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("/model")
        await desk.press("enter")

        assert [text.strip() for text in desk.sent] == ["/model"]


async def test_tab_completes_the_best_file(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("see @he")
        assert desk.offered[0] == "@hello.py"
        assert not any(".git" in each for each in desk.offered)
        await desk.press("tab")
        assert desk.prompt.text == "see @hello.py "
        assert desk.offered == []


async def test_enter_takes_a_file_only_when_it_was_chosen(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("mail @he")
        await desk.press("enter")
        await desk.type("mail @he")
        await desk.press("down", "enter")

        assert desk.sent == ["mail @he"]
        assert desk.prompt.text == "mail @docs/help.md "


async def test_a_closed_menu_stays_closed_for_that_word(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("@h")
        await desk.press("escape", "e")
        assert desk.offered == []
        await desk.type(" @h")
        assert desk.offered[0] == "@hello.py"


async def test_a_row_of_the_menu_is_clicked(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("@he")
        await desk.pilot.click(desk.app.menu, offset=(3, 1))

        assert desk.prompt.text == "@docs/help.md "


async def test_a_click_moves_the_cursor(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("hello")
        await desk.pilot.click(desk.prompt, offset=(5, 1))
        await desk.press("x")

        assert desk.prompt.text == "hxello"


async def test_an_editor_that_cannot_be_opened_says_what_to_do(open_desk: OpenDesk) -> None:
    async with open_desk(edit=lambda text: text) as desk:
        await desk.type("kept")
        await desk.press("ctrl+g")
        await desk.pilot.pause()

        assert [(each.problem, each.hint) for each in desk.app.refused] == [
            ("this terminal cannot be left to an editor", "write the text here instead")
        ]
        assert desk.prompt.text == "kept"


async def test_typing_into_it_from_elsewhere(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        desk.prompt.type_in("newer")
        desk.prompt.put_back("taken back")

        assert desk.prompt.text == "taken back\nnewer"


def test_no_key_is_one_that_terminals_use() -> None:
    taken = {"ctrl+h", "ctrl+left_square_bracket", "ctrl+i", "ctrl+m", "ctrl+s", "ctrl+q", "ctrl+z", "ctrl+c"}

    bound = [key for row in PROMPT_KEYS for key in row.keys]

    assert not taken & set(bound)
    assert len(bound) == len(set(bound))


async def test_keys_mean_what_they_mean_in_the_order_in_which_they_were_pressed(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        await desk.type("old")
        for key, character in (("ctrl+u", "\x15"), ("n", "n"), ("e", "e"), ("w", "w"), ("enter", "\r")):
            desk.app.post_message(events.Key(key, character))  # all at once, as a fast terminal sends them
        await desk.pilot.pause()

        assert desk.sent == ["new"]
