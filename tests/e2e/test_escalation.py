import json
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import Barrier, Rule, ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import (
    advises,
    builds,
    fails_with,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plans,
    rewrites,
    system_message,
    task,
    tool_results,
    word_of,
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


DIRECT = ("chat", "-M", "--plan", "never", "--yes")


def test_a_complex_task_goes_to_the_supervisor_before_a_worker_starts(stage: OpenStage) -> None:
    user = stage(
        [
            advises("Begin with the orders service."),
            rule(says("", writes("orders.py", "ORDERS = []\n"), hands_in()), model="weak"),
        ]
    )

    ended = user.run(*DIRECT, "--output", "stream-json", "Design microservices for a bookshop with orders and stock")

    assert ended.code == 0, ended.brief
    assert [request.model for request in user.server.requests] == ["strong", "weak"]
    assert "Begin with the orders service." in first_message(user.asked("weak")[0])
    [asked] = ended.of("escalation_asked")
    assert (asked["trigger"], asked["automatic"]) == ("complex_task", True)
    [message] = ended.of("message_sent")
    assert (message["kind"], message["sender"], message["to"]) == ("escalation", "T1", "supervisor")


@pytest.mark.parametrize("account", ["task", "agent", "run"])
def test_a_question_of_the_host_that_the_budget_refuses_stops_no_work(stage: OpenStage, account: str) -> None:
    limits = {"llm": {"budget": "0.012"} if account == "run" else {"limits": {account: "0.012"}}}
    user = stage([rule(says("", writes("orders.py", "ORDERS = []\n"), hands_in()), model="weak")], config=limits)

    ended = user.run(*DIRECT, "--output", "stream-json", "Design microservices for a bookshop with orders and stock")

    assert ended.code == 0, ended.brief
    assert not user.asked("strong")
    [answered] = ended.of("escalation_answered")
    assert f"The supervisor gave no answer: the budget of {account}" in answered["answer"]


def test_a_simple_task_costs_no_question(stage: OpenStage) -> None:
    user = stage([rule(says("", *rewrites("README.md", "# The shop\n"), hands_in()), model="weak")])

    ended = user.run(*DIRECT, "fix typo in README")

    assert ended.code == 0, ended.brief
    assert user.asked("strong") == []


def test_a_planned_task_is_complex_when_the_plan_calls_it_critical_too(stage: OpenStage) -> None:
    description = "Write {} with the word {}: design the microservices architecture of the whole platform."
    large = [task(name, description=description.format(file_of(name), word_of(name))) for name in ("T1", "T2")]
    user = stage(
        [
            plans(large[0], large[1] | {"critical": True}),
            rule(calls("review", verdict="approve"), model="strong", offers="review"),
            builds("T1"),
            builds("T2"),
            advises("Begin with the orders service."),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert [(event["task"], event["trigger"]) for event in ended.of("escalation_asked")] == [("T2", "complex_task")]


def stuck(*, until: str, then: ScriptedReply, **conditions: Any) -> list[Rule]:
    """A worker that lists the files again and again until it is told something."""
    return [
        always(then, model="weak", contains=until, **conditions),
        always(calls("list_files"), model="weak", **conditions),
    ]


def test_a_worker_that_repeats_itself_is_told_then_advised(stage: OpenStage) -> None:
    user = stage(
        [
            *stuck(until="Write a.txt.", then=says("", writes("a.txt", "a\n"), hands_in())),
            advises("Write a.txt."),
        ]
    )

    ended = user.run(*DIRECT, "--output", "stream-json", "write a")

    assert ended.code == 0, ended.brief
    told = [
        json.dumps(request.messages).count("going round in circles: the same call") for request in user.asked("weak")
    ]
    assert told == [0, 0, 0, 1, 1, 1, 1]
    assert "the supervisor was asked. It answers:\nWrite a.txt." in str(user.asked("weak")[-1].messages[-1]["content"])
    [asked] = ended.of("escalation_asked")
    assert asked["trigger"] == "no_progress"
    assert "list_files {}" in asked["question"]
    assert "README.md" in asked["question"]
    [done] = ended.of("task_changed", state="done")
    assert done["attempt"] == 1


def test_an_automatic_question_is_none_of_the_workers_own(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                *[calls("list_files")] * 6,
                calls("ask_supervisor", question="And now?"),
                says("", writes("a.txt", "a\n"), hands_in()),
                model="weak",
            ),
            advises("Write a.txt."),
        ],
        config={"orchestrator": {"max_escalations": 1}},
    )

    ended = user.run(*DIRECT, "--output", "stream-json", "write a")

    assert ended.code == 0, ended.brief
    assert [event["trigger"] for event in ended.of("escalation_asked")] == ["no_progress", "tool"]
    [answered] = ended.of("tool_returned", name="ask_supervisor")
    assert answered["is_error"] is False


def test_a_worker_that_goes_on_repeating_itself_is_stopped_and_its_work_is_kept(stage: OpenStage) -> None:
    user = stage(
        [
            worker("T1", says("", hands_in()), first=["it repeated itself without progress"]),
            worker("T1", says("", writes(file_of("T1"), "T1-built\n")), *[calls("list_files")] * 20),
            plans(task("T1"), task("T2")),
            builds("T2"),
            advises("Hand it in."),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [back] = ended.of("task_changed", task="T1", state="ready")
    assert back["reason"] == "no_progress"
    assert back["detail"] == "the same call of list_files gave the same result 12 times in a row"
    [done] = ended.of("task_changed", task="T1", state="done")
    assert done["attempt"] == 2
    assert user.read(file_of("T1")) == "T1-built\n"


def test_polling_whose_result_changes_is_left_alone(stage: OpenStage) -> None:
    polls = [calls("run_command", command="date +%s%N")] * 14
    user = stage([rule(*polls, says("", writes("a.txt", "a\n"), hands_in()), model="weak")])

    ended = user.run(*DIRECT, "write a")

    assert ended.code == 0, ended.brief
    assert user.asked("strong") == []
    assert "going round in circles" not in json.dumps(user.asked("weak")[-1].messages)


def asks_a_person() -> list[Rule]:
    return [
        rule(
            calls("ask_supervisor", question="Which colour?"),
            says("", writes("a.txt", "a\n"), hands_in()),
            model="weak",
        ),
        rule(
            calls("ask_user", question="Red or blue?", options=["red", "blue"]),
            says("Take {answer:Red or blue?}."),
            **ADVISER,
        ),
    ]


def test_the_supervisor_may_ask_a_person_and_the_run_waits_for_the_answer(stage: OpenStage) -> None:
    user = stage(asks_a_person())

    paused = user.run("chat", "-M", "--plan", "never", "write a")

    assert paused.code == 5, paused.brief
    assert "supervisor asks: Red or blue?" in paused.err
    assert "equitrcoder resume" in paused.err
    sent = len(user.server.requests)
    again = user.run("resume")
    assert again.code == 5, again.brief
    assert len(user.server.requests) == sent
    with user.terminal("resume") as person:
        person.expect("Red or blue?")
        person.answer("2", prompt="your answer>")
        assert person.wait() == 0, person.screen
    assert [request.model for request in user.server.requests[sent:]] == ["strong", "weak"]
    assert "The user answers: blue" in tool_results(user.asked("strong")[-1])[0]
    assert user.read("a.txt") == "a\n"


def test_with_yes_nobody_is_asked_and_the_supervisor_decides(stage: OpenStage) -> None:
    user = stage(asks_a_person())
    assert user.run("chat", "-M", "--plan", "never", "write a").code == 5

    ended = user.run("resume", "--yes")

    assert ended.code == 0, ended.brief
    last = user.asked("strong")[-1]
    assert "ask_user" not in last.tools
    assert "no tool named 'ask_user'" in tool_results(last)[0]


def unsure(*confidences: float) -> list[Rule]:
    turns = [says("", writes("a.txt", "a\n"), call("hand_in", summary="Write a", confidence=confidences[0]))]
    turns += [calls("hand_in", summary="Write a again", confidence=value) for value in confidences[1:]]
    return [rule(*turns, model="weak"), advises("It is right.")]


def test_work_that_its_worker_is_unsure_of_is_looked_at_once_before_it_is_taken(stage: OpenStage) -> None:
    user = stage(unsure(0.2, 0.2))

    ended = user.run(*DIRECT, "--output", "stream-json", "write a")

    assert ended.code == 0, ended.brief
    [asked] = ended.of("escalation_asked")
    assert asked["trigger"] == "low_confidence"
    assert asked["files"] == ["a.txt"]
    assert "confidence 0.2 of 1" in asked["question"]
    assert "- a.txt (created)" in asked["question"]
    assert "Write a" in asked["question"]
    held_back, taken = ended.of("tool_returned", name="hand_in")
    assert "It is right." in held_back["text"]
    assert taken["text"] == "Handed in."
    assert len(ended.of("task_changed", state="review")) == 1


def test_work_that_its_worker_is_sure_of_is_taken(stage: OpenStage) -> None:
    user = stage(unsure(90))

    ended = user.run(*DIRECT, "write a")

    assert ended.code == 0, ended.brief
    assert user.asked("strong") == []


def test_a_profile_may_turn_off_that_uncertainty_escalates(stage: OpenStage) -> None:
    user = stage(unsure(0.2))
    profiles = user.equitr_home / "profiles"
    profiles.mkdir()
    (profiles / "worker.yaml").write_text("extends: worker\nauto_escalate_on_uncertainty: false\n")

    ended = user.run(*DIRECT, "write a")

    assert ended.code == 0, ended.brief
    assert user.asked("strong") == []


def test_a_worker_that_is_refused_twice_outside_its_footprint_is_advised(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                calls("write_file", path="other.txt", content="x\n"),
                calls("write_file", path="another.txt", content="x\n"),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
            advises("Put all of it into t1.txt."),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [asked] = ended.of("escalation_asked")
    assert asked["trigger"] == "footprint"
    assert "another.txt leaves its footprint (t1.txt)" in asked["question"]
    last = next(r for r in user.asked("weak") if len(tool_results(r)) == 2)
    assert "Put all of it into t1.txt." in str(last.messages[-1]["content"])


def test_all_workers_together_keep_the_limit_of_the_run(stage: OpenStage) -> None:
    together = Barrier(name="together", parties=2)
    names = ("T1", "T2")
    user = stage(
        [
            plans(*map(task, names)),
            *(
                worker(
                    name,
                    ScriptedReply(calls=(call("ask_supervisor", question=f"{name}?"),), barrier=together),
                    says("", writes(file_of(name), f"{word_of(name)}\n"), hands_in()),
                )
                for name in names
            ),
            advises("Yes."),
        ],
        config={"orchestrator": {"max_run_escalations": 1}},
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert len(ended.of("escalation_asked")) == 1
    told = {event["is_error"]: event["text"] for event in ended.of("tool_returned", name="ask_supervisor")}
    assert told[False] == "The supervisor answers:\nYes."
    assert "no more questions to the supervisor in this run: its limit of 1" in told[True]


def test_at_the_limit_of_the_run_the_host_asks_nothing_and_says_so(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()), first=["Attempt 2"]),
            fails_with("T1"),
            builds("T2"),
        ],
        config={"orchestrator": {"max_run_escalations": 0}},
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert len(user.asked("strong")) == 1
    assert ended.of("escalation_asked") == []
    [skipped] = ended.of("escalation_skipped")
    assert (skipped["task"], skipped["trigger"], skipped["limit"]) == ("T1", "repeated_failure", 0)


STRONGER = {"orchestrator": {"max_attempts": 2, "stronger_attempt": True}}


def test_after_the_last_attempt_the_supervisors_model_does_one_more(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()), model="strong"),
            fails_with("T1"),
            builds("T2"),
            advises("Write the whole word."),
        ],
        config=STRONGER,
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [done] = ended.of("task_changed", task="T1", state="done")
    assert done["attempt"] == 3
    started = [event.get("tier") for event in ended.of("task_changed", task="T1", state="working")]
    assert started == [None, None, "strong"]
    [paid] = ended.of("model_call_settled", session="T1.3")
    assert (paid["model"], paid["tier"], paid["purpose"]) == ("stub/strong", "strong", "work")
    [request] = [request for request in user.asked("strong") if "hand_in" in request.tools]
    assert "ask_supervisor" not in request.tools
    assert "Write the whole word." in first_message(request)


def test_a_task_that_fails_the_stronger_attempt_too_has_failed(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            fails_with("T1", model="*"),
            builds("T2"),
            advises(),
        ],
        config=STRONGER,
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 1, ended.brief
    assert "attempt 3, by the supervisor's model" in ended.out
    assert "failed after 3 attempts by worker_1, the last one on the supervisor's model (check_failed)" in ended.out


def test_what_the_supervisor_said_before_a_kill_is_not_paid_for_again(stage: OpenStage) -> None:
    user = stage(
        [
            gate("meanwhile"),
            rule(*[calls("list_files")] * 6, ScriptedReply(hang=True), model="weak", times=7),
            always(says("", writes("a.txt", "a\n"), hands_in(), barrier=held("meanwhile")), model="weak"),
            advises("Write a.txt."),
        ]
    )
    process = user.start(*DIRECT, "write a")
    user.wait_for("weak", contains="Write a.txt.")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    resumed = user.start("resume", "--yes")
    user.open_gate("meanwhile")
    out, err = resumed.communicate(timeout=30)

    assert resumed.returncode == 0, out + err
    assert len(user.asked("strong")) == 1
    last = json.dumps(user.asked("weak")[-1].messages)
    assert last.count("Write a.txt.") == 1
    assert last.count("going round in circles: the same call") == 1


def test_escalations_shows_each_question_with_its_price_and_what_came_of_it(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", writes(file_of("T1"), "T1-built\n"), hands_in()), first=["Attempt 1"]),
            worker("T1", calls("ask_supervisor", question="Which word?", files=["README.md"]), says("", hands_in())),
            builds("T2"),
            advises("The first line.\nThe second line."),
        ]
    )
    ended = user.run(*PLANNED, "--output", "stream-json", "build words")
    assert ended.code == 0, ended.brief
    [paid] = ended.of("escalation_answered")

    text = user.run("escalations", "epic-001")
    data = user.run("escalations", "--output", "json")

    assert text.code == data.code == 0, text.brief + data.brief
    for told in (
        "1 question to the supervisor",
        "T1 worker_1, attempt 1: asked (tool)",
        "Which word?",
        "README.md",
        "The first line. The second line.",
        "attempt 1 was sent back (no_change)",
    ):
        assert told in text.out, text.out
    [row] = data.result["escalations"]
    assert (row["task"], row["agent"], row["attempt"], row["trigger"]) == ("T1", "worker_1", 1, "tool")
    assert (row["question"], row["files"]) == ("Which word?", ["README.md"])
    assert row["answer"] == "The first line.\nThe second line."
    assert Decimal(row["usd"]) == Decimal(paid["usd"]) > 0
    assert (row["next"], row["next_attempt"], row["reason"]) == ("sent_back", 1, "no_change")


def test_escalations_of_nothing_and_of_an_unknown_run(stage: OpenStage) -> None:
    user = stage([says("Hello.")])

    before = user.run("escalations")
    assert user.run("chat", "hello").code == 0
    after = user.run("escalations", "--output", "json")
    unknown = user.run("escalations", "epic-009")

    assert (before.code, before.out.strip()) == (0, "No question has gone to the supervisor.")
    assert after.result == {"escalations": [], "unreadable": []}
    assert unknown.code == 2
    assert len(unknown.err.strip().splitlines()) == 2
