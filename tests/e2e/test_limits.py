"""Limits below the run's budget: each refuses only what it is about, says how it is raised, and lets a resume go on."""

import re
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.testing.script import Barrier, ScriptedReply, ScriptedUsage, always, call, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import file_of, hands_in, plans, task, tool_results, word_of, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
FULL = ScriptedUsage(input=1000, output=100)
TWO_CENTS: dict[str, Any] = {
    "max_tokens": 100,
    "prices": {
        "stub/weak": {"input": 0, "output": 200, "cache_read": 0},
        "stub/strong": {"input": 0, "output": 0, "cache_read": 0},
    },
}
"""A call reserves, and a full reply costs, exactly two cents."""


def limited(**limits: Any) -> dict[str, Any]:
    return {"llm": TWO_CENTS | {"limits": limits}}


def looks(number: int) -> ScriptedReply:
    return says("", call("search", pattern=f"word{number}"), usage=FULL)


def slow_builder(name: str, *, looking: int) -> Any:
    """Looks around for so many calls, then writes its file and hands in."""
    done = says("", writes(file_of(name), f"{word_of(name)}\n"), hands_in(), usage=FULL)
    return worker(name, *(looks(number) for number in range(looking)), done)


def raise_as_told(user: Stage, hint: str) -> list[str]:
    """Do what the hint says: set the variables it names; returns the arguments of its command."""
    found = re.search(r"((?:EQUITR_\w+=\S+ )*)equitrcoder (resume[^;]*)", hint)
    assert found, hint
    user.environ |= dict(pair.split("=") for pair in found[1].split())
    return found[2].split()


def usd(ended: Ended) -> Decimal:
    return sum((Decimal(event["usd"]) for event in ended.of("model_call_settled")), Decimal(0))


@pytest.mark.parametrize(("key", "account"), [("task", "task T1"), ("agent", "agent T1.1")])
def test_a_task_at_its_limit_waits_while_the_others_go_on(stage: OpenStage, key: str, account: str) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3"), task("T4", needs=("T1",))),
            slow_builder("T1", looking=3),
            slow_builder("T2", looking=1),
            slow_builder("T3", looking=0),
            slow_builder("T4", looking=0),
        ],
        config=limited(**{key: "0.05"}),
    )

    ended = user.run(*PLANNED, "--max-workers", "1", "--output", "stream-json", "build words")

    assert ended.code == 3, ended.brief
    [event] = ended.of("budget_reached")
    assert (event["account"], Decimal(event["usd"]), Decimal(event["limit"])) == (
        account,
        Decimal("0.04"),
        Decimal("0.05"),
    )
    kinds = [(event["type"], event.get("task"), event.get("state")) for event in ended.events]
    assert kinds.index(("budget_reached", None, None)) < kinds.index(("task_changed", "T2", "working"))
    [paused] = ended.of("run_paused")
    assert paused["reason"] == "budget_exceeded"
    assert f"the budget of {account} is $0.05" in paused["detail"]
    states = {name: ended.of("task_changed", task=name)[-1]["state"] for name in ("T1", "T2", "T3")}
    assert states == {"T1": "working", "T2": "done", "T3": "done"}
    assert {event["state"] for event in ended.of("task_changed", task="T4")} == {"waiting"}

    words = raise_as_told(user, paused["hint"])
    assert words == ["resume"]
    again = user.run(*words, "--output", "json")

    assert again.code == 3, again.brief  # one more call fits now, and two are still to be made
    final = user.run(*raise_as_told(user, again.result["hint"]), "--output", "json")
    assert final.code == 0, final.brief
    assert {row["state"] for row in final.result["tasks"]} == {"done"}
    assert Decimal(final.result["cost"]["total"]) == Decimal("0.16")
    turns = [len(tool_results(request)) for request in user.asked("weak") if word_of("T1") in str(request.messages[1])]
    assert turns == [0, 1, 2, 3]  # no call of T1 was made twice


def test_a_task_pays_for_its_questions_and_not_for_the_planning(stage: OpenStage) -> None:
    dear = TWO_CENTS | {"prices": dict.fromkeys(TWO_CENTS["prices"], TWO_CENTS["prices"]["stub/weak"])}
    user = stage(
        [
            plans(task("T1")),
            worker("T1", says("", call("ask_supervisor", question="Which word?"), usage=FULL), looks(1)),
            always(says("This one.", usage=FULL), model="strong"),
        ],
        config={"llm": dear | {"limits": {"task": "0.05"}}},
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build a word")

    assert ended.code == 3, ended.brief
    [event] = ended.of("budget_reached")
    assert (event["account"], Decimal(event["usd"])) == ("task T1", Decimal("0.04"))
    settled = [(event["purpose"], event.get("task")) for event in ended.of("model_call_settled")]
    assert settled == [("planning", None), ("work", "T1"), ("escalation", "T1")]


def test_a_worker_that_runs_meanwhile_is_not_disturbed(stage: OpenStage) -> None:
    together = Barrier(name="both", parties=2)
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", call("search", pattern="a"), usage=FULL, barrier=together), looks(2), looks(3)),
            worker(
                "T2",
                says("", call("search", pattern="b"), barrier=together, usage=ScriptedUsage(input=10, output=1)),
                *(says("", call("search", pattern=f"c{n}"), usage=ScriptedUsage(input=10, output=1)) for n in range(8)),
                says(
                    "", writes(file_of("T2"), f"{word_of('T2')}\n"), hands_in(), usage=ScriptedUsage(input=9, output=1)
                ),
            ),
        ],
        config=limited(agent="0.04"),
    )

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 3, ended.brief
    assert {row["id"]: row["state"] for row in ended.result["tasks"]} == {"T1": "working", "T2": "done"}
    assert len(user.asked("weak")) == 2 + 10
    assert "agent T1.1" in ended.result["detail"]


def test_a_run_stops_at_the_limit_of_its_kind_and_keeps_what_is_done(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2", needs=("T1",))), slow_builder("T1", looking=1), slow_builder("T2", looking=1)],
        config=limited(workflows={"epic": "0.07", "chat": "0.01", "loop": "0.01"}),
    )

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 3, ended.brief
    assert ended.result["status"] == "paused"
    assert ended.result["reason"] == "budget_exceeded"
    assert "the budget of workflow epic is $0.07" in ended.result["detail"]
    assert ended.task("T1")["state"] == "done"
    assert ended.task("T1")["receipt"]
    assert Decimal(ended.result["cost"]["total"]) == Decimal("0.06")
    assert user.git("show", f"{ended.result['branch']}:{file_of('T1')}") == word_of("T1")
    assert ended.result["hint"].startswith(
        "give workflow epic at least $0.08 and go on: EQUITR_LLM__LIMITS__WORKFLOWS__EPIC=0.08 equitrcoder resume"
    )

    final = user.run(*raise_as_told(user, ended.result["hint"]), "--output", "json")

    assert final.code == 0, final.brief
    assert Decimal(final.result["cost"]["total"]) == Decimal("0.08")
    assert len(user.asked("weak")) == 4
    assert user.read(file_of("T2")).strip() == word_of("T2")


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("limits", "budget", "account", "resume"),
    [
        (
            {"workflows": {"chat": "0.05"}},
            "1",
            "workflow chat",
            "EQUITR_LLM__LIMITS__WORKFLOWS__CHAT=0.06 equitrcoder resume;",
        ),
        ({"agent": "0.05"}, "1", "agent chat", "EQUITR_LLM__LIMITS__AGENT=0.06 equitrcoder resume;"),
        (
            {"agent": "0.05", "workflows": {"chat": "1"}},
            "0.30",
            "agent chat",
            "EQUITR_LLM__LIMITS__AGENT=0.06 equitrcoder resume;",
        ),
        ({"agent": "0.30", "workflows": {"chat": "1"}}, "0.05", "run", "equitrcoder resume --budget 0.06"),
        ({"agent": "0.05"}, "unlimited", "agent chat", "EQUITR_LLM__LIMITS__AGENT=0.06 equitrcoder resume;"),
        ({"agent": "0.05"}, "0.055", "agent chat", "EQUITR_LLM__LIMITS__AGENT=0.06 equitrcoder resume --budget 0.06;"),
    ],
    ids=["workflow", "agent", "the least of three", "the run", "without a budget", "both"],
)
def test_the_tightest_limit_wins_and_says_how_it_is_raised(
    stage: OpenStage, limits: dict[str, Any], budget: str, account: str, resume: str
) -> None:
    user = stage([rule(*(looks(number) for number in range(2)), says("Done.", usage=FULL))], config=limited(**limits))

    ended = user.run("chat", "--budget", budget, "--output", "json", "look")

    assert ended.code == 3, ended.brief
    assert len(user.server.requests) == 2
    assert f"the budget of {account} is $0.05" in ended.result["detail"]
    assert resume in f"{ended.result['hint']};"

    final = user.run(*raise_as_told(user, ended.result["hint"]), "--output", "json")

    assert final.code == 0, final.brief
    assert final.result["content"] == "Done."
    assert Decimal(final.result["cost"]["total"]) == Decimal("0.06")


def test_in_words_the_pause_names_the_command_that_helps(stage: OpenStage) -> None:
    user = stage([rule(looks(0), says("Done.", usage=FULL))], config=limited(agent="0.03"))

    ended = user.run("chat", "look")

    assert ended.code == 3, ended.brief
    assert "EQUITR_LLM__LIMITS__AGENT=0.04 equitrcoder resume" in ended.text
    assert "--budget" not in ended.text


def test_each_account_warns_once_even_across_a_resume(stage: OpenStage) -> None:
    user = stage(
        [rule(*(looks(number) for number in range(5)), says("Done.", usage=FULL))],
        config=limited(agent="0.10", workflows={"chat": "0.05"}),
    )

    first = user.run("chat", "--budget", "0.10", "--output", "stream-json", "look")
    user.environ["EQUITR_LLM__LIMITS__WORKFLOWS__CHAT"] = "1"
    second = user.run("resume", "--output", "stream-json")
    user.environ["EQUITR_LLM__LIMITS__AGENT"] = "1"
    third = user.run("resume", "--budget", "1", "--output", "stream-json")

    assert (first.code, second.code, third.code) == (3, 3, 0), third.brief
    assert [(e["account"], Decimal(e["usd"])) for e in first.of("budget_warned")] == [
        ("workflow chat", Decimal("0.04"))
    ]
    assert [(e["account"], Decimal(e["usd"])) for e in second.of("budget_warned")] == [
        ("run", Decimal("0.08")),
        ("agent chat", Decimal("0.08")),
    ]
    assert third.of("budget_warned") == []


def test_an_unpriced_model_is_refused_under_any_limit(stage: OpenStage) -> None:
    user = stage([plans(task("T1"))], config=limited(task="0.05", agent="0.05"))

    alone = user.run("chat", "--budget", "unlimited", "--model", "stub/new-model", "hello")
    user.configure(limited(task="0.05"))
    worker_model = user.run(*PLANNED, "--budget", "unlimited", "--worker-model", "stub/new-model", "build a word")

    for refused in (alone, worker_model):
        assert refused.code == 2, refused.brief
        assert "llm.prices" in refused.err
    assert not user.server.requests  # not even the planner was paid
    assert user.run("runs", "--output", "json").result["runs"] == []


def test_a_model_that_billed_more_than_was_held_is_held_at_that_much_more(stage: OpenStage) -> None:
    more = ScriptedUsage(input=1000, output=150)
    user = stage(
        [rule(says("", call("search", pattern="a"), usage=more), looks(1), looks(2), says("Done.", usage=FULL))],
        config=limited(agent="0.09"),
    )

    first = user.run("chat", "--output", "stream-json", "look")
    user.environ["EQUITR_LLM__LIMITS__AGENT"] = "1"
    second = user.run("resume", "--output", "stream-json")

    held = [Decimal(event["usd"]) for event in (*first.of("model_call_reserved"), *second.of("model_call_reserved"))]
    assert (first.code, second.code) == (3, 0), second.brief
    assert held == [Decimal("0.02"), Decimal("0.03"), Decimal("0.03"), Decimal("0.03")]
    assert usd(first) == Decimal("0.03") + 2 * Decimal("0.02")
    assert "can cost $0.0300 with as little as 100 tokens" in first.of("run_paused")[0]["detail"]
