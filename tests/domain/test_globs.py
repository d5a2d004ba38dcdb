from functools import lru_cache
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equitr_coder.domain.globs import covers, meet

LETTERS = ["a", "b", "c", "/", "[ab]", "[!a]"]
PATHS = [
    text
    for length in range(1, 6)
    for text in map("".join, product(LETTERS, repeat=length))
    if not text.startswith("/") and not text.endswith("/") and "//" not in text
]
"""All that five tokens of two entries can demand together."""

tokens = st.sampled_from(["a", "b", "*", "**", "?", "[ab]", "[!a]", "/"])
entry = st.lists(tokens, min_size=1, max_size=3).filter(lambda parts: parts[0] != "/" and "//" not in "".join(parts))
pairs = st.tuples(entry, entry).filter(lambda pair: sum(map(len, pair)) <= 5)


@lru_cache(maxsize=4096)
def covered(text: str) -> frozenset[str]:
    return frozenset(path for path in PATHS if covers(text, path))


@given(pairs)
@settings(max_examples=200, deadline=None)
@example((["**", "/", "b"], ["a", "*"]))
@example((["a"], ["a", "/", "**"]))
@example((["[ab]"], ["**", "a", "a"]))
def test_two_entries_meet_exactly_when_some_path_is_covered_by_both(pair: tuple[list[str], list[str]]) -> None:
    one, other = map("".join, pair)
    found = covered(one) & covered(other)

    assert meet(one, other) == meet(other, one) == bool(found), sorted(found)[:3]


@given(pairs, st.sets(st.sampled_from(["a", "a/b", "b", "ab"]), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_paths_that_do_not_count_are_left_out_with_what_is_below_them(
    pair: tuple[list[str], list[str]], out: set[str]
) -> None:
    one, other = map("".join, pair)
    found = {
        path
        for path in covered(one) & covered(other)
        if not any(path == left or path.startswith(f"{left}/") for left in out)
    }

    assert meet(one, other, without=out) == bool(found), sorted(found)[:3]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("src/**", "src/a.py", True),
        ("src", "src/a.py", True),
        ("src/", "src/deep/*.py", True),
        ("src/*.py", "src/deep/a.py", False),
        ("tests/test_*.py", "**/*.py", True),
        ("tests/test_*.py", "tests/conftest.py", False),
        ("docs/**/*.md", "docs/*.txt", False),
        ("app/[id]/page.tsx", "app/[id]/**", True),
        ("app/[id]", "app/i/page.tsx", False),
        ("*.py", "src/*", False),
        ("[!a]*", "a*", False),
        (".", "anything", True),
        ("./src//a.py", "src/a.py", True),
        ("a.py", "A.py", False),
        ("[z-a]", "z", False),
    ],
)
def test_entries_of_plans_as_people_write_them(one: str, other: str, expected: bool) -> None:
    assert meet(one, other) is expected


def test_brackets_name_a_folder_or_one_character() -> None:
    assert covers("app/[id]/*.tsx", "app/[id]/page.tsx")
    assert covers("app/[id]/*.tsx", "app/i/page.tsx")
    assert not covers("app/[id]/*.tsx", "app/x/page.tsx")
    assert not covers("a[!b]c", "a/c")
