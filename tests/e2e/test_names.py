"""Names of files that are no text: to Linux a name is bytes, and old archives are full of such."""

import os

import pytest

from equitr_coder.testing.script import call, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, hands_in, plans, task, tool_results, worker

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
OLD = b"caf\xe9.txt"


def names(user: Stage) -> set[bytes]:
    return {os.fsencode(path.name) for path in user.repo.iterdir()}


def test_a_command_of_a_chat_may_create_a_file_whose_name_is_no_text(stage: OpenStage) -> None:
    unpack = call("run_command", command=r"""printf x > "$(printf 'caf\351.txt')"; echo hi > a.txt""")
    user = stage([rule(says("", unpack), says("Unpacked."), model="weak")])

    ended = user.run("chat", "--yes", "--output", "stream-json", "unpack it")

    assert ended.code == 0, ended.brief
    assert [event["path"] for event in ended.of("file_changed")] == ["a.txt", r"caf\xe9.txt"]
    assert {OLD, b"a.txt"} <= names(user)


def test_an_ignored_file_whose_name_is_no_text_is_said_to_be_not_covered(stage: OpenStage) -> None:
    create = call("run_command", command=r"""mkdir build; printf x > "$(printf 'build/caf\351.txt')"; echo > build/a""")
    change = call("run_command", command='for file in build/*; do echo more >> "$file"; done')
    user = stage([rule(says("", create), says("", change), says("Built."), model="weak")])
    user.commit({".gitignore": "build/\n"})

    ended = user.run("chat", "--yes", "--output", "stream-json", "build it")

    assert ended.code == 0, ended.brief
    assert {name for event in ended.of("checkpoint_taken") for name in event.get("uncovered", ())} == {
        r"build/caf\xe9.txt"
    }
    assert ended.of("file_changed")[-1]["path"] == "build/a"


def test_a_worker_is_told_that_such_a_file_is_not_kept_and_the_others_work_on(stage: OpenStage) -> None:
    command = r"""echo > "$(printf 'new\351.txt')"; for old in caf*; do echo >> "$old"; done; echo T1-built > t1.txt"""
    user = stage(
        [
            plans(task("T1", files=[]), task("T2")),
            worker("T1", says("", call("run_command", command=command)), says("", hands_in())),
            builds("T2"),
        ]
    )
    (user.repo / os.fsdecode(OLD)).write_text("old\n")
    user.git("add", "-A")
    user.git("commit", "-qm", "an old name")

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert "2 done, 0 failed" in ended.out
    told = "\n".join(text for request in user.asked("weak") for text in tool_results(request))
    assert r"caf\xe9.txt, new\xe9.txt (removed). Why: its name is not UTF-8" in told
    assert names(user) == {b".git", b"README.md", b"docs", b"t1.txt", b"t2.txt", OLD}
    assert (user.repo / os.fsdecode(OLD)).read_text() == "old\n"
    assert user.run("replay", "epic-001").code == 0


@pytest.mark.parametrize("is_tracked", [True, False])
def test_a_run_begins_beside_such_a_file_and_says_that_it_is_not_seen(stage: OpenStage, is_tracked: bool) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    file = user.repo / os.fsdecode(OLD)
    file.write_text("old\n")
    if is_tracked:
        user.git("add", "-A")
        user.git("commit", "-qm", "an old name")
        file.write_text("mine\n")
    before = file.read_text()

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert r"caf\xe9.txt" in ended.text
    assert ("Not landed" in ended.out) == is_tracked
    assert file.read_text() == before
    assert user.run("doctor").code == 0
