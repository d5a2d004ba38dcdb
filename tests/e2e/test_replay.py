import sqlite3
from contextlib import closing
from typing import Any

import pytest

from equitr_coder.testing.script import Barrier, Rule, ScriptedCall, call, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, file_of, hands_in, plans, rewrites, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def state(user: Stage) -> tuple[str, str, str]:
    return user.git("for-each-ref"), user.git("status", "--porcelain"), user.git("worktree", "list")


def replayed(user: Stage, *arguments: str) -> dict[str, Any]:
    ended = user.run("replay", "epic-001", *arguments, "--output", "json")
    assert ended.code == (0 if ended.result["difference"] is None else 1), ended.brief
    return ended.result


def eventful() -> list[Rule]:
    """Two workers at once; edits, a command that writes, one that does not, a call that fails, a second attempt."""
    together = Barrier(name="together", parties=2)
    return [
        plans(task("T1", files=["t1.txt", "made.txt"]), task("T2"), task("T3", needs=("T1", "T2"))),
        worker(
            "T1",
            says("", writes(file_of("T1"), "a draft\n"), barrier=together),
            says("", call("run_command", command="date +%N > made.txt"), call("run_command", command="ls")),
            says("", call("edit_file", path=file_of("T1"), old_text="not there", new_text="x")),
            says("", call("edit_file", path=file_of("T1"), old_text="a draft", new_text="T1-built")),
            says("", hands_in("first things first")),
        ),
        worker(
            "T2",
            says("", *rewrites(file_of("T2"), "T2-built\n")),
            says("", hands_in("now it is right")),
            first=["Earlier attempts at this task"],
        ),
        worker(
            "T2",
            says("", writes(file_of("T2"), "wrong\n"), barrier=together),
            says("", hands_in("too early")),
        ),
        builds("T3"),
    ]


def test_an_epic_is_built_again_from_its_log_to_the_byte(stage: OpenStage) -> None:
    user = stage(eventful())
    ended = user.run(*PLANNED, "build words")
    assert ended.code == 0, ended.brief
    before, asked, money = state(user), len(user.server.requests), user.run("cost", "--output", "json").result["total"]

    again = replayed(user)

    assert again["difference"] is None
    assert again["tip"] == user.tip("equitr/epic-001")
    assert (again["usd"], again["calls"]) == (money, asked)
    assert again["edits"] == 5
    assert (again["commands"], again["commands_again"]) == (2, 0)
    assert again["commits"] == 9, "the documents, four hand-ins, three merges, the ticks"
    assert (state(user), len(user.server.requests)) == (before, asked)
    assert "every tree, commit and ledger row is the same" in user.run("replay", "epic-001").out


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_five_hundred_steps_of_four_workers_are_built_again_to_the_byte(stage: OpenStage) -> None:
    names = [f"T{number}" for number in range(1, 5)]
    steps = 125
    user = stage(
        [
            plans(*(task(name, files=[file_of(name), f"{name}/"]) for name in names)),
            *(
                worker(
                    name,
                    *(says("", _step(name, number)) for number in range(steps - 2)),
                    says("", writes(file_of(name), f"{name}-built\n")),
                    says("", hands_in()),
                )
                for name in names
            ),
        ],
        config={"orchestrator": {"max_workers": 4, "max_iterations": 2 * steps}},
    )
    ended = user.run(*PLANNED, "--budget", "1000", "build words", timeout=900)
    assert ended.code == 0, ended.brief
    before, asked = state(user), len(user.server.requests)

    ended = user.run("replay", "epic-001", "--output", "json", timeout=500)
    again = ended.result

    assert ended.code == 0, ended.brief
    assert (again["difference"], again["steps"]) == (None, 500)
    assert again["tip"] == user.tip("equitr/epic-001") == user.tip("main")
    assert (again["commands"], again["calls"]) == (4 * 12, asked)
    assert state(user) == before


def _step(name: str, number: int) -> ScriptedCall:
    """A new file, a change of the last one, or, every tenth time, a command that writes what nobody can write again."""
    if number % 10 == 9:
        return call("run_command", command=f"mkdir -p {name} && date +%N > {name}/{number}.txt")
    if number % 10 % 2:
        before = f"{name}/{number - 1}.txt"
        return call("edit_file", path=before, old_text=f"line {number - 1}", new_text=f"line {number - 1} and {number}")
    return writes(f"{name}/{number}.txt", f"line {number}\nand another of {name}\n")


CHANGES = {
    "an edit": ("a draft", "a druft", "the tree after write_file"),
    "a summary": ("now it is right", "now it is wrong", "the commit of T2"),
    "a price": ('"output":"3"', '"output":"4"', "the price of call"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_difference_is_named(stage: OpenStage, change: str) -> None:
    old, new, words = CHANGES[change]
    user = stage(eventful())
    assert user.run(*PLANNED, "build words").code == 0
    _rewrite(user, old, new)

    again = replayed(user)

    assert again["difference"] is not None
    assert words in again["difference"]["what"]


def test_a_command_runs_again_when_git_has_lost_what_it_left(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", files=["t1.txt", "made.txt"])),
            worker(
                "T1",
                says("", call("run_command", command="printf same > made.txt")),
                says("", writes(file_of("T1"), "T1-built\n")),
                says("", hands_in()),
            ),
        ]
    )
    assert user.run(*PLANNED, "build words").code == 0
    user.git("reflog", "expire", "--expire=now", "--all")
    user.git("gc", "-q", "--prune=now")

    again = replayed(user)

    assert again["difference"] is None
    assert (again["commands"], again["commands_again"]) == (1, 1)


def test_what_is_no_epic_is_not_replayed(stage: OpenStage) -> None:
    user = stage([says("Hello.")])
    assert user.run("chat", "hello").code == 0
    run = user.run("runs", "--output", "json").result["runs"][0]["run"]

    for name in (run, "epic-007"):
        ended = user.run("replay", name)
        assert ended.code == 2, ended.brief
        assert len(ended.err.strip().splitlines()) == 2, ended.brief


def _rewrite(user: Stage, old: str, new: str) -> None:
    """The log as if it had been otherwise: everywhere."""
    import zlib

    with closing(sqlite3.connect(user.equitr_home / "equitr.db", isolation_level=None)) as store:
        store.execute("DROP TRIGGER events_are_never_updated")
        for run, seq, body in store.execute("SELECT run, seq, body FROM events").fetchall():
            text = zlib.decompress(body).decode() if isinstance(body, bytes) else body
            if old in text:
                store.execute(
                    "UPDATE events SET body = ? WHERE run = ? AND seq = ?", (text.replace(old, new), run, seq)
                )
