import json
import signal
import subprocess
import time
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.testing.rates import Quota
from equitr_coder.testing.script import Rule, Script, ScriptedReply, ScriptedUsage, When, always, fails, says
from tests.e2e.conftest import PRICES, Ended, OpenStage, Stage
from tests.e2e.scenes import builds, first_message, plans, task, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
THREE = ("T1", "T2", "T3")
SPARE = {"input": 2, "output": 6}


def three_builders() -> list[Rule]:
    return [plans(*(task(name) for name in THREE)), *(builds(name) for name in THREE), answers()]


def answers(text: str = "Hello.") -> Rule:
    return Rule(when=When(), reply=says(text))


def attempts(ended: Ended) -> set[int]:
    return {event["attempt"] for event in ended.of("task_changed")} - {0}


def read_until(process: "subprocess.Popen[str]", kind: str) -> dict[str, Any]:
    """The next event of a type on the stream of a running command."""
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == kind:
            return event
    raise AssertionError(f"it ended without {kind}")


def with_fallback(user: Stage, **changes: Any) -> None:
    """The worker's model with another behind it, at the same server."""
    spare = {"model": "stub/spare", "api_base": user.server.url}
    user.configure(
        {
            "llm": {
                "retries": 1,
                "models": {"worker": {"model": "stub/weak", "fallbacks": [spare]}},
                "prices": PRICES | {"stub/spare": SPARE},
            }
            | changes
        }
    )


def test_workers_at_a_rate_limit_are_paused_and_none_fails(stage: OpenStage) -> None:
    busy = always(fails(429, "slow down", retry_after=1), model="weak", times=5)
    user = stage([busy, *three_builders()], config={"llm": {"retries": 0}})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert attempts(ended) == {1}
    assert {event["task"] for event in ended.of("task_changed", state="done")} == set(THREE)
    refused = ended.of("model_call_failed")
    assert [event["kind"] for event in refused] == ["rate_limited"] * 5
    assert all(float(event["retry_in"]) == 1.0 and Decimal(event["usd"]) == 0 for event in refused)
    delays = ended.of("model_call_delayed", why="rate_limited", model="stub/weak")
    assert delays
    assert all(1.0 <= event["seconds"] <= 10.0 and event["task"] in THREE for event in delays)


def test_what_the_headers_leave_paces_all_workers_so_that_none_is_refused(stage: OpenStage) -> None:
    quota = Quota(requests=5, minute=5.0)
    user = stage(Script(rules=tuple(three_builders()), quota=quota))

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert not ended.of("model_call_failed")


def test_an_interrupted_wait_ends_at_once_and_resume_finishes(stage: OpenStage) -> None:
    busy = always(fails(429, "slow down", retry_after=300), model="weak", times=1)
    user = stage([busy, *three_builders()])
    process = user.start(*PLANNED, "--output", "stream-json", "build words")

    delayed = read_until(process, "model_call_delayed")
    assert delayed["seconds"] > 250
    stopped_at = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert time.monotonic() - stopped_at < 5
    ended = user.run("resume", "--output", "stream-json")
    assert ended.code == 0, ended.brief
    assert attempts(ended) <= {1}
    assert all(user.read(f"{name.lower()}.txt") for name in THREE)


def test_a_time_out_shorter_than_the_wait_fails_no_attempt(stage: OpenStage) -> None:
    busy = always(fails(429, "slow down", retry_after=6), model="weak", times=1)
    user = stage([busy, *three_builders()], config={"orchestrator": {"worker_timeout": 4, "max_attempts": 1}})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert attempts(ended) == {1}
    assert max(event["seconds"] for event in ended.of("model_call_delayed")) > 4


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (fails(429, "come back later", retry_after=3600), "it asks to wait for 60 min"),
        (fails(429, "pay first", code="insufficient_quota"), "no credit left"),
    ],
    ids=["an hour", "quota"],
)
def test_a_limit_that_nobody_sits_out_pauses_the_run_and_keeps_everything(
    stage: OpenStage, error: ScriptedReply, words: str
) -> None:
    user = stage([always(error, model="weak", times=1), *three_builders()], config={"orchestrator": {"max_workers": 1}})

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 4, ended.brief
    assert ended.result["reason"] == "model_error"
    assert words in ended.err
    assert ended.result["status"] == "paused"
    assert not [one for one in ended.result["tasks"] if one["state"] == "failed"]
    again = user.run("resume", "--output", "stream-json")
    assert again.code == 0, again.brief
    assert attempts(again) <= {1}
    assert sum(word in first_message(request) for request in user.asked("weak") for word in ["T1-built"]) == 2


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (400, 1), (404, 1), (500, 3), (429, 5), (529, 5)])
def test_only_what_helps_is_sent_again(stage: OpenStage, status: int, requests: int) -> None:
    user = stage(
        [always(fails(status, retry_after=0.1 if status in (429, 529) else None), times=4), answers()],
        config={"llm": {"retries": 2}},
    )

    ended = user.run("chat", "hello")

    assert ended.code == (0 if status in (429, 529) else 4), ended.brief
    assert len(user.server.requests) == requests


def test_while_a_workers_model_is_down_its_fallback_works_priced_and_logged(stage: OpenStage) -> None:
    used = ScriptedUsage(input=1000, output=100)
    build = says("", writes("t1.txt", "T1-built\n"), usage=used)
    hand_in = builds("T1").turns[0].model_copy(update={"usage": used})
    user = stage(
        [
            plans(task("T1")),
            always(fails(503, "out to lunch"), model="weak"),
            Rule(when=When(model="spare"), turns=(build, hand_in)),
        ]
    )
    with_fallback(user)

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert attempts(ended) == {1}
    assert [request.model for request in user.server.requests][1:] == ["weak", "weak", "spare", "spare"]
    down = ended.of("model_call_failed")
    assert [(event["model"], event["kind"]) for event in down] == [("stub/weak", "server")] * 2
    reserved = ended.of("model_call_reserved", model="stub/spare")
    assert [event["instead_of"] for event in reserved] == ["stub/weak"] * 2
    settled = ended.of("model_call_settled", model="stub/spare")
    assert [Decimal(event["usd"]) for event in settled] == [Decimal("0.0026")] * 2
    assert {event["price_source"] for event in settled} == {"config llm.prices"}


def test_a_fallback_without_a_price_or_a_key_is_refused_before_anything_is_sent(stage: OpenStage) -> None:
    user = stage(three_builders())
    with_fallback(user, prices=PRICES)

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 2, ended.brief
    assert "stub/spare" in ended.err
    assert "llm.prices" in ended.err
    assert not user.server.requests

    with_fallback(user)
    config = {"llm": {"models": {"worker": {"model": "stub/weak", "fallbacks": ["groq/spare"]}}}}
    config["llm"]["prices"] = PRICES | {"groq/spare": SPARE}  # type: ignore[assignment]
    user.configure(config)
    ended = user.run(*PLANNED, "build words")
    assert ended.code in (2, 4), ended.brief
    assert "GROQ_API_KEY" in ended.err
    assert not user.server.requests


def test_the_model_is_told_what_is_left_at_the_end_of_the_prompt_and_only_when_it_matters(stage: OpenStage) -> None:
    spent = ScriptedUsage(input=10, output=7000)
    user = stage(
        [
            Rule(
                when=When(),
                turns=(
                    says("", writes("a.txt", "a\n")),
                    says("", writes("b.txt", "b\n"), usage=spent),
                    says("Done.", usage=ScriptedUsage(input=10, output=10)),
                ),
            )
        ],
        config={"llm": {"budget": 0.027, "prices": {"stub/weak": {"input": "0.01", "output": 3}}}},
    )

    ended = user.run("chat", "write")

    assert ended.code == 0, ended.brief
    messages = [request.messages for request in user.server.requests]
    told = [[number for number, one in enumerate(sent) if "(Budget: $" in str(one["content"])] for sent in messages]
    assert told == [[], [], [len(messages[2]) - 1]]
    assert "of $0.0270 is left" in str(messages[2][-1]["content"])
    assert messages[2][: len(messages[1])] == messages[1]
