"""What a whole run prints, against golden files."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from equitr_coder.domain.events import EVENTS

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Logs

Golden = Callable[[str, str], None]


def test_six_task_epic_prints_plan_progress_and_summary(command: "Command", logs: "Logs", golden: Golden) -> None:
    result = command("chat", "-M", "--yes", "Build it", api=logs.api(logs.successful_epic(), multi_agent=True))

    golden("epic.txt", result.out)
    assert (result.code, result.err) == (0, "")
    assert "Created 6 tasks" in result.out
    assert "Spawning workers" in result.out
    assert "Summary: 6 done, 0 failed" in result.out
    assert "\x1b" not in result.out


def test_failed_and_blocked_tasks_are_named_and_end_with_exit_code_1(
    command: "Command", logs: "Logs", golden: Golden
) -> None:
    result = command("chat", "-M", "--yes", "Build it", api=logs.api(logs.failing_epic(), multi_agent=True))

    golden("failed.txt", result.out)
    assert (result.code, result.err) == (1, "")
    assert "Summary: 3 done, 1 failed, 2 blocked" in result.out


def test_chat_prints_tools_answer_and_cost(command: "Command", logs: "Logs", golden: Golden) -> None:
    result = command("chat", "Fix the typo", api=logs.api(logs.chat()))

    golden("chat.txt", result.out)
    assert (result.code, result.err) == (0, "")


def test_unchecked_task_is_never_shown_as_a_receipt(command: "Command", logs: "Logs") -> None:
    result = command("chat", "-M", "--yes", "x", api=logs.api(logs.successful_epic(), multi_agent=True))

    block = result.out[result.out.index("+ T6") :].split("Agent:")[0].split("Ticked")[0]
    assert "unchecked" in block
    assert "receipt" not in block


def test_json_output_is_one_object_with_exact_money(command: "Command", logs: "Logs") -> None:
    result = command(
        "chat", "-M", "--yes", "x", "--output", "json", api=logs.api(logs.successful_epic(), multi_agent=True)
    )

    (line,) = result.out.splitlines()
    shown = json.loads(line)
    assert {key: shown[key] for key in ("status", "reason", "run", "epic", "landed", "branch")} == {
        "status": "completed",
        "reason": None,
        "run": "run-7k2m9x4q",
        "epic": "epic-001",
        "landed": True,
        "branch": "equitr/epic-001",
    }
    assert shown["cost"]["total"] == "0.0583"
    assert shown["cost"]["by_model"] == {"strong/planner": "0.0421", "weak/coder": "0.0162"}
    assert shown["cost"]["top"][0] == {
        "model": "strong/planner",
        "agent": "planner",
        "purpose": "planning",
        "calls": 1,
        "usd": "0.0301",
    }
    third, sixth = shown["tasks"][2], shown["tasks"][5]
    assert {key: third[key] for key in ("id", "title", "state", "attempts", "agent", "reason")} == {
        "id": "T3",
        "title": "Search",
        "state": "done",
        "attempts": 2,
        "agent": "backend_worker_2",
        "reason": None,
    }
    assert third["receipt"]["checks"][0]["command"] == "pytest -q"
    assert "output_tail" not in third["receipt"]["checks"][0]
    assert sixth["receipt"] is None


def test_stream_json_is_every_event_as_one_line_without_nulls(command: "Command", logs: "Logs") -> None:
    api = logs.api(logs.successful_epic(), multi_agent=True)

    result = command("chat", "-M", "--yes", "x", "--output", "stream-json", api=api)

    lines = result.out.splitlines()
    assert [EVENTS.validate_json(line) for line in lines] == api.log
    events = [json.loads(line) for line in lines]
    assert all({"v", "seq", "at", "run", "type"} <= set(event) for event in events)
    assert "null" not in re.sub(r'"[^"]*"', "", result.out)
    settled = next(event for event in events if event["type"] == "model_call_settled" and event.get("task"))
    assert (settled["agent"], settled["task"], settled["model"], settled["usd"]) == (
        "infrastructure_worker",
        "T1",
        "weak/coder",
        "0.0010",
    )


def test_verbose_adds_one_line_per_call_on_stderr_and_never_arguments(
    command: "Command", logs: "Logs", golden: Golden
) -> None:
    plain = command("chat", "Fix the typo", api=logs.api(logs.chat()))
    verbose = command("chat", "--verbose", "Fix the typo", api=logs.api(logs.chat()))

    golden("verbose.txt", verbose.err)
    assert verbose.out == plain.out
    assert "sk-secret" not in verbose.err + verbose.out


def test_escapes_in_an_answer_cannot_reach_the_screen(command: "Command", logs: "Logs") -> None:
    evil = "done \x1b[2J\x1b]0;owned\x07 \u202egnp.exe"

    result = command("chat", "x", api=logs.api(logs.chat(answer=evil)))

    assert "done \\x1b[2J\\x1b]0;owned\\x07 \\u202egnp.exe" in result.out
    assert "\x1b" not in result.out


@pytest.mark.parametrize("output", ["json", "stream-json"])
def test_machine_output_carries_no_escape_byte(command: "Command", logs: "Logs", output: str) -> None:
    result = command("chat", "x", "--output", output, api=logs.api(logs.chat(answer="\x1b[31mred")))

    assert "\x1b" not in result.out
