"""The order of file names; what the prompts do with them stands in their own tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.presentation.completion import Kind, Offers
from equitr_coder.presentation.ranking import FileNames

PATHS = st.lists(st.text(alphabet="abA_./é", min_size=1, max_size=8), unique=True, max_size=20)


@pytest.mark.parametrize(
    ("typed", "best"),
    [
        ("he", ["hello.py", "docs/help.md", "my_header.py", "big/h_e.txt", "src/the.py", "a/home.py"]),
        ("ml", ["my_lexer.py", "src/html.py", "a/mail.py"]),
    ],
)
def test_name_then_beginning_then_words_then_inside_then_letters(typed: str, best: list[str]) -> None:
    shuffled = sorted(best, key=lambda path: path[::-1])

    assert FileNames(shuffled).best(typed) == best


@given(PATHS, st.text(alphabet="abA.", max_size=3))
def test_each_path_with_the_letters_in_order_is_offered_once(paths: list[str], typed: str) -> None:
    def fits(path: str) -> bool:
        letters = iter(path.lower())
        return all(letter in letters for letter in typed.lower())

    best = FileNames(paths).best(typed)

    assert sorted(best) == sorted(path for path in paths if fits(path) and ".git" not in path.split("/"))


@given(PATHS, st.text(alphabet="abA.", min_size=1, max_size=3), st.integers(1, 4))
def test_fewer_are_the_first_of_more(paths: list[str], typed: str, count: int) -> None:
    names = FileNames(paths)

    assert names.best(typed, count) == names.best(typed)[:count]


def test_commands_are_found_by_their_letters_after_those_that_begin_so() -> None:
    found = [offer.text for offer in Offers().at("/re")]

    assert found[:2] == ["/redo", "/rewind"]
    assert [offer.text for offer in Offers().at("/hlp")] == ["/help"]


def test_a_file_says_how_it_stands_in_git() -> None:
    offers = Offers()
    offers.files, offers.marks = FileNames(("a.py", "b.py")), {"b.py": "M"}

    assert [(offer.shown, offer.note, offer.kind) for offer in offers.at("see @")] == [
        ("a.py", "", Kind.FILE),
        ("b.py", "M", Kind.FILE),
    ]
