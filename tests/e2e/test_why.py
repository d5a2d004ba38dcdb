from decimal import Decimal
from typing import Any

from equitr_coder.testing.script import call, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import file_of, hands_in, plans, task, worker, writes


def told(user: Stage, place: str) -> dict[str, Any]:
    ended = user.run("why", place, "--output", "json")
    assert ended.code == 0, ended.brief
    return ended.result


def test_a_line_of_an_epic_leads_to_its_task_its_words_and_its_price(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", covers=["2.1.1"])),
            worker(
                "T1",
                says("I begin with a draft.", writes(file_of("T1"), "first\nsecond\n")),
                says(
                    "Now the word itself.",
                    call("edit_file", path=file_of("T1"), old_text="second", new_text="  T1-built"),
                ),
                says("", hands_in()),
            ),
        ]
    )
    assert user.run("chat", "-M", "--plan", "always", "--yes", "build words").code == 0

    built, first, document = (told(user, place) for place in ("t1.txt:2", "t1.txt:1", "docs/design.md:2"))
    person = told(user, "README.md:1")

    assert (built["by"], built["task"], built["attempt"]) == ("task", "T1", 1)
    assert (built["tool"], built["said"], built["model"]) == ("edit_file", "Now the word itself.", "stub/weak")
    assert (first["tool"], first["said"]) == ("write_file", "I begin with a draft.")
    assert built["covers"] == ["2.1.1 each task writes its word"]
    assert "T1-built" in built["prompt"]
    assert built["request"] == "build words"
    assert built["receipt"]["checks"][0]["exit_code"] == 0
    assert built["commit"] == user.git("log", "-1", "--format=%H", "--", "t1.txt")
    assert 0 < Decimal(built["call_usd"]) < Decimal(built["task_usd"])
    assert (document["by"], document["task"]) == ("host", None)
    assert (person["by"], person["run"], person["author"]) == ("person", None, "A User <user@example.invalid>")
    text = user.run("why", "t1.txt:2").out
    for words in ("T1 title of T1, attempt 1", "2.1.1 each task writes its word", "Now the word itself.", "exit 0"):
        assert words in text


def test_a_line_of_a_chat_is_found_by_its_text_committed_or_not(stage: OpenStage) -> None:
    user = stage([says("Here it is.", writes("note.txt", "one\nsomething rare\n")), says("Done.")])
    assert user.run("chat", "--yes", "write a note").code == 0
    fresh = told(user, "note.txt:2")
    user.commit({}, "a note")
    committed = told(user, "note.txt:2")
    user.write({"note.txt": "one\nsomething rare\nby hand\n"})

    assert (fresh["by"], fresh["commit"], fresh["said"]) == ("chat", None, "Here it is.")
    assert (committed["by"], committed["said"]) == ("chat", "Here it is.")
    assert committed["commit"] == user.tip()
    assert fresh["prompt"] == "write a note"
    assert told(user, "note.txt:3")["by"] == "person"


def test_a_place_that_is_none_is_told_in_two_lines(stage: OpenStage) -> None:
    user = stage([])

    for place in ("README.md", "README.md:99", "nowhere.py:1", "../home/.bashrc:1", ":3"):
        ended = user.run("why", place)
        assert ended.code == 2, ended.brief
        assert len(ended.err.strip().splitlines()) == 2, ended.brief
