"""An epic through the screen, in a real terminal: from the first key to the commit, and over a kill."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from equitr_coder.testing.script import Rule, ScriptedReply, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.pane import Pane
from tests.e2e.scenes import (
    builds,
    documents,
    file_of,
    gate,
    hands_in,
    held,
    plan_of,
    plans,
    task,
    word_of,
    worker,
    writes,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: no terminal to test in"),
]

Size = tuple[int, int]
SIZES: Sequence[Size] = ((80, 24), (120, 36))
QUESTION = "Which words shall stand in the files?"
TASKS = (task("T1"), task("T2"), task("T3", needs=("T1", "T2")))


@contextmanager
def open_screen(user: Stage, size: Size) -> Iterator[Pane]:
    """As a person opens it: without a word behind the name, in plan mode."""
    given = {"LANG": "C.UTF-8"} | {name: value for name, value in user.environ.items() if name != "LC_ALL"}
    with Pane(cwd=user.repo, environ=given, size=size) as pane:
        yield pane


def waits(pane: Pane, words: str) -> str:
    """Until the row of what needs the person says so."""
    return pane.until(lambda shown: re.search(f"NEEDS YOU 1 .*{words}", shown) is not None, f"nobody asks: {words}")


def writing(name: str, then: ScriptedReply, *, times: int | None = None) -> Rule:
    """The worker writes its file at once; what comes then is given."""
    wrote = says(f"I write {name}.", writes(file_of(name), f"{word_of(name)}\n"))
    return worker(name, wrote, then, times=times)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_an_epic_goes_from_the_first_key_to_the_commit(stage: OpenStage, size: Size) -> None:
    user = stage(
        [
            *(gate(name) for name in ("T1", "T2")),
            rule(
                calls("ask_user", question=QUESTION, options=["those of the plan", "others"]),
                says("", *documents(), plan_of(*TASKS)),
                model="strong",
                offers="submit_plan",
            ),
            *(writing(name, says("", hands_in(), barrier=held(name))) for name in ("T1", "T2")),
            builds("T3"),
        ]
    )
    start = user.tip()

    with open_screen(user, size) as pane:
        pane.sees("╭─")
        pane.types("write three words")  # the engine need not be there yet
        pane.prompts("write three words")
        pane.presses("Enter")
        pane.sees("you  write three words", QUESTION)
        waits(pane, QUESTION)
        pane.types("1")
        pane.presses("Enter")
        waits(pane, "the plan waits for your word: 3 tasks")
        pane.presses("F2")
        pane.sees("create t1.txt")
        pane.presses("[", "[")
        pane.sees("each task writes its word")
        pane.presses("F4")
        pane.sees("REVIEW", "title of T1", "title of T2", "title of T3")
        pane.keep_picture("review")
        assert not user.asked("weak")
        assert user.tip() == start

        pane.types("a")
        for name in ("T1", "T2"):
            pane.sees(f"title of {name}", f"I write {name}.")
        pane.sees("W1", "W2", "T3 needs T1", "0/3")
        pane.keep_picture("at_work")
        user.open_gate("T1")
        user.open_gate("T2")
        done = pane.sees("completed", "3/3" if size[0] < 100 else "3/3 done", "landed on main")
        pane.keep_picture("done")
        assert all(re.search(rf"{name} grep .*exit 0, .*[0-9a-f]{{7}}", done) for name in ("T1", "T2", "T3"))
        pane.presses("C-d")
        left = pane.sees("left with")
        assert "left with 0" in left
        assert "resume" not in left
        assert pane.ask("#{alternate_on}#{mouse_any_flag}#{cursor_flag}") == "001"

    assert user.git("status", "--porcelain") == ""
    assert user.git("symbolic-ref", "--short", "HEAD") == "main"
    assert user.git("rev-list", "--count", f"{start}..main") != "0"
    assert [user.read(file_of(name)) for name in ("T1", "T2", "T3")] == ["T1-built\n", "T2-built\n", "T3-built\n"]
    assert user.read("docs/todos.md").count("- [x]") == 3
    assert re.search(r"epic-001 .*completed", user.run("runs").out)


def lasting(shown: str) -> list[str]:
    """What stands between header and prompt, without clocks and money, which go on; whichever lane a task has."""
    rows = shown.splitlines()
    top = next(number for number, row in enumerate(rows) if "lanes | tasks" in row)
    end = next(number for number, row in enumerate(rows) if row.startswith("╭"))
    moving = re.compile(r"\d+:\d\d|<?\$[\d.]+|ctx [\dk]+|(?<= W)\d")
    return sorted(
        " ".join(moving.sub("", row).split()) for row in rows[top:end] if row.strip() and "NEEDS YOU" not in row
    )


def test_after_a_kill_an_epic_stands_there_as_it_was_and_pays_nothing_twice(stage: OpenStage) -> None:
    hangs = ScriptedReply(text="I think about it. " * 3, cut_after=3, hang=True)
    user = stage(
        [
            plans(*TASKS),
            *(writing(name, hangs, times=3) for name in ("T1", "T2")),
            *(writing(name, says("", hands_in())) for name in ("T1", "T2")),
            builds("T3"),
        ]
    )

    with open_screen(user, (80, 24)) as pane:
        pane.sees("╭─")
        pane.types("write three words")
        pane.presses("Enter")
        waits(pane, "the plan waits")
        pane.presses("F4")
        pane.sees("title of T3")
        pane.types("a")
        pane.sees("created t1.txt", "created t2.txt", "T3 needs T1")
        for name in ("T1", "T2"):
            user.wait_for("weak", contains=word_of(name), count=2)
        before = lasting(pane.shown)
        pane.kill_program()
        pane.start()
        rows = pane.sees("Continue", "epic-001").splitlines()
        assert "epic-001" in rows[next(number for number, row in enumerate(rows) if "Continue" in row) + 1]
        pane.presses("Up", "Enter")
        pane.sees("lanes | tasks")
        for name in ("T1", "T2"):
            user.wait_for("weak", contains=word_of(name), count=3)
        pane.until(lambda shown: lasting(shown) == before, f"it is not as it was:\n{before}\nbut")
        assert len(user.asked("strong")) == 1
        assert len(user.asked("weak")) == 6  # four before the kill; the two that hung were asked again

        pane.presses("C-d")
        pane.sees("epic-001 is at work", "stop it and leave")
        pane.presses("1")
        left = pane.sees("left with")
        assert "resume with: equitrcoder resume epic-001" in left

    resumed = user.run("resume", "epic-001", "--yes", timeout=180)
    assert resumed.code == 0, resumed.brief
    assert len(user.asked("strong")) == 1
    assert user.git("status", "--porcelain") == ""
