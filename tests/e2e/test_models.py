import json
import socket
from decimal import Decimal
from pathlib import Path

import pytest

from equitr_coder.testing.script import (
    OfferedModel,
    Rule,
    Script,
    ScriptedCall,
    ScriptedReply,
    When,
    always,
    call,
    fails,
    rule,
    says,
)
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import advises, builds, hands_in, plans, task, tool_results, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def answering(text: str = "Hello.") -> Rule:
    return Rule(when=When(), reply=says(text))


def test_models_are_shown_and_discovered(stage: OpenStage) -> None:
    offered = (OfferedModel(id="strong"), OfferedModel(id="weak", context_window=8192), OfferedModel(id="third"))
    user = stage(Script(rules=(answering(),), models=offered))

    configured = user.run("models")
    assert configured.code == 0, configured.brief
    for word in ("supervisor", "stub/strong", "worker", "stub/weak"):
        assert word in configured.out

    found = user.run("models", "--discover")
    assert found.code == 0, found.brief
    discovered = found.out[found.out.index("offered") :]
    for model in offered:
        assert model.id in discovered
    assert "tool" in discovered.lower()
    assert json.loads(user.run("models", "--discover", "--output", "json").out)["discovered"]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    user.environ["EQUITR_LLM__API_BASE"] = f"http://127.0.0.1:{port}/v1"
    down = user.run("models", "--discover")
    assert down.code != 0
    assert str(port) in down.err
    assert len(down.err.strip().splitlines()) <= 2
    assert "Traceback" not in down.err


def test_a_wrong_key_names_the_provider_and_the_variable(stage: OpenStage) -> None:
    user = stage(Script(rules=(answering(),), require_key="the-right-one"), config={"llm": {"api_key_env": "SHOP_KEY"}})
    user.environ["SHOP_KEY"] = "the-wrong-one"

    ended = user.run("chat", "hello")

    assert ended.code == 4, ended.brief
    assert "stub" in ended.err
    assert "SHOP_KEY" in ended.err
    assert "equitrcoder" in ended.err
    assert "the-wrong-one" not in ended.text
    assert "Traceback" not in ended.err
    assert len(user.server.requests) == 1

    del user.environ["SHOP_KEY"]
    ended = user.run("chat", "hello")
    assert ended.code in (2, 4), ended.brief
    assert "SHOP_KEY" in ended.err


def test_an_unknown_model_is_named(stage: OpenStage) -> None:
    user = stage(Script(rules=(answering(),), models=(OfferedModel(id="strong"),)))

    ended = user.run("chat", "hello")

    assert ended.code == 4, ended.brief
    assert "weak" in ended.err
    assert "models --discover" in ended.err
    assert len(user.server.requests) == 1


def test_an_unreachable_endpoint_is_named(stage: OpenStage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    user = stage([says("Hello.")], config={"llm": {"api_base": f"http://127.0.0.1:{port}/v1", "retries": 0}})

    ended = user.run("chat", "hello")

    assert ended.code == 4, ended.brief
    assert f"127.0.0.1:{port}" in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.strip().splitlines()) <= 3


def test_a_rate_limit_is_waited_out(stage: OpenStage) -> None:
    user = stage([rule(fails(429, "slow down", retry_after=1), times=1), answering()])

    ended = user.run("chat", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    first, second = user.server.requests
    assert first.ended is not None
    assert second.started - first.ended >= 1.0
    [failed] = ended.of("model_call_failed")
    assert Decimal(failed["usd"]) == 0
    assert "rate" in failed["kind"]
    assert float(failed["retry_in"]) >= 1.0


def test_passing_failures_are_sent_again(stage: OpenStage) -> None:
    user = stage(
        [
            rule(fails(500), times=1),
            rule(says("Half of an answer that breaks off", cut_after=2), times=1),
            answering("A whole answer."),
        ]
    )

    ended = user.run("chat", "hello")

    assert ended.code == 0, ended.brief
    assert "A whole answer." in ended.out
    assert [request.outcome for request in user.server.requests] == ["error", "cut", "answered"]
    bodies = [request.body for request in user.server.requests]
    assert bodies[0] == bodies[1] == bodies[2]


def test_a_provider_that_stays_down_ends_with_exit_4_and_can_be_resumed(stage: OpenStage) -> None:
    user = stage(
        [
            rule(says("", writes("one.txt", "x\n")), turn=0),
            always(fails(503, "out to lunch"), times=2),
            answering("Finished."),
        ],
        config={"llm": {"retries": 1}},
    )

    ended = user.run("chat", "--output", "json", "write")

    assert ended.code == 4, ended.brief
    assert ended.result["reason"] == "model_error"
    assert "out to lunch" in ended.err
    assert len(user.server.requests) == 3

    resumed = user.run("resume")

    assert resumed.code == 0, resumed.brief
    assert "Finished." in resumed.out
    assert len(user.server.requests) == 4


AUDIT = """
import os, sys

def note(event, arguments):
    if event == "socket.connect":
        line = f"connect {arguments[1]!r}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        line = f"look up {arguments[0]!r}"
    else:
        return
    with open(os.environ["AUDIT_LOG"], "a") as log:
        log.write(line + "\\n")

sys.addaudithook(note)
"""


def test_nothing_connects_anywhere_but_to_the_endpoint(stage: OpenStage, tmp_path: Path) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2"), answering()])
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit/sitecustomize.py").write_text(AUDIT)
    log = tmp_path / "connections"
    user.environ |= {"PYTHONPATH": str(tmp_path / "audit"), "AUDIT_LOG": str(log)}

    for arguments in (
        (*PLANNED, "build words"),
        ("chat", "hello"),
        ("models", "--discover"),
        ("doctor",),
        ("runs",),
        ("config-cmd",),
    ):
        assert user.run(*arguments).code == 0, arguments

    port = user.server.url.rpartition(":")[2].partition("/")[0]
    seen = set(log.read_text().splitlines())
    assert f"connect ('127.0.0.1', {port})" in seen
    others = {
        line
        for line in seen
        if line not in {f"connect ('127.0.0.1', {port})", "look up '127.0.0.1'", "look up b'127.0.0.1'"}
    }
    assert not others


def test_a_reply_cut_off_at_its_length_runs_no_half_call(stage: OpenStage) -> None:
    half = ScriptedCall(name="write_file", raw='{"path": "half.txt", "content": "the first ha')
    user = stage([ScriptedReply(calls=(half,), stop="length"), says("", writes("whole.txt", "x\n")), says("Written.")])

    ended = user.run("chat", "write")

    assert ended.code == 0, ended.brief
    assert not (user.repo / "half.txt").exists()
    assert (user.repo / "whole.txt").exists()
    assert len(tool_results(user.server.requests[1])) == 1


def test_a_failing_model_in_one_task_leaves_the_others(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3", needs=("T1",))),
            worker("T1", fails(500, "no luck"), says("never")),
            worker("T2", says("", call("search", pattern="x")), says("", writes("t2.txt", "T2-built\n"), hands_in())),
            builds("T3"),
            advises(),
        ],
        config={"llm": {"retries": 0}, "orchestrator": {"max_attempts": 1}},
    )
    start = user.tip()

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code in (1, 4), ended.brief
    assert ended.task("T1")["state"] != "done"
    assert ended.task("T3")["state"] != "done"
    assert user.tip() == start
    if ended.code == 1:
        assert ended.task("T2")["state"] == "done"
        assert ended.task("T1")["reason"] == "model_error"


def test_the_doctor_says_how_each_model_is_called_and_what_limits_hold(stage: OpenStage) -> None:
    user = stage(Script(rules=(answering(),), models=(OfferedModel(id="strong"), OfferedModel(id="weak"))))
    user.configure(
        {
            "llm": {
                "limits": {"task": 2, "workflows": {"epic": 7}},
                "models": {
                    "supervisor": {"model": "stub/strong", "fallbacks": ["anthropic/claude-sonnet-4-5"]},
                    "worker": {"model": "stub/weak", "tools": "text"},
                },
            }
        }
    )

    before = user.run("doctor")
    user.environ["ANTHROPIC_API_KEY"] = "not-a-real-key"
    listed = user.run("models")
    user.environ.pop("ANTHROPIC_API_KEY")

    assert before.code == 2, before.brief  # a fallback without its key
    assert f"model: stub/strong at {user.server.url}, called directly, native tools" in before.out
    assert f"model: stub/weak at {user.server.url}, called directly, tools as text (as configured)" in before.out
    assert "fallback: anthropic/claude-sonnet-4-5 (for stub/strong): ANTHROPIC_API_KEY is not set" in before.out
    assert "limits: $10.00 a run, $7 an epic, $2 a task" in before.out
    assert "store: " in before.out
    assert "anthropic/claude-sonnet-4-5 (fallback 1 of the supervisor)" in listed.out
    assert "ANTHROPIC_API_KEY is set, price $" in listed.out

    (user.equitr_home / "equitr.db").write_bytes(b"no database" * 500)
    damaged = user.run("doctor")
    assert damaged.code == 2, damaged.brief
    assert "equitr.db is damaged" in damaged.out


def test_the_doctor_compares_the_configured_models_with_what_the_endpoint_lists(stage: OpenStage) -> None:
    user = stage(Script(rules=(answering(),), models=(OfferedModel(id="strong"),)))

    ended = user.run("doctor")

    assert ended.code == 0, ended.brief
    assert f"{user.server.url} answers, but stub/weak is not among the 1 model it lists" in ended.out
    assert "models --discover" in ended.out

    user.configure({"llm": {"models": {"worker": "other/strong"}}})
    assert f"{user.server.url} answers and offers 1 model\n" in user.run("doctor").out


@pytest.mark.parametrize(
    ("model", "environ", "said"),
    [
        ("bedrock/anthropic.claude-v2", {}, "bedrock cannot be asked for its models"),
        ("anthropic/claude-haiku-4-5", {"HTTPS_PROXY": "foo://x"}, "the proxy in the environment cannot be used"),
    ],
    ids=["no list", "no way out"],
)
def test_the_doctor_goes_on_where_an_endpoint_cannot_be_asked(
    stage: OpenStage, model: str, environ: dict[str, str], said: str
) -> None:
    user = stage([answering()], config={"llm": {"api_base": None, "models": {"supervisor": model, "worker": model}}})
    user.environ |= {"ANTHROPIC_API_KEY": "not-a-real-key", **environ}

    ended = user.run("doctor")

    assert f"endpoint: {said}" in ended.out, ended.brief
    assert "limits: $10.00 a run" in ended.out
    assert not ended.err
