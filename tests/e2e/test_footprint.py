"""What a command leaves outside the files of its task."""

from pathlib import Path

import pytest

from equitr_coder.testing.script import Rule, ScriptedReply, call, calls, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import builds, file_of, hands_in, plans, task, worker, writes

WEAKEN = "sed -i 's/assert shop()/pass/' tests/test_shop.py"
MORE = "chmod +x README.md && echo T1-built >> t1.txt && touch new.txt"
TESTS = "def test_shop():\n    assert shop()\n"
PLANNED = ("chat", "-M", "--plan", "always")


def one_worker(*replies: ScriptedReply) -> list[Rule]:
    return [plans(task("T1"), task("T2")), worker("T1", *replies), builds("T2")]


def with_tests(user: Stage) -> Stage:
    user.commit({"tests/test_shop.py": TESTS}, "tests")
    return user


def run(user: Stage, *arguments: str) -> Ended:
    ended = user.run(*PLANNED, "--yes", "--output", "stream-json", *arguments, "build words")
    assert ended.code == 0, ended.brief
    return ended


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o111


def test_yes_does_not_let_a_command_change_files_outside_the_footprint(stage: OpenStage) -> None:
    user = with_tests(stage(one_worker(calls("run_command", command=f"{WEAKEN} && {MORE}"), says("", hands_in()))))

    ended = run(user)

    [returned] = ended.of("tool_returned", task="T1", name="run_command")
    told = returned["text"]
    assert told.startswith("exit 0")
    assert "README.md, new.txt (removed), tests/test_shop.py" in told
    assert "leaves its footprint (t1.txt)" in told
    assert "nobody is here to ask" in told
    assert "say in the summary what is missing and why" in told
    refused = [event["answer"] for event in ended.of("approval_resolved") if not event["answer"]["allowed"]]
    assert [answer["by"] for answer in refused] == ["yes_flag"]
    assert [(event["path"], event["change"]) for event in ended.of("file_changed", task="T1")] == [
        ("t1.txt", "created")
    ]
    assert user.read("tests/test_shop.py") == TESTS
    assert user.read("t1.txt") == "T1-built\n"
    assert not (user.repo / "new.txt").exists()
    assert not mode_of(user.repo / "README.md")


def test_a_command_that_a_rule_allows_is_held_to_the_footprint_with_nobody_to_ask(stage: OpenStage) -> None:
    user = with_tests(
        stage(
            [
                worker(
                    "T1",
                    calls("run_command", command=WEAKEN),
                    says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
                ),
                plans(task("T1"), task("T2")),
                builds("T2"),
            ],
            config={"permission": {"allow": ["sed *"]}},
        )
    )
    planned = user.run("epic", "create", "build words")
    assert planned.code == 0, planned.brief

    ended = user.run("epic", "run", "epic-001", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert "It was not allowed: nobody is here to ask." in ended.of("tool_returned", task="T1")[0]["text"]
    assert user.read("tests/test_shop.py") == TESTS


def test_a_command_cannot_hide_a_change_behind_a_gitignore(stage: OpenStage) -> None:
    hide = "printf 'hidden.txt\\nt1.txt\\n' > .gitignore && touch hidden.txt && echo T1-built > t1.txt"
    user = stage(one_worker(calls("run_command", command=hide), says("", hands_in())))

    ended = run(user)

    assert [event["path"] for event in ended.of("file_changed", task="T1")] == ["t1.txt"]
    assert not (user.repo / ".gitignore").exists()
    assert not (user.repo / "hidden.txt").exists()


def test_a_command_that_ran_out_of_time_is_held_to_the_footprint_as_well(stage: OpenStage) -> None:
    slow = "sed -i 's/assert shop()/pass/' tests/test_shop.py && echo T1-built > t1.txt && sleep 60"
    user = with_tests(stage(one_worker(says("", call("run_command", command=slow, timeout=1)), says("", hands_in()))))

    ended = run(user)

    [returned] = ended.of("tool_returned", task="T1", name="run_command")
    assert "timed out" in returned["text"]
    assert "tests/test_shop.py" in returned["text"]
    assert user.read("tests/test_shop.py") == TESTS


def test_a_command_that_ended_its_attempt_leaves_nothing_outside_the_footprint(stage: OpenStage) -> None:
    slow = "sed -i 's/assert shop()/pass/' tests/test_shop.py && echo mine > elsewhere.txt && sleep 60"
    user = with_tests(
        stage(
            [
                plans(task("T1"), task("T2")),
                builds("T1", first=["Earlier attempts at this task"]),
                worker("T1", calls("run_command", command=slow)),
                builds("T2"),
            ],
            config={"orchestrator": {"worker_timeout": 2, "max_workers": 1}},
        )
    )

    ended = run(user)

    assert ended.of("task_changed", task="T1", reason="worker_timeout")
    assert user.read("tests/test_shop.py") == TESTS
    assert not (user.repo / "elsewhere.txt").exists()


def test_a_command_cannot_edit_the_planning_documents(stage: OpenStage) -> None:
    command = "echo mine >> docs/design.md; rm docs/todos.md; echo T1-built > t1.txt"
    user = stage(
        [
            plans(task("T1", files=["t1.txt", "docs/*.md"]), task("T2")),
            worker("T1", calls("run_command", command=command), says("", hands_in())),
            builds("T2"),
        ]
    )

    ended = run(user)

    [returned] = ended.of("tool_returned", task="T1", name="run_command")
    assert "docs/design.md, docs/todos.md" in returned["text"]
    assert "planning document" in returned["text"]
    assert [event["path"] for event in ended.of("file_changed", task="T1")] == ["t1.txt"]


def test_a_task_that_named_no_files_is_bound_to_none(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", files=[]), task("T2")),
            worker("T1", calls("run_command", command="echo T1-built > t1.txt; touch more.txt"), says("", hands_in())),
            builds("T2"),
        ]
    )

    ended = run(user)

    assert [event["path"] for event in ended.of("file_changed", task="T1")] == ["more.txt", "t1.txt"]
    assert (user.repo / "more.txt").exists()


@pytest.mark.parametrize("answer", ["once", "no"])
def test_a_person_is_asked_once_for_what_a_command_changed(stage: OpenStage, answer: str) -> None:
    user = with_tests(
        stage(
            one_worker(
                calls("run_command", command=WEAKEN),
                calls("run_command", command="sed -i 's/shop/store/' tests/test_shop.py"),
                calls("run_command", command="sed -i 's/store/mart/;s/Shop/Mart/' tests/test_shop.py README.md"),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            config={"permission": {"allow": ["sed *"]}},
        )
    )

    with user.terminal(*PLANNED, "build words") as person:
        person.answer("approve", prompt="review>")
        person.expect("keep what a command changed in: tests/test_shop.py")
        person.answer(answer, prompt="allow>")
        # The first answer holds for the second command: only the third is asked about, and only for what is new.
        person.expect("keep what a command changed in: README.md\n" if answer == "once" else "README.md\n")
        person.answer("no", prompt="allow>")
        assert person.wait() == 0

    expected = {"once": "def test_mart():\n    pass\n", "no": TESTS}
    assert user.read("tests/test_shop.py") == expected[answer]
    assert user.read("README.md") == "# Shop\n"
