import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from equitr_coder.testing.script import call, calls, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import (
    advises,
    builds,
    fails_with,
    file_of,
    first_message,
    hands_in,
    plans,
    rewrites,
    system_message,
    task,
    tool_results,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
ADVISER: dict[str, Any] = {"model": "strong", "lacks": ["submit_plan", "review"]}


def test_a_question_carries_its_context_and_brings_the_answer(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                says("", writes(file_of("T1"), "a first draft\n")),
                calls("ask_supervisor", question="Is one file enough?", files=[file_of("T1"), "README.md"]),
                says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
            advises("One file is plenty."),
        ]
    )
    user.commit({"src/deep/module.py": "x = 1\n"})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    [asked] = [request for request in user.asked("strong") if "submit_plan" not in request.tools]
    context = json.dumps(asked.messages)
    assert "Is one file enough?" in context
    assert "a first draft" in context
    assert "# Shop" in context
    assert "src/deep/module.py" in context
    assert f"?? {file_of('T1')}" in context
    after = next(r for r in user.asked("weak") if len(tool_results(r)) == 2)
    assert "One file is plenty." in tool_results(after)[1]
    assert "ask_supervisor" in after.tools


def test_the_supervisor_reads_in_the_workers_tree_and_cannot_write(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                says("", writes(file_of("T1"), "a first draft\n"), call("ask_supervisor", question="Well?")),
                says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
            rule(
                says("", call("read_file", path=file_of("T1")), writes("mine.txt", "mine\n")),
                says("Go on."),
                **ADVISER,
            ),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    first, second = [request for request in user.asked("strong") if "submit_plan" not in request.tools]
    assert not {"write_file", "edit_file", "apply_patch", "run_command", "ask_supervisor"} & set(first.tools)
    read, written = tool_results(second)
    assert "a first draft" in read
    assert "write_file" in written
    assert not (user.repo / "mine.txt").exists()


def test_questions_are_capped_for_each_task_and_logged_with_their_cost(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                *(calls("ask_supervisor", question=f"Question {number}?") for number in (1, 2, 3)),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
            advises("Yes."),
        ],
        config={"orchestrator": {"max_escalations": 2}},
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert len([request for request in user.asked("strong") if "submit_plan" not in request.tools]) == 2
    answered = ended.of("tool_returned", name="ask_supervisor")
    assert [event["is_error"] for event in answered] == [False, False, True]
    assert [event["question"] for event in ended.of("escalation_asked")] == ["Question 1?", "Question 2?"]
    logged = [Decimal(event["usd"]) for event in ended.of("escalation_answered")]
    settled = [Decimal(event["usd"]) for event in ended.of("model_call_settled", purpose="escalation")]
    assert logged == settled
    assert min(logged) > 0


def test_the_workers_prompt_says_when_to_ask(stage: OpenStage) -> None:
    user = stage([rule(says("", writes("a.txt", "a\n"), hands_in()), model="weak")])

    assert user.run("chat", "-M", "--plan", "never", "--yes", "write a").code == 0

    prompt = system_message(user.asked("weak")[0]).lower()
    for occasion in ("architecture decision", "complex bug", "design pattern", "large refactor"):
        assert occasion in prompt


def test_a_question_carries_no_file_from_outside(stage: OpenStage, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the secret\n")
    outside = ["../../../../../secret.txt", str(tmp_path / "secret.txt"), "../../../../config.yaml", ".git/config"]
    user = stage(
        [
            rule(
                *(calls("ask_supervisor", question="What is in it?", files=[path]) for path in outside[:3]),
                says("", writes("a.txt", "a\n"), hands_in()),
                model="weak",
            ),
            advises("I do not know."),
        ]
    )

    ended = user.run("chat", "-M", "--plan", "never", "--yes", "write a")

    assert ended.code == 0, ended.brief
    assert len(tool_results(user.asked("weak")[-1])) == 3
    sent = json.dumps([request.messages for request in user.server.requests])
    assert "the secret" not in sent
    assert "api_base" not in sent


def test_after_repeated_failure_the_supervisor_is_asked_by_the_host(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()), first=["write the whole word"]),
            fails_with("T1"),
            builds("T2"),
            advises("You must write the whole word."),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [done] = ended.of("task_changed", task="T1", state="done")
    assert done["attempt"] == 3
    [asked] = ended.of("escalation_asked")
    assert asked["automatic"] is True
    assert asked["task"] == "T1"
    attempts = [first_message(request) for request in user.asked("weak") if "T1-built" in first_message(request)]
    assert ["write the whole word" in attempt for attempt in attempts] == [False, False, True]
