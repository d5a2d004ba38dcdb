"""Odd machines and careless use: it works, or stops in two lines before money is spent; nothing is lost."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.testing.script import Rule, ScriptedCall, ScriptedReply, When, always, calls, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    advises,
    builds,
    documents,
    gate,
    hands_in,
    held,
    plan_of,
    plans,
    rewrites,
    task,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def assert_refused_before_any_call(user: Stage, ended: Ended, *words: str) -> None:
    """Two lines that name the trouble and the next step, exit 2, nothing asked and nothing to resume."""
    assert ended.code == 2, ended.brief
    lines = ended.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], ended.brief
    assert all(word in ended.err for word in words), ended.brief
    assert not user.server.requests


def run_bytes(user: Stage, *arguments: str | bytes, stdin: bytes = b"") -> Ended:
    """For what is not text."""
    ran = subprocess.run(
        [sys.executable, "-m", "equitr_coder", *arguments],
        cwd=user.repo,
        env=user.environ,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=30,
    )
    return Ended(ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace"))


def test_a_request_that_is_not_text_is_refused(stage: OpenStage) -> None:
    user = stage([always(says("done"))])

    piped = run_bytes(user, "chat", stdin=bytes(range(128, 256)) * 8)
    typed = run_bytes(user, "chat", b"caf\xe9")

    assert_refused_before_any_call(user, piped, "UTF-8")
    assert_refused_before_any_call(user, typed, "UTF-8")
    assert user.run("runs", "--output", "json").code == 0


@pytest.mark.parametrize(
    "arguments",
    [r'{"path": "a.txt", "content": "\ud800"}', r'{"path": "\udfff", "content": "x"}', "[" * 100_000],
    ids=["content-no-text", "path-no-text", "too-deep"],
)
def test_a_call_with_unusable_arguments_is_answered_and_the_agent_goes_on(stage: OpenStage, arguments: str) -> None:
    user = stage(
        [
            ScriptedReply(calls=(ScriptedCall(name="write_file", raw=arguments),)),
            calls("write_file", path="good.txt", content="good\n"),
            says("Written at last."),
        ]
    )

    ended = user.run("chat", "write it")

    assert ended.code == 0, ended.brief
    assert "Written at last." in ended.out
    assert user.read("good.txt") == "good\n"


@pytest.mark.parametrize(
    "odd",
    [ScriptedReply(reasoning="I had better say nothing."), ScriptedReply(calls=(ScriptedCall(name="", raw="{}"),))],
    ids=["no-text", "no-name"],
)
def test_a_planner_that_says_nothing_usable_once_can_go_on(stage: OpenStage, odd: ScriptedReply) -> None:
    planner = When(model="strong", offers=("submit_plan",))
    plan = says("", *documents(), plan_of(task("T1"), task("T2")))
    user = stage([Rule(when=planner, reply=odd, times=1), Rule(when=planner, reply=plan), builds("T1"), builds("T2")])

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert user.read("t2.txt") == "T2-built\n"


def test_a_planner_that_repeats_itself_is_stopped_early(stage: OpenStage) -> None:
    user = stage([always(calls("no_such_tool"), model="strong")])

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 1, ended.brief
    assert len(user.asked("strong")) <= 12


def test_a_worker_model_without_a_price_is_refused_before_the_planner_is_paid(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), builds("T1"), builds("T2")],
        config={"llm": {"models": {"worker": "stub/other"}}},
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 2, ended.brief
    assert not user.server.requests
    assert "stub/other" in ended.err
    assert "llm.prices" in ended.err


@pytest.mark.parametrize("branch", ["equitr/epic-001", "equitr"])
def test_a_branch_in_the_way_costs_nothing(stage: OpenStage, branch: str) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.git("branch", branch)
    taken = user.tip(branch)

    ended = user.run(*PLANNED, "build words")

    assert user.tip(branch) == taken
    if ended.code != 0:
        assert ended.code == 2, ended.brief
        assert branch in ended.err
        assert not user.server.requests


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="makes a folder read-only for root too")
@pytest.mark.parametrize("arguments", [("chat", "hello"), (*PLANNED, "hello")], ids=["single", "planned"])
def test_a_read_only_home_is_said_in_two_lines(stage: OpenStage, arguments: tuple[str, ...]) -> None:
    user = stage([always(says("done"))])
    confined = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(user.home), str(user.home)]

    ran = subprocess.run(
        [*confined, sys.executable, "-m", "equitr_coder", *arguments],
        cwd=user.repo,
        env=user.environ,
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )

    ended = Ended(ran.returncode, ran.stdout, ran.stderr)
    assert_refused_before_any_call(user, ended, str(user.equitr_home), "EQUITR_HOME")


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_closed_standard_streams_are_no_internal_error(stage: OpenStage, stream: str) -> None:
    user = stage([always(says("done"))])
    number = {"stdin": 0, "stdout": 1}[stream]
    script = f'exec "$0" -m equitr_coder chat hello {number}{"<" if number == 0 else ">"}&-'

    ran = subprocess.run(
        ["sh", "-c", script, sys.executable],
        cwd=user.repo,
        env=user.environ,
        stderr=subprocess.PIPE,
        check=False,
        timeout=30,
    )

    assert ran.returncode == 0, ran.stderr.decode()
    assert len(user.asked("weak")) == 1


def test_a_deleted_worktree_is_made_anew_by_resume(stage: OpenStage) -> None:
    user = stage(
        [
            gate("look"),
            plans(task("T1"), task("T2", needs=("T1",))),
            worker("T1", ScriptedReply(calls=(writes("t1.txt", "T1-built\n"), hands_in()), barrier=held("look"))),
            builds("T2"),
            advises(),
        ]
    )
    process = user.start(*PLANNED, "build words")
    user.wait_for("weak")
    (user.equitr_home / "worktrees").rename(user.home / "gone")
    user.open_gate("look")
    out, err = process.communicate(timeout=30)

    resumed = user.run("resume", "--yes")

    assert process.returncode in (0, 2), f"{out}\n{err}"
    assert "--repo" not in err
    assert process.returncode == 0 or resumed.code == 0, resumed.brief
    assert user.read("t2.txt") == "T2-built\n"
    assert user.git("status", "--porcelain") == ""
    assert sum("T1-built" in str(request.messages[1:3]) for request in user.asked("weak")) == 1


def test_a_cut_answer_is_not_passed_off_as_a_whole_one(stage: OpenStage) -> None:
    user = stage([ScriptedReply(text="The first half of", stop="length")])

    ended = user.run("chat", "explain it")

    assert "max_tokens" in ended.text, ended.brief


def test_killed_between_the_landings_steps_the_checkout_is_mended_by_resume(stage: OpenStage, tmp_path: Path) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", needs=("T1",))),
            builds("T1"),
            builds("T2"),
        ]
    )
    start = user.tip()
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    deadly = "*update-ref*refs/heads/main*"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in\n{deadly}) {real} "$@"; kill -9 $PPID ;;\n*) exec {real} "$@" ;;\nesac\n'
    )
    wrapper.chmod(0o755)
    path = user.environ["PATH"]
    user.put_first_on_path(wrapper.parent)
    killed = user.run(*PLANNED, "build words")
    user.environ["PATH"] = path

    resumed = user.run("resume", "--yes")

    assert killed.code == -9, killed.brief
    assert resumed.code in (0, 2), resumed.brief
    assert user.tip() != start
    assert user.git("status", "--porcelain") == ""
    assert user.read("t2.txt") == "T2-built\n"


@pytest.mark.parametrize("times", [2, 3, 5])
def test_an_impatient_person_is_let_go_without_noise(stage: OpenStage, times: int) -> None:
    user = stage([always(ScriptedReply(hang=True), model="weak", times=1), always(says("Done."), model="weak")])
    process = user.start("chat", "say something")
    user.wait_for("weak")

    for _ in range(times):
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Task" not in err
    assert "Exception" not in err
    ended = user.run("resume")
    assert ended.code == 0, ended.brief
    assert "Done." in ended.out


def test_whoever_has_failed_tasks_is_told_the_command_that_tries_them_again(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1")),
            worker("T1", says("", writes("t1.txt", "wrong\n"), hands_in()), times=1),
            worker("T1", says("", *rewrites("t1.txt", "T1-built\n"), hands_in())),
        ],
        config={"orchestrator": {"max_attempts": 1}},
    )

    failed = user.run(*PLANNED, "build words")

    assert failed.code == 1, failed.brief
    assert "equitrcoder resume epic-001" in failed.out
    for command in (("resume",), ("epic", "run", "epic-001")):
        refused = user.run(*command)
        assert refused.code == 2, refused.brief
        assert "equitrcoder resume epic-001" in refused.err
    assert user.run("resume", "epic-001", "--yes").code == 0
