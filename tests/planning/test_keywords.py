import pytest

from equitr_coder.planning.keywords import keywords, share_covered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Low stock alerts", {"low", "stock", "alert"}),
        ("Implement the order services", {"order"}),
        ("services/userProfile/cart_items.py", {"user", "profile", "cart", "py"}),
        ("Searching, filtered categories", {"search", "filter", "category"}),
        ("Feature management", {"feature", "management"}),
        ("Größe prüfen", {"größe", "prüfen"}),
        ("", set()),
    ],
)
def test_the_words_that_count_are_stemmed(text: str, expected: set[str]) -> None:
    assert keywords(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "is_covered"),
    [
        ("persistent", "persistence", True),
        ("configure", "configuration", True),
        ("registration", "register", True),
        ("contract", "container", False),
        ("authentication", "authorization", False),
        ("cart", "cartoon", False),
    ],
)
def test_words_match_by_a_long_shared_beginning(one: str, other: str, is_covered: bool) -> None:
    assert (share_covered(keywords(one), keywords(other)) == 1.0) is is_covered


def test_the_share_is_the_part_of_the_needles_that_is_found() -> None:
    assert share_covered(["low", "stock"], ["stock", "market"]) == 0.5
    assert share_covered([], ["x"]) == 1.0
