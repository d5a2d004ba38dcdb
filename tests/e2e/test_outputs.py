import json
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

from equitr_coder.domain.events import EVENTS
from equitr_coder.testing import assert_well_formed
from equitr_coder.testing.script import ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage
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
    task,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def reasons() -> set[str]:
    """The closed list, as it is documented."""
    return set(re.findall(r"`(\w+)`", next(line for line in PAGE.read_text().splitlines() if "is one of:" in line)))


def money(value: Any, name: str = "") -> list[tuple[str, object]]:
    """Every figure in dollars in a JSON value."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in money(item, key)]
    if isinstance(value, list):
        return [found for item in value for found in money(item, name)]
    return [(name, value)] if name in ("usd", "limit", "budget", "total") else []


def test_events_are_valid_ordered_and_documented(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", critical=True), task("T2"), task("T3", needs=("T2",))),
            worker(
                "T1",
                calls("ask_supervisor", question="Which word?"),
                says("", *rewrites(file_of("T1"), "wrong\n"), call("run_command", command="touch t1.txt"), hands_in()),
                times=2,
            ),
            worker("T1", says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in())),
            fails_with("T2"),
            always(calls("review", verdict="approve", reasons=[]), model="strong", offers="review"),
            advises(),
        ],
        config={"orchestrator": {"max_attempts": 2}},
    )

    ended = user.run(*PLANNED, "--budget", "0.40", "--output", "stream-json", "build words")

    assert ended.code == 1, ended.brief
    assert_well_formed(EVENTS.validate_json(line) for line in ended.out.splitlines())
    page = PAGE.read_text()
    for event in ended.events:
        assert {"v", "seq", "at", "run", "type"} <= set(event)
        assert event["v"] == 1
        assert f"## {event['type']}\n" in page, event["type"]
        for name, value in money(event):
            assert isinstance(value, str), (event["type"], name)
            Decimal(value)
        assert event.get("reason") in {None, *reasons()}
    kinds = set(ended.kinds())
    assert {
        "run_started",
        "document_written",
        "plan_submitted",
        "plan_approved",
        "task_changed",
        "model_call_reserved",
        "model_call_settled",
        "message_added",
        "tool_called",
        "tool_returned",
        "file_changed",
        "approval_requested",
        "approval_resolved",
        "escalation_asked",
        "escalation_answered",
        "review_given",
        "merge_queued",
        "merge_landed",
        "merge_rejected",
        "receipt_stored",
        "run_finished",
    } <= kinds
    assert {event["run"] for event in ended.events} == {ended.events[0]["run"]}
    work = [event for event in ended.events if event.get("session") == "T1.2"]
    assert {(event["agent"], event["task"]) for event in work} == {(work[0]["agent"], "T1")}


def test_json_is_one_object_whatever_happened(stage: OpenStage) -> None:
    user = stage(
        [
            rule(says("Fine."), model="weak", first="go well"),
            rule(calls("run_command", command="touch x"), model="weak", first="ask me"),
            rule(says("", *rewrites("a.txt", "a\n"), hands_in()), model="weak", first="fail the check"),
        ],
        config={"orchestrator": {"max_attempts": 1}, "llm": {"retries": 0}},
    )

    for arguments, code, status, reason in (
        (("chat", "go well"), 0, "completed", None),
        (("chat", "ask me"), 5, "paused", "approval_needed"),
        (("chat", "--budget", "0.000001", "go well"), 3, "paused", "budget_exceeded"),
        (("chat", "nobody knows what to answer"), 4, "paused", "model_error"),
        (
            ("chat", "-M", "--plan", "never", "--yes", "--check", "false", "fail the check"),
            1,
            "failed",
            "check_failed",
        ),
    ):
        ended = user.run(*arguments, "--output", "json")

        assert ended.code == code, ended.brief
        assert {"status", "content", "cost", "tasks", "run"} <= set(ended.result)
        assert (ended.result["status"], ended.result["reason"]) == (status, reason), arguments
        assert isinstance(ended.result["cost"]["total"], str)
        assert sum(map(Decimal, ended.result["cost"]["by_model"].values())) == Decimal(ended.result["cost"]["total"])
        assert (ended.err == "") == (code in (0, 1)), ended.err
        assert "Traceback" not in ended.err
    assert reasons() >= {"approval_needed", "budget_exceeded", "model_error", "check_failed", "max_iterations"}


def test_events_come_while_it_happens(stage: OpenStage) -> None:
    user = stage(
        [
            gate("meanwhile"),
            plans(task("T1"), task("T2", needs=("T1",))),
            worker("T1", ScriptedReply(calls=(writes("t1.txt", "T1-built\n"), hands_in()), barrier=held("meanwhile"))),
            builds("T2"),
        ]
    )
    process = user.start(*PLANNED, "--output", "stream-json", "build words")
    assert process.stdout is not None

    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "model_call_reserved" and event.get("task") == "T1":
            break
    assert process.poll() is None
    user.open_gate("meanwhile")
    rest = process.stdout.read()  # `communicate` would pass over what the loop has read ahead
    _, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert json.loads(rest.splitlines()[-1])["type"] == "run_finished"


def test_text_on_a_pipe_is_plain(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), fails_with("T2"), advises(), always(says("Hello."))])
    user.environ |= {"TERM": "xterm-256color", "CLICOLOR": "1"}

    for arguments in ((*PLANNED, "build words"), ("chat", "--verbose", "hello"), ("runs",), ("models",), ("doctor",)):
        ended = user.run(*arguments)
        assert ended.code in (0, 1), ended.brief
        assert "\x1b" not in ended.text
        assert "\r" not in ended.text
    assert word_of("T1")


def test_a_failed_task_is_reported_with_what_to_do_next(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", specialization="backend"), task("T3", needs=("T2",))),
            builds("T1"),
            fails_with("T2"),
            advises(),
        ],
        config={"orchestrator": {"max_attempts": 2}},
    )

    person = user.run(*PLANNED, "build words")
    machine = user.run(*PLANNED, "--output", "json", "build words")

    assert person.code == 1, person.brief
    report = person.out[person.out.index("Summary") :]
    for needle in ("T2", "backend_worker", "2 attempts", "exit code 1", "next:"):
        assert needle in report, needle
    for needle in ("T3", "blocked before worker_2 began (prerequisite_failed)", "T2 did not finish"):
        assert needle in report, needle
    row = machine.task("T2")
    assert (row["id"], row["agent"], row["attempts"]) == ("T2", "backend_worker", 2)
    assert "exit code 1" in row["detail"]
    assert row["next"]
    row = machine.task("T3")
    assert (row["id"], row["agent"], row["attempts"]) == ("T3", "worker_2", 0)
    assert row["detail"] == "T2 did not finish"
    assert "equitrcoder resume" in row["next"]


def test_a_reader_that_goes_away_is_no_crash(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    process = user.start(*PLANNED, "--output", "stream-json", "build words")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "run_started"
    process.stdout.close()
    process.stdout = None

    _, err = process.communicate(timeout=30)

    assert "Traceback" not in err
    assert "Exception ignored" not in err
    if not (user.repo / "t2.txt").exists():
        resumed = user.run("resume", "--yes")
        assert resumed.code == 0, resumed.brief
    assert user.read("t2.txt") == "T2-built\n"
    assert subprocess.run(["git", "fsck", "--strict"], cwd=user.repo, env=user.environ, check=False).returncode == 0
