import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from equitr_coder.testing.script import Script, ScriptedUsage, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import builds, first_message, plans, task, tool_results, writes


def test_a_request_is_answered_with_its_cost_to_four_decimals(stage: OpenStage) -> None:
    user = stage([says("It is a shop.", usage=ScriptedUsage(input=2_000_000, output=1_100_000))])

    ended = user.run("chat", "what   is\nthis, señor?")

    assert ended.code == 0, ended.brief
    assert "It is a shop." in ended.out
    assert "$5.3000" in ended.out  # 2 million at 1 dollar, 1.1 million at 3 dollars
    assert "stub/weak" in ended.out
    assert "Traceback" not in ended.text
    assert first_message(user.asked("weak")[0]).startswith("what   is\nthis, señor?")
    assert user.git("status", "--porcelain") == ""
    assert user.git("rev-list", "--count", "HEAD") == "1"


def test_the_request_may_come_on_stdin(stage: OpenStage) -> None:
    user = stage([says("Yes.")])

    ended = user.run("chat", stdin="is it you?\n")

    assert ended.code == 0, ended.brief
    assert "is it you?" in first_message(user.asked("weak")[0])


def test_an_empty_request_is_a_usage_error(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])

    ended = user.run("chat", stdin=" \n")

    assert ended.code == 2
    assert "chat" in ended.err
    assert "Traceback" not in ended.err
    assert not user.server.requests


def test_one_agent_means_one_model_and_no_supervisor(stage: OpenStage) -> None:
    user = stage([calls("list_files"), says("Nothing else.")])

    ended = user.run("chat", "fix the typo", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert {request.model for request in user.server.requests} == {"weak"}
    offered = set(user.server.requests[0].tools)
    assert {"read_file", "write_file", "edit_file", "apply_patch", "list_files", "search", "run_command"} <= offered
    assert not offered & {"ask_supervisor", "hand_in", "tick_todo", "submit_plan", "ask_user"}


def test_model_names_another_model_for_this_run_only(stage: OpenStage) -> None:
    user = stage(
        [always(says("Done."), model="x"), always(says("Done."), model="weak")],
        config={"llm": {"prices": {"stub/x": {"input": 0, "output": 0}}}},
    )
    config = user.equitr_home / "config.yaml"
    before = config.read_bytes()

    ended = user.run("chat", "--model", "stub/x", "hello")
    assert ended.code == 0, ended.brief
    assert [request.model for request in user.server.requests] == ["x"]
    assert config.read_bytes() == before

    assert user.run("chat", "hello").code == 0
    assert user.server.requests[-1].model == "weak"


def test_verbose_adds_a_line_for_each_call_and_never_the_key(stage: OpenStage) -> None:
    secret = "sk-a-secret-of-the-test"
    replies = (calls("read_file", path="README.md"), says("Read.", usage=ScriptedUsage(input=1200, output=34)))
    user = stage(
        Script(rules=(rule(*replies),), require_key=secret),
        config={"llm": {"api_key_env": "SHOP_KEY"}},
    )
    user.environ["SHOP_KEY"] = secret

    quiet = user.run("chat", "read it")
    verbose = user.run("chat", "read it", "--verbose")

    assert quiet.code == 0, quiet.brief
    assert quiet.err == ""
    assert verbose.code == 0, verbose.brief
    lines = verbose.err.splitlines()
    assert sum("stub/weak" in line for line in lines) == 2
    assert sum("read_file" in line for line in lines) == 1
    final = next(line for line in reversed(lines) if "stub/weak" in line)
    assert all(figure in final for figure in ("1200", "34", "$0.0013")), final
    assert all(request.has_key for request in user.server.requests)
    assert secret not in quiet.text + verbose.text
    kept = [path for path in user.equitr_home.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if secret.encode() in path.read_bytes()]


def test_without_a_model_the_three_ways_to_name_one_are_told(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])
    (user.equitr_home / "config.yaml").unlink()

    for arguments in (("chat", "hello"), ("chat", "-M", "--yes", "hello")):
        ended = user.run(*arguments)

        assert ended.code == 2, ended.brief
        assert "--model" in ended.err
        assert "models --discover" in ended.err
        assert "config" in ended.err
        assert "Traceback" not in ended.text
    assert not user.server.requests


def test_a_dirty_checkout_is_worked_on_in_place(stage: OpenStage) -> None:
    user = stage(
        [
            says("", call("read_file", path="README.md"), call("read_file", path="loose.txt")),
            calls("edit_file", path="README.md", old_text="unsaved", new_text="saved"),
            says("Changed."),
        ]
    )
    user.commit({"staged.txt": "old\n", "other.txt": "old\n"})
    user.write(
        {"staged.txt": "staged\n", "other.txt": "mine\n", "README.md": "# unsaved Shop\n", "loose.txt": "loose\n"}
    )
    user.git("add", "staged.txt")
    head, staged = user.tip(), user.git("diff", "--cached")

    ended = user.run("chat", "change it")

    assert ended.code == 0, ended.brief
    assert "unsaved Shop" in tool_results(user.asked("weak")[-1])[0]
    assert user.read("README.md") == "# saved Shop\n"
    assert (user.read("staged.txt"), user.read("other.txt"), user.read("loose.txt")) == (
        "staged\n",
        "mine\n",
        "loose\n",
    )
    assert user.tip() == head
    assert user.git("diff", "--cached") == staged
    assert user.git("status", "--porcelain").splitlines() == [
        " M README.md",
        " M other.txt",
        "M  staged.txt",
        "?? loose.txt",
    ]


def test_a_plain_folder_stays_a_plain_folder(stage: OpenStage) -> None:
    user = stage([says("", writes("notes/new.txt", "new\n")), says("Written.")], repo=False)
    user.write({"old.txt": "old\n"})

    ended = user.run("chat", "write a note")

    assert ended.code == 0, ended.brief
    assert user.read("notes/new.txt") == "new\n"
    assert sorted(path.name for path in user.repo.iterdir()) == ["notes", "old.txt"]


@pytest.mark.native
def test_what_was_sent_is_a_prefix_of_what_is_sent_next(stage: OpenStage) -> None:
    user = stage(
        [
            says("First I look.", call("list_files"), call("search", pattern="Shop")),
            calls("no_such_tool"),
            calls("edit_file", path="README.md", old_text="Shop", new_text="Store"),
            says("Done."),
        ]
    )

    assert user.run("chat", "rename it").code == 0

    bodies = [request.body for request in user.server.requests]
    assert len(bodies) == 4
    for earlier, later in pairwise(bodies):
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
        assert len(later["messages"]) > len(earlier["messages"])
        assert later["tools"] == earlier["tools"]


def test_mistakes_on_the_command_line_are_one_clear_line(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])

    for arguments, named in (
        (("chat", "--no-such-flag", "x"), "--no-such-flag"),
        (("no-such-command",), "no-such-command"),
        (("chat", "--output", "yaml", "x"), "yaml"),
        (("chat", "--budget", "much", "x"), "much"),
        (("chat", "--budget", "-1", "x"), "-1"),
        (("loop",), "GOAL"),
        (("resume", "run-nope"), "run-nope"),
        (("epic", "status", "nope"), "nope"),
        (("epic", "run", "epic-009", "--yes"), "epic-009"),
    ):
        ended = user.run(*arguments)

        assert ended.code == 2, (arguments, ended.text)
        assert named in ended.err, (arguments, ended.text)
        assert ended.out == "", arguments
        assert "Traceback" not in ended.err
        assert len(ended.err.strip().splitlines()) <= 5, ended.err
    assert not user.server.requests


def test_repo_names_the_repository_from_anywhere(stage: OpenStage, tmp_path: Path) -> None:
    user = stage([says("", writes("here.txt", "x\n")), says("Written.")])
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    ended = user.run("chat", "--repo", str(user.repo), "write", cwd=elsewhere)

    assert ended.code == 0, ended.brief
    assert user.read("here.txt") == "x\n"
    assert not list(elsewhere.iterdir())


def test_a_repository_that_does_not_exist_is_created(stage: OpenStage, tmp_path: Path) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    new = tmp_path / "new" / "project"

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--repo", str(new), "build words")

    assert ended.code == 0, ended.brief
    assert (new / "t1.txt").read_text() == "T1-built\n"
    log = subprocess.run(
        ["git", "log", "--oneline"], cwd=new, env=user.environ, capture_output=True, text=True, check=True
    )
    assert "T1" in log.stdout


def test_both_spellings_of_the_command_work(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])
    folder = Path(sys.executable).parent

    said = [
        subprocess.run([str(command), *arguments], env=user.environ, capture_output=True, text=True, check=True).stdout
        for command, arguments in (
            (folder / "equitrcoder", ["--version"]),
            (folder / "EQUITR-coder", ["--version"]),
            (folder / "EQUITR-coder", ["version"]),
        )
    ]

    versions = {line.split()[-1] for line in said}
    assert len(versions) == 1
    assert versions.pop()[0].isdigit()


def test_an_agent_that_never_ends_is_stopped_by_max_iterations(stage: OpenStage) -> None:
    user = stage(
        [rule(*(calls("search", pattern=f"word{turn}") for turn in range(9)))],
        config={"orchestrator": {"max_iterations": 3}},
    )

    ended = user.run("chat", "--output", "json", "search for ever")

    assert ended.code == 1, ended.brief
    assert ended.result["reason"] == "max_iterations"
    assert len(user.server.requests) == 3
    assert Decimal(ended.result["cost"]["total"]) > 0


def test_a_subfolder_means_its_repository(stage: OpenStage) -> None:
    user = stage([calls("read_file", path="README.md"), says("", writes("top.txt", "x\n")), says("Written.")])
    user.commit({"deep/er/file.txt": "x\n"})

    ended = user.run("chat", "write at the top", cwd=user.repo / "deep/er")

    assert ended.code == 0, ended.brief
    assert "# Shop" in tool_results(user.asked("weak")[-1])[0]
    assert user.read("top.txt") == "x\n"
