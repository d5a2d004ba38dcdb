from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.presentation.text import prose
from equitr_coder.repl.streamed import StreamedText


@given(st.lists(st.text(alphabet=st.sampled_from("ab \t\r\n\x1b漢"), max_size=6)))
def test_however_an_answer_is_cut_it_is_shown_once_and_whole(pieces: list[str]) -> None:
    streamed = StreamedText()

    shown = [streamed.feed(piece) for piece in pieces]
    rest = streamed.finish("".join(pieces))

    assert rest == ""
    assert "".join(shown) == prose("".join(pieces).strip())


@given(st.lists(st.text(alphabet="ab \n", max_size=6), min_size=1), st.integers(min_value=0))
def test_lost_pieces_at_the_end_are_what_is_missing(pieces: list[str], lost: int) -> None:
    streamed = StreamedText()
    kept = pieces[: len(pieces) - lost % len(pieces)]

    shown = [streamed.feed(piece) for piece in kept]

    assert "".join(shown) + (streamed.finish("".join(pieces)) or "") == prose("".join(pieces).strip())


def test_a_lost_piece_in_the_middle_is_noticed() -> None:
    streamed = StreamedText()
    streamed.feed("one ")
    streamed.feed("three")

    assert streamed.finish("one two three") is None


def test_space_around_the_answer_is_not_shown() -> None:
    streamed = StreamedText()

    assert [streamed.feed(piece) for piece in ("\n\n", " He", "llo \n", "you", "\n\n")] == [
        "",
        "He",
        "llo",
        " \nyou",
        "",
    ]
