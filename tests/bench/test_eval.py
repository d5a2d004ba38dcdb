"""The evaluation from the command to the stored result, on the scripted model."""

import signal
from decimal import Decimal

import pytest

from equitr_coder.testing.script import Rule, ScriptedCall, ScriptedReply, always, call, calls, fails, rule, says
from tests.bench.conftest import OpenEvaluation
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import advises, hands_in

PAGES = "shop/pages.py"
STOCK = "depot/stock.py"
SETTINGS = "transfer.ini"


def worker(request: str, *replies: ScriptedReply) -> Rule:
    """The worker whose first message holds this piece of a task's request."""
    return rule(*replies, model="weak", offers="hand_in", first=request)


def mends_pages() -> tuple[ScriptedCall, ...]:
    right = "max(1, (total + size - 1) // size)"
    return (
        call("read_file", path=PAGES),
        call("edit_file", path=PAGES, old_text="max(1, total // size)", new_text=right),
    )


SOLVES_PAGES = worker("21 orders", says("", *mends_pages(), hands_in()))
SOLVES_SETTINGS = worker(
    "raise the timeout",
    calls("read_file", path=SETTINGS),
    calls(
        "edit_file",
        path=SETTINGS,
        old_text="timeout = 30\nmode = passive",
        new_text="timeout = 45\nretries = 3\nmode = passive",
    ),
    says("", hands_in()),
)
FAILS_STOCK = always(
    says("", call("read_file", path=STOCK), hands_in("it is fast now")),
    model="weak",
    offers="hand_in",
    first="takes minutes",
)


def test_two_tasks_are_solved_and_one_is_not(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    user = stage([SOLVES_PAGES, SOLVES_SETTINGS, FAILS_STOCK, advises()], config={"orchestrator": {"max_attempts": 2}})
    run = evaluation(user)

    ended = run.run("--budget", "5", "--only", "01,03,15")

    assert ended.code == 0, ended.brief
    result = run.result
    assert {task["task"]: task["result"] for task in result["tasks"]} == {
        "01_off_by_one": "solved",
        "03_crlf": "solved",
        "15_performance": "unsolved",
    }, ended.brief
    assert (result["totals"]["solved"], result["totals"]["finished"], result["not_run"]) == (2, 3, [])
    assert result["models"] == {"supervisor": "stub/strong", "worker": "stub/weak"}
    assert (result["mode"], result["stopped"], len(result["prompts"])) == ("multi", None, 64)
    failed = run.task("15_performance")
    assert failed["attempts"] == 2
    assert failed["reason"] == "no_change"
    assert run.task("03_crlf")["model_calls"] == 3
    assert "solved 2 of 3" in ended.out
    assert not (user.equitr_home / "equitr.db").exists(), "the user's own runs are left alone"


@pytest.mark.slow
def test_money_tokens_and_calls_are_those_of_the_runs(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    usage = {"input": 1000, "output": 200}
    work = ScriptedReply(calls=(*mends_pages(), hands_in()), usage=usage)
    run = evaluation(stage([rule(work, model="weak", offers="hand_in")]))

    ended = run.run("--budget", "5", "--only", "01")

    assert ended.code == 0, ended.brief
    task = run.task("01_off_by_one")
    assert Decimal(task["usd"]) == Decimal("0.0016")
    assert {name: Decimal(usd) for name, usd in task["by_model"].items()} == {"stub/weak": Decimal("0.0016")}
    assert (task["usage"]["input"], task["usage"]["output"]) == (1000, 200)
    assert (task["model_calls"], task["tool_calls"], task["malformed_calls"], task["attempts"]) == (1, 3, 0, 1)
    assert Decimal(run.result["totals"]["usd"]) == Decimal("0.0016")


@pytest.mark.slow
def test_malformed_calls_are_told_from_calls_that_failed(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    malformed = (
        call("open_file", path=PAGES),
        ScriptedCall(name="read_file", raw='{"path": '),
        ScriptedCall(name="read_file", raw='["shop/pages.py"]'),
        call("read_file", file=PAGES),
        call("edit_file", path=PAGES, old=1, new=2),
        call("apply_patch", patch="no patch at all"),
    )
    failed = (
        call("read_file", path="nowhere.py"),
        call("edit_file", path=PAGES, old_text="not in there", new_text="x"),
        call("read_file", path="../outside.py"),
    )
    work = [says("", *malformed), says("", *failed), says("", *mends_pages(), hands_in())]
    run = evaluation(stage([rule(*work, model="weak", offers="hand_in")]))

    ended = run.run("--budget", "5", "--only", "01")

    assert ended.code == 0, ended.brief
    task = run.task("01_off_by_one")
    assert (task["malformed_calls"], task["tool_errors"], task["tool_calls"]) == (6, 9, 12)
    assert task["result"] == "solved"


@pytest.mark.slow
def test_one_agent_in_place_is_judged_by_the_same_check(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    run = evaluation(stage([rule(says("", *mends_pages()), says("Mended."), model="weak")]))

    ended = run.run("--budget", "5", "--only", "01", "--mode", "single", "--model", "stub/weak")

    assert ended.code == 0, ended.brief
    assert run.task("01_off_by_one")["result"] == "solved"
    assert run.result["models"] == {"single": "stub/weak"}


def test_at_the_cap_it_stops_and_says_what_was_not_run(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    dear = {"llm": {"prices": {"stub/weak": {"input": 10, "output": 100}}}}
    work = ScriptedReply(calls=(*mends_pages(), hands_in()), usage={"input": 20_000, "output": 7_000})
    run = evaluation(stage([rule(work, model="weak", offers="hand_in", first="21 orders")], config=dear))

    ended = run.run("--budget", "1", "--only", "01,02,03")

    assert ended.code == 0, ended.brief
    result = run.result
    assert [task["result"] for task in result["tasks"]] == ["solved", "not finished"], ended.brief
    assert result["not_run"] == ["02_cli_flag", "03_crlf"]
    assert result["stopped"] == "the cap is reached"
    assert Decimal(result["totals"]["usd"]) <= 1
    assert (result["totals"]["solved"], result["totals"]["finished"]) == (1, 1)
    assert "02_cli_flag, 03_crlf" in ended.out
    assert len(run.user.server.requests) == 1


def test_without_models_it_refuses(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    user = stage([], repo=False)
    (user.equitr_home / "config.yaml").unlink()
    run = evaluation(user)

    ended = run.run("--budget", "5")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: no model is configured for: supervisor, worker\nhint: ")
    assert not run.results.exists()


@pytest.mark.slow
def test_a_provider_that_refuses_ends_it_at_the_first_task(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    run = evaluation(stage([always(fails(401, "no such key"))]))

    ended = run.run("--budget", "5", "--only", "01,02")

    assert ended.code == 4, ended.brief
    assert run.result["stopped"] == "the provider failed"
    assert [task["result"] for task in run.result["tasks"]] == ["not finished"]
    assert run.result["not_run"] == ["01_off_by_one", "02_cli_flag"]
    assert len(run.user.server.requests) == 1


def test_interrupted_it_keeps_what_was_paid_for(stage: OpenStage, evaluation: OpenEvaluation) -> None:
    silent = worker("wordcount", ScriptedReply(hang=True))
    run = evaluation(stage([SOLVES_PAGES, silent]))

    process = run.start("--budget", "5", "--only", "01,02,03")
    run.user.wait_for("weak", contains="wordcount")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert [task["task"] for task in run.result["tasks"]] == ["01_off_by_one", "02_cli_flag"]
    assert run.task("01_off_by_one")["result"] == "solved"
    assert Decimal(run.task("02_cli_flag")["usd"]) > 0, "a call whose fate is unknown costs its hold"
    assert run.result["stopped"] == "interrupted"
    assert run.result["not_run"] == ["02_cli_flag", "03_crlf"]
    assert "Traceback" not in err
