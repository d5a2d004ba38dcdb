from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.presentation.text import cells
from equitr_coder.presentation.wrapping import wrapped


def test_lines_break_at_spaces_and_keep_their_indent() -> None:
    assert wrapped("  one two three", 9) == ["  one two", "  three"]
    assert wrapped("abcdefgh", 3) == ["abc", "def", "gh"]
    assert wrapped("", 5) == [""]


@given(st.text(alphabet="ab 漢", max_size=40), st.integers(2, 12))
def test_nothing_is_wider_than_the_width_and_no_letter_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, width)

    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
