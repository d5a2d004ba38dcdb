import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, cells, first_line, paint, plural, prose, shorten, visible


@given(st.text())
def test_visible_text_has_no_control_or_direction_character(text: str) -> None:
    shown = visible(text)

    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")]


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z"))))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_what_could_hide_a_command_is_written_out() -> None:
    assert visible("ls\x1b[2K\r\u202etxt\x7f\x9b1m\u200b") == "ls\\x1b[2K\\x0d\\u202etxt\\x7f\\x9b1m\\u200b"


def test_windows_line_ends_in_prose_are_line_ends() -> None:
    assert prose("one\r\ntwo\rthree") == "one\ntwo\\x0dthree"


@given(st.text(), st.integers(min_value=3, max_value=60))
def test_shortened_text_is_one_line_of_at_most_its_width(text: str, width: int) -> None:
    shown = shorten(text, width)

    assert "\n" not in shown
    assert cells(shown) <= width


def test_shortening_says_that_something_is_missing() -> None:
    assert shorten("a long sentence", 9) == "a long..."
    assert shorten("short", 9) == "short"


def test_wide_characters_take_two_columns() -> None:
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert shorten("日本語", 5) == "日..."


def test_first_line_skips_blank_ones() -> None:
    assert first_line("\n  \n words here \n more") == "words here"
    assert first_line("\n\n") == ""


@pytest.mark.parametrize(("count", "words"), [(0, "0 tasks"), (1, "1 task"), (6, "6 tasks")])
def test_nouns_follow_their_count(count: int, words: str) -> None:
    assert plural(count, "task") == words


def test_colour_only_repeats_what_the_line_says() -> None:
    line = Line("x failed", Tone.BAD)

    assert paint(line, colour=False) == "x failed"
    assert paint(line, colour=True) == "\x1b[31mx failed\x1b[0m"


def test_painted_text_cannot_bring_its_own_escapes() -> None:
    assert paint(Line("\x1b[32mok", Tone.BAD), colour=True) == "\x1b[31m\\x1b[32mok\x1b[0m"


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60)), min_size=1),
    st.integers(min_value=20, max_value=200),
)
def test_table_keeps_to_its_width(rows: list[tuple[str, str, str]], width: int) -> None:
    assert all(cells(line) <= width for line in table(rows, width=width))


def test_a_narrow_table_leaves_out_what_it_can_spare_before_it_cuts_the_rest_to_pieces() -> None:
    rows = [("run-7k2m9x4q", "epic-001", "= awaiting approval", "3/12", "a bookmark service")]
    header = ("run", "epic", "state", "tasks", "title")

    assert table(rows, header=header, width=60, spare=(3, 1)) == [
        "  run           epic      state                title",
        "  run-7k2m9x4q  epic-001  = awaiting approval  a bookmark...",
    ]
    assert table(rows, header=header, width=50, spare=(3, 1)) == [
        "  run           state                title",
        "  run-7k2m9x4q  = awaiting approval  a bookmark...",
    ]
    assert all(cells(line) <= 40 for line in table(rows, header=header, width=40, spare=(3, 1)))


def test_table_without_a_width_cuts_nothing() -> None:
    assert table([("a", "x" * 300)], header=("k", "v")) == ["  k  v", "  a  " + "x" * 300]


def test_empty_table_has_no_lines() -> None:
    assert table([]) == []
