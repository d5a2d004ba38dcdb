from equitr_coder.engine.memory import _Piece, ranked, words


def pieces(*texts: str) -> list[_Piece]:
    return [_Piece(number, f"message {number}", text) for number, text in enumerate(texts)]


def found(query: str, *texts: str) -> list[str]:
    return [piece.text for piece in ranked(query, pieces(*texts))]


def test_a_name_counts_whole_and_by_its_parts() -> None:
    assert list(words("retry_limit in src/App.tsx, HTTPServer2")) == [
        "retry_limit", "retry", "limit", "in", "src/app.tsx", "src", "app", "tsx", "httpserver2", "http", "server", "2",
    ]  # fmt: skip


def test_rare_words_weigh_more_than_common_ones() -> None:
    common = ["the order is read", "the order is kept", "the order is sent"]

    assert found("the order webhook", *common, "a webhook")[0] == "a webhook"


def test_the_exact_name_goes_before_its_parts() -> None:
    assert found("order_limit", "limit the order", "order_limit = 5")[0] == "order_limit = 5"


def test_of_equals_the_newer_comes_first_and_strangers_not_at_all() -> None:
    assert ranked("order", pieces("order", "other", "order")) == [pieces("order", "other", "order")[n] for n in (2, 0)]
    assert found("nothing", "order", "other") == []
    assert found("order") == []
    assert found("?!", "order") == []


def test_words_of_any_script_are_found() -> None:
    assert found("größe", "die Größe ist 5", "x") == ["die Größe ist 5"]
    assert found("сколько", "сколько строк", "x") == ["сколько строк"]
