from equitr_coder.testing.script import always, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import advises, first_message, hands_in, rewrites


def test_a_loop_feeds_the_check_back_until_it_passes(stage: OpenStage) -> None:
    user = stage(
        [
            rule(says("", *rewrites("word.txt", "right\n"), hands_in()), model="weak", first="found: almost"),
            rule(says("", *rewrites("word.txt", "almost\n"), hands_in()), model="weak"),
        ]
    )
    check = "echo found: $(cat word.txt); grep -qx right word.txt"

    ended = user.run("loop", "write the right word", "--check", check, "--yes", "--output", "json")

    assert ended.code == 0, ended.brief
    assert len(user.server.requests) == 2
    assert "write the right word" in first_message(user.server.requests[0])
    [only] = ended.result["tasks"]
    assert only["attempts"] == 2
    assert only["receipt"]["checks"][0]["command"] == check
    assert user.read("word.txt") == "right\n"
    assert user.git("status", "--porcelain") == ""


def test_a_loop_ends_after_its_rounds(stage: OpenStage) -> None:
    user = stage([always(says("", *rewrites("word.txt", "wrong\n"), hands_in()), model="weak"), advises()])
    start = user.tip()

    ended = user.run("loop", "write it", "--check", "grep right word.txt", "--max-iterations", "2", "--yes")

    assert ended.code == 1, ended.brief
    assert len(user.asked("weak")) == 2
    assert user.tip() == start
    assert user.git("status", "--porcelain") == ""
    assert "grep right word.txt" in ended.out


def test_a_loop_without_a_check_is_a_usage_error(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])

    ended = user.run("loop", "write it", "--yes")

    assert ended.code == 2, ended.brief
    assert "--check" in ended.err
    assert not user.server.requests
