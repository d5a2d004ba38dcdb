import json
import re
from decimal import Decimal
from typing import Any

import yaml

from equitr_coder.testing.script import (
    Barrier,
    RawAnswer,
    ScriptedReply,
    ScriptedUsage,
    always,
    call,
    calls,
    fails,
    rule,
    says,
)
from equitr_coder.testing.wires import OpenRouter, serve_provider
from tests.e2e.conftest import Ended, OpenStage
from tests.e2e.scenes import (
    advises,
    builds,
    file_of,
    hands_in,
    plans,
    rewrites,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)

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


def settled(ended: Ended) -> Decimal:
    return sum((Decimal(event["usd"]) for event in ended.of("model_call_settled")), Decimal(0))


def test_a_run_stops_before_the_call_that_would_pass_the_budget(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                *(says("", writes(f"{number}.txt", "x\n"), usage=FULL) for number in (1, 2, 3, 4)),
                says("Written.", usage=FULL),
                model="weak",
            )
        ],
        config={"llm": TWO_CENTS},
    )

    ended = user.run("chat", "--budget", "0.05", "--output", "json", "write")

    assert ended.code == 3, ended.brief
    assert ended.result["reason"] == "budget_exceeded"
    assert Decimal(ended.result["cost"]["total"]) == Decimal("0.04")
    assert len(user.server.requests) == 2
    assert sorted(path.name for path in user.repo.glob("?.txt")) == ["1.txt", "2.txt"]
    assert "--budget" in ended.err + ended.result["hint"]

    resumed = user.run("resume", "--budget", "0.10", "--output", "json")

    assert resumed.code == 0, resumed.brief
    assert resumed.result["content"] == "Written."
    assert Decimal(resumed.result["cost"]["total"]) == Decimal("0.10")
    assert len(user.server.requests) == 5
    assert [len(tool_results(request)) for request in user.server.requests] == [0, 1, 2, 3, 4]
    assert len(list(user.repo.glob("?.txt"))) == 4


def test_parallel_workers_never_pass_the_cap_together(stage: OpenStage) -> None:
    names = [f"T{number}" for number in range(1, 6)]
    together = Barrier(name="all", parties=3)
    user = stage(
        [
            plans(*map(task, names)),
            *(
                always(
                    ScriptedReply(calls=(call("search", pattern="x"),), usage=FULL, barrier=together),
                    model="weak",
                    first=word_of(name),
                )
                for name in names
            ),
        ],
        config={"llm": TWO_CENTS | {"budget": "0.06"}},
    )

    ended = user.run(*PLANNED, "--max-workers", "5", "--output", "json", "build words")

    assert ended.code == 3, ended.brief
    assert ended.result["reason"] == "budget_exceeded"
    assert len(user.asked("weak")) == 3
    assert user.server.peak["weak"] == 3
    assert Decimal(ended.result["cost"]["total"]) == Decimal("0.06")
    assert user.git("status", "--porcelain") == ""


def test_a_call_waits_for_the_holds_of_others(stage: OpenStage) -> None:
    names = [f"T{number}" for number in range(1, 6)]
    cheap = ScriptedUsage(input=1000, output=1)
    user = stage(
        [
            plans(*map(task, names)),
            *(
                worker(n, says("", writes(file_of(n), f"{word_of(n)}\n"), hands_in(), usage=cheap, delay=0.05))
                for n in names
            ),
        ],
        config={"llm": TWO_CENTS | {"budget": "0.065"}},
    )

    ended = user.run(*PLANNED, "--max-workers", "5", "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    assert {row["state"] for row in ended.result["tasks"]} == {"done"}
    assert user.server.peak["weak"] <= 3
    assert Decimal(ended.result["cost"]["total"]) == Decimal("0.001")


def test_there_is_one_warning_at_80_percent(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                *(says("", call("search", pattern=f"word{turn}"), usage=FULL) for turn in range(4)),
                says("Searched.", usage=FULL),
                model="weak",
            )
        ],
        config={"llm": TWO_CENTS},
    )

    ended = user.run("chat", "--budget", "0.10", "--output", "stream-json", "search")

    assert ended.code == 0, ended.brief
    [warned] = [event for event in ended.of("budget_warned") if event["account"] == "run"]
    assert Decimal(warned["usd"]) == Decimal("0.08")
    assert Decimal(warned["limit"]) == Decimal("0.10")


def test_an_unpriced_model_is_refused_with_the_line_that_prices_it(stage: OpenStage) -> None:
    user = stage([says("Hello.", usage=ScriptedUsage(input=10, output=10))])

    refused = user.run("chat", "--model", "stub/new-model", "hello")

    assert refused.code == 2, refused.brief
    assert not user.server.requests
    assert "llm.prices" in refused.err
    assert "Traceback" not in refused.err
    line = re.findall(r"[\"']?stub/new-model[\"']?: *\{[^}]*\}", refused.err)[0]
    assert "input" in line
    user.configure({"llm": {"prices": yaml.safe_load(line)}})

    ended = user.run("chat", "--model", "stub/new-model", "hello")

    assert ended.code == 0, ended.brief
    assert "Hello." in ended.out

    user.environ["EQUITR_LLM__BUDGET"] = "unlimited"
    unlimited = user.run("chat", "--model", "stub/another", "--output", "json", "hello")
    assert unlimited.code == 0, unlimited.brief
    assert "unknown" in str(unlimited.result["cost"]) or "unknown" in unlimited.err
    assert "Cost: unknown of no limit" in user.run("chat", "--model", "stub/another", "hello").out


def test_prices_can_be_given_and_overridden(stage: OpenStage) -> None:
    usage = ScriptedUsage(input=1_000_000, output=1_000_000)
    user = stage(
        [always(says("Hello.", usage=usage))],
        config={"llm": {"prices": {"stub/local": {"input": 0, "output": 0}}}},
    )

    local = user.run("chat", "--model", "stub/local", "hello")
    assert local.code == 0, local.brief
    assert "$0.0000" in local.out

    shipped = user.run("chat", "--model", "gpt-4o-mini", "--output", "json", "hello")
    assert shipped.code == 0, shipped.brief
    user.configure({"llm": {"prices": {"gpt-4o-mini": {"input": 2, "output": "1.5"}}}})
    overridden = user.run("chat", "--model", "gpt-4o-mini", "--output", "json", "hello")

    assert overridden.code == 0, overridden.brief
    assert Decimal(overridden.result["cost"]["total"]) == Decimal("3.5")
    assert Decimal(0) < Decimal(shipped.result["cost"]["total"]) < Decimal("3.5")


def test_cached_tokens_have_their_own_price(stage: OpenStage) -> None:
    user = stage([says("Hello.", usage=ScriptedUsage(input=1_234, cache_read=56_789, output=321))])

    ended = user.run("chat", "--output", "json", "hello")

    assert ended.code == 0, ended.brief
    # 1 dollar a million for fresh tokens, 10 cents for cached ones, 3 dollars for output
    expected = Decimal("0.001234") + Decimal("0.0056789") + Decimal("0.000963")
    assert ended.result["cost"]["total"] == str(expected)
    assert ended.result["cost"]["by_model"] == {"stub/weak": str(expected)}


def test_one_budget_spans_every_purpose(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", critical=True), task("T2")),
            worker(
                "T1",
                calls("ask_supervisor", question="Which word?"),
                says("", *rewrites(file_of("T1"), "wrong\n"), hands_in()),
                times=2,
            ),
            worker("T1", says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in())),
            worker("T2", says("", writes(file_of("T2"), "x"), cut_after=1), times=1),
            builds("T2"),
            always(calls("review", verdict="approve", reasons=[]), model="strong", offers="review"),
            advises(),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    calls_made = ended.of("model_call_settled")
    assert {event["purpose"] for event in calls_made} == {"planning", "work", "escalation", "review"}
    assert {event["session"] for event in calls_made} >= {"planner", "T1.1", "T1.2", "T2.1"}
    prices = {"stub/strong": (10, 30), "stub/weak": (1, 3)}
    by_model = dict.fromkeys(prices, Decimal(0))
    for event in calls_made:
        fresh, output = prices[event["model"]]
        cost = (Decimal(event["usage"]["input"]) * fresh + Decimal(event["usage"]["output"]) * output) / 1_000_000
        assert Decimal(event["usd"]) == cost
        by_model[event["model"]] += cost
    [cut] = ended.of("model_call_failed")
    [held] = ended.of("model_call_reserved", call=cut["call"])
    assert Decimal(cut["usd"]) == Decimal(held["usd"]) > 0
    by_model[cut["model"]] += Decimal(cut["usd"])
    assert len(calls_made) + 1 == len(user.server.requests)
    report = user.run("epic", "status", "epic-001", "--output", "json").result
    assert Decimal(report["cost"]) == sum(by_model.values())
    shown = user.run("runs", "--output", "json").result["runs"]
    assert [Decimal(run["usd"]) for run in shown] == [sum(by_model.values())]


def test_a_failed_call_costs_nothing_and_a_cut_one_its_reservation(stage: OpenStage) -> None:
    user = stage(
        [
            rule(fails(503), model="weak", times=1),
            rule(says("Half of the ans", cut_after=1), model="weak", times=1),
            rule(says("Hello.", usage=ScriptedUsage(input=10, output=1)), model="weak"),
        ],
        config={"llm": TWO_CENTS},
    )

    ended = user.run("chat", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    assert [Decimal(event["usd"]) for event in ended.of("model_call_failed")] == [Decimal(0), Decimal("0.02")]
    runs = user.run("runs", "--output", "json").result["runs"]
    assert Decimal(runs[0]["usd"]) == Decimal("0.0202")


def test_a_provider_that_bills_more_stops_the_run(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                says("", call("search", pattern="a"), usage=ScriptedUsage(input=10, output=1_000)),
                says("Never asked."),
                model="weak",
            )
        ],
        config={"llm": TWO_CENTS},
    )

    ended = user.run("chat", "--budget", "0.05", "--output", "json", "hello")

    assert ended.code == 3, ended.brief
    assert Decimal(ended.result["cost"]["total"]) == Decimal("0.20")
    assert len(user.server.requests) == 1


def test_a_loop_stops_at_its_budget(stage: OpenStage) -> None:
    user = stage(
        [always(says("", *rewrites("try.txt", "x\n"), hands_in(), usage=FULL), model="weak"), advises()],
        config={"llm": TWO_CENTS},
    )

    ended = user.run("loop", "make it pass", "--check", "false", "--budget", "0.05", "--max-iterations", "9", "--yes")

    assert ended.code == 3, ended.brief
    assert len(user.asked("weak")) == 2
    assert "resume" in ended.text


def test_a_reply_without_usage_is_estimated(stage: OpenStage) -> None:
    user = stage([says("Hello. " * 100, no_usage=True)])

    ended = user.run("chat", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    [call_made] = ended.of("model_call_settled")
    assert call_made["usage"]["estimated"] is True
    assert Decimal(call_made["usd"]) > 0
    assert call_made["usage"]["output"] >= 100
    assert settled(ended) == Decimal(call_made["usd"])


def test_the_budget_may_be_lifted_by_a_flag_as_by_the_configuration(stage: OpenStage) -> None:
    user = stage([always(says("Hello.", usage=ScriptedUsage(input=20_000_000, output=10)), model="weak")])

    ended = user.run("chat", "--budget", "unlimited", "--output", "json", "hello")
    shown = user.run("config-cmd", "--budget", "unlimited")
    raised = user.run("resume", "--budget", "unlimited")

    assert ended.code == 0, ended.brief
    assert Decimal(ended.result["cost"]["total"]) > 10
    line = next(line for line in shown.out.splitlines() if "llm.budget" in line)
    assert line.split() == ["llm.budget", "unlimited", "flag", "--budget"]
    assert raised.code == 2, raised.brief
    assert len(raised.err.splitlines()) == 2


def test_a_cost_that_a_known_provider_states_is_the_one_that_counts(stage: OpenStage) -> None:
    hello = always(says("Hello.", usage=ScriptedUsage(input=900, output=90, cost=Decimal("0.0012345"))))
    user = stage([hello])
    user.environ["OPENROUTER_API_KEY"] = "a-key"

    with serve_provider([hello], OpenRouter()) as openrouter:
        user.configure(
            {
                "llm": TWO_CENTS
                | {"api_base": openrouter.url, "prices": {"openrouter/weak": {"input": 0, "output": 200}}}
            }
        )
        ended = user.run("chat", "--model", "openrouter/weak", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    [call_made] = ended.of("model_call_settled")
    assert (call_made["usd"], call_made["price_source"]) == ("0.0012345", "reported by openrouter")
    [run] = user.run("runs", "--output", "json").result["runs"]
    assert Decimal(run["usd"]) == Decimal("0.0012345")


def test_a_cost_that_anybody_claims_does_not_count(stage: OpenStage) -> None:
    choice = {"index": 0, "delta": {"content": "Hello."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990, "cost": 0.0012345}
    chunks = [json.dumps({"choices": [choice]}), json.dumps({"choices": [], "usage": usage}), "[DONE]"]
    stream = "".join(f"data: {chunk}\n\n" for chunk in chunks)
    user = stage([always(ScriptedReply(raw=RawAnswer(pieces=(stream.encode(),))))], config={"llm": TWO_CENTS})

    ended = user.run("chat", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    [call_made] = ended.of("model_call_settled")
    assert (Decimal(call_made["usd"]), call_made["price_source"]) == (Decimal("0.018"), "config llm.prices")
