import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from equitr_coder.testing.script import Barrier, Rule, ScriptedReply, always, calls, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    advises,
    builds,
    fails_with,
    file_of,
    gate,
    hands_in,
    held,
    plans,
    rewrites,
    six_tasks,
    task,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def changes(ended: Ended) -> list[tuple[str, str]]:
    """(task, state) in the order it happened."""
    return [(event["task"], event["state"]) for event in ended.of("task_changed")]


def together(name: str, parties: int) -> ScriptedReply:
    """A worker's only reply, given when `parties` workers have asked."""
    return ScriptedReply(
        calls=(writes(file_of(name), f"{word_of(name)}\n"), hands_in()), barrier=Barrier(name="all", parties=parties)
    )


def test_independent_tasks_run_at_the_same_time(stage: OpenStage) -> None:
    names = ("T1", "T2", "T3", "T4")
    user = stage([plans(*map(task, names)), *(worker(name, together(name, 4)) for name in names)])

    ended = user.run(*PLANNED, "--max-workers", "4", "build words")

    assert ended.code == 0, ended.brief
    assert user.server.peak["weak"] == 4


def test_no_more_workers_than_allowed_and_one_task_for_each(stage: OpenStage) -> None:
    names = [f"T{number}" for number in range(1, 7)]
    user = stage(
        [plans(*(task(name, specialization="backend") for name in names)), *(worker(n, together(n, 2)) for n in names)],
        config={"orchestrator": {"max_workers": 2}},
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert user.server.peak["weak"] == 2
    assert most_at_work(ended.events) == 2
    at_work: dict[str, str] = {}
    for event in ended.of("task_changed"):
        if event["state"] == "working":
            assert event["agent"] not in at_work.values(), event
            at_work[event["task"]] = event["agent"]
        elif event["state"] in ("done", "failed"):
            at_work.pop(event["task"])


def test_a_task_starts_when_everything_it_needs_is_done(stage: OpenStage) -> None:
    needs: dict[str, tuple[str, ...]] = {
        "T1": (),
        "T2": (),
        "T3": ("T1",),
        "T4": ("T1", "T2"),
        "T5": ("T3", "T4"),
        "T6": ("T5",),
        "T7": ("T6",),
        "T8": ("T2",),
    }
    user = stage([plans(*(task(name, needs=needs[name]) for name in needs)), *map(builds, needs)])

    ended = user.run(*PLANNED, "--max-workers", "4", "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    order = changes(ended)
    for name, needed in needs.items():
        for other in needed:
            assert order.index((other, "done")) < order.index((name, "working")), (name, other)


def test_a_ready_task_does_not_wait_for_its_whole_wave(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3", needs=("T1",))),
            builds("T1"),
            worker("T2", together("T2", 2)),
            worker("T3", together("T3", 2)),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief


def test_one_failed_task_blocks_only_its_dependents(stage: OpenStage) -> None:
    names = [f"T{number}" for number in range(1, 7)]
    user = stage(
        [plans(*six_tasks()), fails_with("T2", word="nonsense"), *(builds(n) for n in names if n != "T2"), advises()]
    )
    start = user.tip()

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 1, ended.brief
    assert "3 done, 1 failed, 2 blocked" in ended.out or "4 done, 1 failed, 1 blocked" in ended.out
    summary = ended.out[ended.out.index("Summary") :].splitlines()
    failed = next(index for index, line in enumerate(summary) if "T2 title of T2" in line)
    assert "3 attempts" in summary[failed]
    assert "worker_2" in summary[failed]
    assert "exit code 1" in summary[failed]
    assert any("next" in line for line in summary[failed : failed + 6])
    assert any("T4" in line and "T2" in line and "blocked" in line for line in summary)
    assert_branch_untouched(user, start)

    report = user.run("epic", "status", "epic-001", "--output", "json").result
    states = {row["id"]: row["state"] for row in report["tasks"]}
    assert states == {"T1": "done", "T2": "failed", "T3": "done", "T4": "blocked", "T5": "done", "T6": "blocked"}
    kept = user.git("ls-tree", "--name-only", report["branch"]).splitlines()
    assert {"t1.txt", "t3.txt", "t5.txt"} <= set(kept)
    assert not {"t2.txt", "t4.txt", "t6.txt"} & set(kept)
    take(user, ended.out)
    assert user.read("t5.txt") == "T5-built\n"


def assert_branch_untouched(user: Stage, start: str) -> None:
    assert user.git("branch", "--show-current") == "main"
    assert user.tip() == start
    assert user.git("status", "--porcelain") == ""


def take(user: Stage, out: str) -> None:
    """Run the command that the product printed to take its work."""
    line = next(line for line in out.splitlines() if "git merge" in line or "git switch" in line)
    command = line[line.index("git ") :].strip().strip("`")
    subprocess.run(shlex.split(command), cwd=user.repo, env=user.environ, check=True, capture_output=True)


def test_higher_priority_starts_first(stage: OpenStage) -> None:
    priorities = {"T1": "low", "T2": "medium", "T3": "high"}
    user = stage([plans(*(task(name, priority=p) for name, p in priorities.items())), *map(builds, priorities)])

    ended = user.run(*PLANNED, "--max-workers", "1", "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert [name for name, state in changes(ended) if state == "working"] == ["T3", "T2", "T1"]


def test_a_worker_that_never_hands_in_is_stopped(stage: OpenStage) -> None:
    user = stage(
        [rule(*(calls("search", pattern=f"word{turn}") for turn in range(9)), model="weak"), advises()],
        config={"orchestrator": {"max_iterations": 3, "max_attempts": 1}},
    )

    ended = user.run("chat", "-M", "--plan", "never", "--yes", "--output", "json", "search for ever")

    assert ended.code == 1, ended.brief
    assert len(user.asked("weak")) == 3
    [only] = ended.result["tasks"]
    assert (only["state"], only["reason"], only["attempts"]) == ("failed", "max_iterations", 1)


def test_an_attempt_over_its_time_is_stopped(stage: OpenStage) -> None:
    user = stage(
        [always(ScriptedReply(hang=True), model="weak"), advises()],
        config={"orchestrator": {"worker_timeout": 1, "max_attempts": 1}},
    )

    ended = user.run("chat", "-M", "--plan", "never", "--yes", "--output", "json", "think for ever", timeout=20)

    assert ended.code == 1, ended.brief
    assert ended.result["tasks"][0]["reason"] == "worker_timeout"
    assert [request.outcome for request in user.asked("weak")] == ["disconnected"]


def test_plain_text_gets_one_nudge(stage: OpenStage) -> None:
    user = stage(
        [always(says("I think that I am done."), model="weak"), advises()],
        config={"orchestrator": {"max_attempts": 1}},
    )

    ended = user.run("chat", "-M", "--plan", "never", "--yes", "--output", "json", "do it")

    assert ended.code == 1, ended.brief
    assert ended.result["tasks"][0]["reason"] == "no_hand_in"
    first, second = user.asked("weak")
    assert "hand_in" in second.messages[-1]["content"]
    assert len(second.messages) == len(first.messages) + 2


def test_done_is_a_receipt_and_not_a_word(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("I swear that it is done.", hands_in("all done, the check passes")), times=1),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.task("T1")["attempts"] == 2
    assert ended.task("T1")["receipt"]["checks"][0]["exit_code"] == 0
    assert user.read("t1.txt") == "T1-built\n"


def most_at_work(events: list[dict[str, Any]]) -> int:
    """How many tasks the log has at work at once, at most."""
    at_work: set[str] = set()
    most = 0
    for event in events:
        if event["type"] == "task_changed":
            (at_work.add if event["state"] == "working" else at_work.discard)(event["task"])
            most = max(most, len(at_work))
    return most


def slow(name: str) -> list[Rule]:
    """Its worker's only reply waits at a gate."""
    reply = ScriptedReply(calls=(writes(file_of(name), f"{word_of(name)}\n"), hands_in()), barrier=held(name))
    return [worker(name, reply), gate(name)]


def with_check_of_t1(user: Stage) -> Path:
    """The check `looks` of T1 waits at a pipe, as long as there is one, when t1.txt holds the word "slow"."""
    tools = user.home / "tools"
    program, pipe = tools / "looks", tools / "waits" / "pipe"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    program.write_text(
        f"#!/bin/sh\ntest -p {pipe} && grep -q slow t1.txt && cat {pipe}\nexec grep {word_of('T1')} t1.txt\n"
    )
    program.chmod(0o755)
    user.put_first_on_path(tools)
    return pipe


def read_until(
    process: "subprocess.Popen[str]", read: list[dict[str, Any]], found: Callable[[dict[str, Any]], bool]
) -> None:
    """Append what is printed to `read`, up to the first event for which `found` holds, or all of it."""
    assert process.stdout is not None
    for line in process.stdout:
        read.append(json.loads(line))
        if found(read[-1]):
            return


def is_change(task: str, state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["type"] == "task_changed" and (event["task"], event["state"]) == (task, state)


def order(events: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(e["task"], e["state"], e.get("attempt", 0)) for e in events if e["type"] == "task_changed"]


def test_a_worker_takes_the_next_task_while_its_last_one_is_still_checked(stage: OpenStage) -> None:
    built = says("", writes("t1.txt", f"slow {word_of('T1')}\n"), hands_in())
    user = stage(
        [plans(task("T1", check="looks"), task("T2"), task("T3")), worker("T1", built), *slow("T2"), builds("T3")]
    )
    pipe = with_check_of_t1(user)
    read: list[dict[str, Any]] = []

    process = user.start(*PLANNED, "--max-workers", "2", "--output", "stream-json", "build words")
    with pipe.open("w"):  # its check reads there, and waits
        read_until(process, read, is_change("T3", "review"))
        pipe.unlink()
    read_until(process, read, is_change("T1", "done"))
    user.open_gate("T2")
    read_until(process, read, lambda _: False)
    process.communicate(timeout=60)

    assert process.returncode == 0, read[-1]
    changed = order(read)
    assert changed.index(("T1", "review", 1)) < changed.index(("T3", "working", 1))
    assert changed.index(("T3", "review", 1)) < changed.index(("T1", "done", 1))
    assert most_at_work(read) == 2


def test_a_single_worker_begins_nothing_before_its_last_task_has_landed(stage: OpenStage) -> None:
    built = says("", writes("t1.txt", f"slow {word_of('T1')}\n"), hands_in())
    user = stage([plans(task("T1", check="looks"), task("T2")), worker("T1", built), builds("T2")])
    pipe = with_check_of_t1(user)
    read: list[dict[str, Any]] = []

    process = user.start(*PLANNED, "--max-workers", "1", "--output", "stream-json", "build words")
    with pipe.open("w"):  # its check reads there, and waits
        status = user.run("epic", "status", "epic-001", "--output", "json")
    read_until(process, read, lambda _: False)
    process.communicate(timeout=60)

    assert process.returncode == 0, read[-1]
    assert {row["id"]: row["state"] for row in status.result["tasks"]} == {"T1": "review", "T2": "waiting"}
    changed = order(read)
    assert changed.index(("T1", "done", 1)) < changed.index(("T2", "working", 1))
    assert most_at_work(read) == 1


def test_a_task_that_is_sent_back_gets_the_next_free_worker_before_one_that_has_not_begun(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", check="looks"), *(task(name) for name in ("T2", "T3", "T4"))),
            worker("T1", says("", writes("t1.txt", "slow and wrong\n"), hands_in()), times=1),
            worker("T1", says("", *rewrites("t1.txt", f"{word_of('T1')}\n"), hands_in())),
            *slow("T2"),
            *slow("T3"),
            builds("T4"),
        ]
    )
    pipe = with_check_of_t1(user)
    read: list[dict[str, Any]] = []

    process = user.start(*PLANNED, "--max-workers", "2", "--output", "stream-json", "build words")
    with pipe.open("w"):  # its check reads there, and waits
        read_until(process, read, is_change("T3", "working"))
    read_until(process, read, is_change("T1", "waiting"))
    has_begun = [name for name in ("T2", "T3", "T4") if (name, "working", 1) in order(read)]
    told = read[-1]
    status = user.run("epic", "status", "epic-001", "--output", "json")
    user.open_gate("T3")
    read_until(process, read, is_change("T1", "done"))
    user.open_gate("T2")
    read_until(process, read, lambda _: False)
    process.communicate(timeout=60)

    assert process.returncode == 0, read[-1]
    assert has_begun == ["T2", "T3"]
    assert told["detail"] == "no free worker"
    assert [row["state"] for row in status.result["tasks"]] == ["ready", "working", "working", "waiting"]
    changed = order(read)
    assert (
        changed.index(("T3", "review", 1)) < changed.index(("T1", "working", 2)) < changed.index(("T4", "working", 1))
    )
    assert most_at_work(read) == 2
