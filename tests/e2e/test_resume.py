import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from equitr_coder.domain.events import EVENTS
from equitr_coder.testing import assert_well_formed
from equitr_coder.testing.script import Rule, ScriptedReply, ScriptedUsage, always, call, calls, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    DESIGN,
    REQUIREMENTS,
    builds,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plans,
    rewrites,
    six_tasks,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
NAMES = [f"T{number}" for number in range(1, 7)]
REQUESTS = 1 + 3 * len(NAMES)
"""Of the six-task run when nothing is sent twice."""


def six_builders() -> list[Rule]:
    return [
        plans(*six_tasks()),
        *(
            worker(
                name,
                calls("list_files"),
                says("", *rewrites(file_of(name), f"{word_of(name)}\n")),
                says("", hands_in(f"{name} is built")),
            )
            for name in NAMES
        ),
    ]


def assert_whole(user: Stage) -> None:
    """The end of the six-task run: the same tree whether it was killed on the way or not."""
    names = set(user.git("ls-tree", "-r", "--name-only", "main").splitlines())
    documents = {"docs/requirements.md", "docs/design.md", "docs/todos.md"}
    assert names == {"README.md", *map(file_of, NAMES), *documents}
    for name in NAMES:
        assert user.read(file_of(name)) == f"{word_of(name)}\n"
    assert user.read("docs/design.md").endswith(DESIGN)
    assert user.read("docs/requirements.md").endswith(REQUIREMENTS)
    todos = [line for line in user.read("docs/todos.md").splitlines() if line.startswith("- [")]
    assert todos == [f"- [x] {number}. create {file_of(name)}" for number, name in enumerate(NAMES, start=1)]
    assert user.git("status", "--porcelain") == ""
    assert user.git("branch", "--show-current") == "main"
    assert user.git("fsck", "--no-dangling", "--connectivity-only") == ""
    assert not list((user.repo / ".git").glob("*.lock"))
    for name in NAMES:
        subjects = user.git("log", "main", "--format=%s").splitlines()
        assert sum(subject.startswith(f"{name}:") for subject in subjects) == 1, subjects


def test_an_uninterrupted_run_is_the_measure(stage: OpenStage) -> None:
    user = stage(six_builders())

    ended = user.run(*PLANNED, "build six words")

    assert ended.code == 0, ended.brief
    assert_whole(user)
    assert len(user.server.requests) == REQUESTS


def kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)


def finish(user: Stage, *arguments: str) -> Ended:
    """Resume until it ends, with its events."""
    ended = user.run("resume", "--yes", "--output", "stream-json", *arguments)
    assert ended.code == 0, ended.brief
    return ended


def assert_nothing_was_repeated(user: Stage, before: Sequence[str], after: Ended, answered_before: int) -> None:
    """What the server answered and the log holds as settled is never asked for again."""
    kept = [json.loads(line) for line in before]
    settled = sum(event["type"] == "model_call_settled" for event in kept)
    may_repeat = answered_before - settled
    assert may_repeat <= 4  # one unfinished call of each active agent
    answered = [request for request in user.server.requests if request.outcome == "answered"]
    assert REQUESTS <= len(answered) <= REQUESTS + may_repeat
    twice = [body for body, count in Counter(json.dumps(r.body, sort_keys=True) for r in answered).items() if count > 1]
    assert len(twice) <= may_repeat
    # the stored log goes on where it was, without a gap; what was stored but not printed any more is not at hand
    assert after.events[0]["seq"] > (kept[-1]["seq"] if kept else 0)
    if kept and after.events[0]["seq"] == kept[-1]["seq"] + 1:
        assert_well_formed(EVENTS.validate_json(line) for line in [*before, *after.out.splitlines()])


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("tool_returned", 12),
        ("merge_landed", 3),
        *(
            pytest.param(kind, count, marks=pytest.mark.slow)  # `tests/faults` kills at every kind of event
            for kind, count in (
                ("run_started", 1),
                ("model_call_reserved", 1),
                ("plan_submitted", 1),
                ("plan_approved", 1),
                ("tool_called", 7),
                ("model_call_settled", 10),
                ("merge_queued", 2),
                ("receipt_stored", 5),
            )
        ),
    ],
)
def test_a_run_killed_at_any_event_ends_the_same(stage: OpenStage, kind: str, count: int) -> None:
    user = stage(six_builders())
    process = user.start(*PLANNED, "--output", "stream-json", "build six words")
    assert process.stdout is not None
    printed: list[str] = []
    left = count
    for line in process.stdout:
        printed.append(line)
        left -= json.loads(line)["type"] == kind
        if left == 0:
            break
    kill(process)
    rest = process.stdout.read()  # `communicate` would pass over what the loop has read ahead
    process.communicate()
    assert left == 0
    printed += [line for line in rest.splitlines() if line.endswith("}")]
    answered = sum(request.outcome == "answered" for request in user.server.requests)

    resumed = finish(user)

    assert_whole(user)
    assert_nothing_was_repeated(user, printed, resumed, answered)


WRAPPER = """#!/bin/sh
case "$*" in
*"update-ref --no-deref -z --stdin"*)
    exec {python} {folder}/resident.py {git} "$@"
    ;;
*"{command}"*)
    printf . >> {folder}/count
    if [ "$(wc -c < {folder}/count)" -eq {count} ]; then
        if [ {moment} = after ]; then {git} "$@"; fi
        kill -KILL -- "-$PPID"
        kill -KILL "$PPID"
    fi
    ;;
esac
exec {git} "$@"
"""
RESIDENT = """
import os, signal, subprocess, sys
from pathlib import Path

def seen():
    with Path({count_file!r}).open("a") as file:
        file.write(".")
    return Path({count_file!r}).stat().st_size == {count}

def kill():
    parent = os.getppid()
    os.killpg(parent, signal.SIGKILL)
    sys.exit()

git = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
while request := os.read(0, 1 << 16):
    is_it = {name!r} in request and seen()
    if is_it and {moment!r} == "before":
        kill()
    git.stdin.write(request)
    answer = b""
    while not answer.endswith(b"commit: ok\\n"):
        said = git.stdout.read(1 << 16)
        if not said:
            sys.exit(git.wait())
        answer += said
    if is_it:
        kill()
    os.write(1, answer)
"""
"""Stands before the git that stays to move refs, and does the same as the wrapper."""


def wrap_git(user: Stage, folder: Path, *, command: str, count: int, moment: str) -> None:
    """A git that kills its caller at the `count`-th command that holds this text, before or after it has done it."""
    folder.mkdir()
    wrapper = folder / "git"
    wrapper.write_text(
        WRAPPER.format(
            folder=folder,
            git=shutil.which("git"),
            command=command,
            count=count,
            moment=moment,
            python=sys.executable,
        )
    )
    (folder / "resident.py").write_text(
        RESIDENT.format(
            count_file=str(folder / "count"), count=count, moment=moment, name=command.rstrip().encode() + b"\0"
        )
    )
    wrapper.chmod(0o755)
    user.put_first_on_path(folder)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("command", "count"),
    [
        pytest.param("refs/heads/equitr/epic-001 ", 1, id="documents come onto their branch", marks=pytest.mark.slow),
        pytest.param("refs/equitr/epic-001/T1.1 ", 1, id="what a worker wrote", marks=pytest.mark.slow),
        pytest.param("refs/heads/equitr/epic-001 ", 4, id="a task is merged"),
        pytest.param("checkout-index", 1, id="landing, files", marks=pytest.mark.slow),
        pytest.param("refs/heads/main ", 1, id="landing, the user's branch", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_at_any_git_command_ends_the_same(
    stage: OpenStage, tmp_path: Path, command: str, count: int, moment: str
) -> None:
    user = stage(six_builders())
    usual_path = user.environ["PATH"]
    wrap_git(user, tmp_path / "wrapper", command=command, count=count, moment=moment)

    process = user.start(*PLANNED, "build six words")
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, f"the command never came: {out} {err}"
    user.environ["PATH"] = usual_path

    ended = user.run("resume", "--yes")

    assert ended.code == 0, ended.brief
    assert_whole(user)


def test_a_reservation_open_at_a_crash_counts_as_spent(stage: OpenStage) -> None:
    user = stage(
        [
            rule(ScriptedReply(hang=True), model="weak", times=1),
            rule(says("Hello.", usage=ScriptedUsage(input=10, output=1)), model="weak"),
        ],
        config={
            "llm": {
                "max_tokens": 100,
                "prices": {"stub/weak": {"input": 0, "output": 200, "cache_read": 0}},
            }
        },
    )
    process = user.start("chat", "hello")
    user.wait_for("weak")
    kill(process)
    process.communicate()

    ended = user.run("resume", "--output", "json")

    assert ended.code == 0, ended.brief
    assert Decimal(ended.result["cost"]["total"]) == Decimal("0.02") + Decimal("0.0002")


def test_nothing_finished_is_asked_again(stage: OpenStage) -> None:
    user = stage(
        [
            gate("meanwhile"),
            plans(task("T1"), task("T2", needs=("T1",))),
            builds("T1"),
            worker(
                "T2",
                says("", writes("t2.txt", "half\n")),
                ScriptedReply(
                    calls=(call("write_file", path="t2.txt", content="T2-built\n"), hands_in()),
                    barrier=held("meanwhile"),
                ),
            ),
        ]
    )
    process = user.start(*PLANNED, "build words")
    user.wait_for("weak", contains="half")
    kill(process)
    process.communicate()
    before = [(request.model, word_of("T1") in first_message(request)) for request in user.server.requests]
    assert before == [("strong", False), ("weak", True), ("weak", False), ("weak", False)]

    resumed = user.start("resume", "--yes")
    user.open_gate("meanwhile")
    out, err = resumed.communicate(timeout=30)

    assert resumed.returncode == 0, out + err
    assert "run-" in out.splitlines()[0]
    again = [request for request in user.server.requests[len(before) :] if not request.model.startswith("gate")]
    assert [(request.model, word_of("T2") in first_message(request)) for request in again] == [("weak", True)]
    assert tool_results(again[0])
    assert user.read("t2.txt") == "T2-built\n"


def processes_with(marker: str) -> list[bytes]:
    """Command lines on this machine that hold the marker as an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if marker.encode() in line:
            found.append(line)
    return found


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM], ids=["sigint", "sigterm"])
def test_an_interrupt_leaves_no_orphan_and_a_usable_repository(stage: OpenStage, interrupt: signal.Signals) -> None:
    marker = f"300.{os.getpid()}{interrupt.value}"
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3")),
            builds("T1"),
            always(
                calls("run_command", command=f"sleep {marker}", timeout=4), model="weak", first=word_of("T2"), times=1
            ),
            always(says("", *rewrites("t2.txt", "T2-built\n"), hands_in()), model="weak", first=word_of("T2")),
            always(ScriptedReply(hang=True), model="weak", first=word_of("T3"), times=1),
            builds("T3"),
        ]
    )
    process = user.start(*PLANNED, "build words")
    assert process.stdout is not None
    started = "".join(iter_until(process.stdout, lambda line: "T1" in line and "done" in line))
    user.wait_for("weak", contains=word_of("T3"))
    until(lambda: processes_with(marker))

    process.send_signal(interrupt)
    out, err = process.communicate(timeout=10)

    assert process.returncode == 130, started + out + err
    assert "Traceback" not in out + err
    assert "1 done" in out
    assert "resume" in out + err
    assert not processes_with(marker)
    assert user.git("status", "--porcelain") == ""
    assert user.git("branch", "--show-current") == "main"

    resumed = user.run("resume", "--yes")
    assert resumed.code == 0, resumed.brief
    assert [user.read(file_of(name)) for name in ("T1", "T2", "T3")] == ["T1-built\n", "T2-built\n", "T3-built\n"]


def iter_until(lines: Iterable[str], is_last: Callable[[str], bool]) -> Iterator[str]:
    for line in lines:
        yield line
        if is_last(line):
            return
    raise AssertionError("it ended before")


def until(holds: Callable[[], object], *, seconds: float = 15.0) -> None:
    """For what only the process table tells: no signal of ours says that a sandboxed command has started."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_living_run_is_not_resumed(stage: OpenStage) -> None:
    user = stage([gate("meanwhile"), rule(says("Hello.", barrier=held("meanwhile")), model="weak")])
    process = user.start("chat", "hello")
    user.wait_for("weak")

    newest = user.run("resume")
    run = user.run("runs", "--output", "json").result["runs"][0]["run"]
    named = user.run("resume", run)
    user.open_gate("meanwhile")
    out, err = process.communicate(timeout=30)

    for refused in (newest, named):
        assert refused.code == 2, refused.brief
        assert len(refused.err.strip().splitlines()) <= 2
    assert run in named.err
    assert process.returncode == 0, err
    assert "Hello." in out
    assert len(user.asked("weak")) == 1


def test_a_resumed_run_reads_the_models_again(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", needs=("T1",))),
            builds("T1"),
            rule(ScriptedReply(hang=True), model="weak", first=word_of("T2")),
            builds("T2", model="better"),
        ],
        config={"llm": {"prices": {"stub/better": {"input": 2, "output": 2}}}},
    )
    process = user.start(*PLANNED, "build words")
    user.wait_for("weak", contains=word_of("T2"))
    kill(process)
    process.communicate()
    before = len(user.server.requests)
    user.configure({"llm": {"models": {"worker": "stub/better"}, "prices": {"stub/better": {"input": 2, "output": 2}}}})

    ended = user.run("resume", "--yes", "--output", "json")

    assert ended.code == 0, ended.brief
    assert [request.model for request in user.server.requests[before:]] == ["better"]
    assert set(ended.result["cost"]["by_model"]) == {"stub/strong", "stub/weak", "stub/better"}
    assert user.read("t2.txt") == "T2-built\n"


def test_there_may_be_nothing_to_resume(stage: OpenStage) -> None:
    user = stage([says("Hello.")])

    never = user.run("resume")
    assert user.run("chat", "hello").code == 0
    finished = user.run("resume")

    for ended in (never, finished):
        assert ended.code == 2, ended.brief
        assert len(ended.err.strip().splitlines()) <= 2
        assert "Traceback" not in ended.err
    assert len(user.server.requests) == 1


def test_a_killed_chat_goes_on_where_it_was(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                says("", call("read_file", path="README.md"), writes("new.txt", "new\n")),
                calls("edit_file", path="README.md", old_text="Shop", new_text="Shop Shop"),
                model="weak",
            ),
            always(ScriptedReply(hang=True), model="weak", turn=2, times=1),
            always(says("Renamed."), model="weak", turn=2),
        ]
    )
    process = user.start("chat", "double it")
    user.wait_for("weak", count=3)
    kill(process)
    process.communicate()
    assert user.read("README.md") == "# Shop Shop\n"

    ended = user.run("resume")

    assert ended.code == 0, ended.brief
    assert "Renamed." in ended.out
    assert len(user.server.requests) == 4
    assert user.read("README.md") == "# Shop Shop\n"
    assert len(tool_results(user.server.requests[-1])) == 3
