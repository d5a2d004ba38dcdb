from equitr_coder.presentation.fuzzy import narrowed, score


def test_letters_must_stand_in_order_and_words_anywhere() -> None:
    assert score("apl", "approve plan") is not None
    assert score("plan app", "approve plan") is not None
    assert score("lpa", "approve plan") is None
    assert score("", "anything") == 0


def test_beginnings_of_words_and_letters_in_a_row_come_first() -> None:
    names = ["the dashboard", "edit file", "show diff", "dim frame face"]

    assert narrowed("diff", names, str) == ["show diff", "dim frame face"]
    assert narrowed("ef", ["leaf", "edit file"], str)[0] == "edit file"
    assert narrowed("", names, str) == names
