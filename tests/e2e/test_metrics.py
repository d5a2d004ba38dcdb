import shutil
from decimal import Decimal
from typing import Any

from equitr_coder.testing.script import Barrier, call, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import advises, builds, fails_with, file_of, hands_in, plans, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def metrics_of(user: Stage, *arguments: str) -> dict[str, Any]:
    ended = user.run("metrics", *arguments, "--output", "json")
    assert ended.code == 0, ended.brief
    return ended.result


def test_a_runs_metrics_add_up_and_are_the_same_however_often_they_are_computed(stage: OpenStage) -> None:
    together = Barrier(name="together", parties=2)
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3", needs=("T1", "T2"))),
            *(
                worker(
                    name,
                    says("", writes(file_of(name), f"{name}-built\n"), barrier=together),
                    calls("run_command", command="sleep 0.2"),
                    says("", hands_in()),
                )
                for name in ("T1", "T2")
            ),
            builds("T3"),
        ]
    )

    ended = user.run(*PLANNED, "build words")
    assert ended.code == 0, ended.brief
    found = metrics_of(user)

    assert (found["state"], found["peak_workers"], found["workers"], found["attempts"]) == ("completed", 2, 3, 3)
    assert [row["task"] for row in found["tasks"]] == ["T1", "T2", "T3"]
    for row in found["tasks"]:
        parts = sum(row[part] for part in ("model", "tool", "gate", "merge", "other"))
        assert abs(parts - row["total"]) < 0.01, row
        assert row["gate"] > 0
        assert row["git"] > 0
        assert 0 < row["worktree"] <= row["total"] + row["waiting"]
    assert min(row["tool"] for row in found["tasks"][:2]) >= 0.2
    assert found["tasks"][2]["calls"] == 1
    assert abs(sum(row["total"] for row in found["tasks"]) - found["task_time"]) < 0.01
    assert abs(found["speed_up"] - found["task_time"] / found["execution"]) < 0.01
    assert found["execution"] <= found["wall"]
    assert 0 < found["utilization"] <= 1
    assert 0 < found["overhead"] < 1
    assert 0 < found["coordinator"] < 1
    assert sum(row["git"] for row in found["tasks"]) > 0
    cost = user.run("cost", found["run"], "--output", "json").result
    assert Decimal(found["usd"]) == Decimal(cost["total"]) == sum(Decimal(tier["usd"]) for tier in found["tiers"])
    assert Decimal(found["strong_alone"]) > Decimal(found["usd"])
    assert {tier["tier"]: tier["calls"] for tier in found["tiers"]} == {"strong": 1, "weak": 7}

    # Nothing but the log is left: the answer is the same, by whatever name the run is asked for.
    for path in user.equitr_home.iterdir():
        if path.name not in ("equitr.db", "equitr.db-wal", "equitr.db-shm", "config.yaml"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert metrics_of(user, found["run"]) == metrics_of(user, "epic-001") == metrics_of(user) == found


def test_the_end_of_a_run_and_its_metrics_tell_the_same_speed(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])

    ended = user.run(*PLANNED, "build words")
    assert ended.code == 0, ended.brief
    found = metrics_of(user)
    shown = user.run("metrics")

    [line] = [line for line in ended.out.splitlines() if line.startswith("Time: ")]
    assert f"({found['speed_up']:.1f} times the clock)" in line
    assert shown.code == 0, shown.brief
    assert f"{found['speed_up']:.1f}x" in shown.out
    assert "utilization" in shown.out
    assert "overhead" in shown.out
    assert shown.out.count("T1") == shown.out.count("T2") == 1
    assert "\x1b" not in shown.out


def test_failed_attempts_and_escalations_are_counted_with_their_time(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), fails_with("T1"), builds("T2"), advises()],
        config={"orchestrator": {"max_attempts": 2}},
    )

    ended = user.run(*PLANNED, "build words")
    assert ended.code == 1, ended.brief
    found = metrics_of(user)

    failed, done = found["tasks"]
    assert (failed["state"], failed["attempts"], failed["escalations"]) == ("failed", 2, 1)
    assert (done["state"], done["attempts"], done["escalations"]) == ("done", 1, 0)
    assert (found["attempts"], found["escalations"]) == (3, 1)
    assert failed["gate"] > 0
    assert failed["git_commands"] > done["git_commands"]


def test_a_chat_has_metrics_without_tasks_and_what_is_not_there_is_said(stage: OpenStage) -> None:
    user = stage([rule(calls("read_file", path="README.md"), says("It is a shop."))])

    none = user.run("metrics")
    ended = user.run("chat", "--yes", "what is this?")
    assert ended.code == 0, ended.brief
    found = metrics_of(user)
    unknown = user.run("metrics", "epic-009")

    assert (none.code, unknown.code) == (2, 2)
    assert "there is no run here yet" in none.err
    assert "epic-009" in unknown.err
    assert (found["kind"], found["tasks"], found["utilization"], found["speed_up"]) == ("chat", [], None, None)
    assert found["tiers"][0]["calls"] == 2


def test_the_log_of_an_attempt_says_where_the_hosts_time_went(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", writes("t1.txt", "T1-built\n"), call("hand_in", summary="built"))),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    for name in ("T1", "T2"):
        [measured] = ended.of("attempt_measured", task=name)
        kinds = [span["kind"] for span in measured["spans"]]
        assert kinds[0] == "worktree"
        assert {"check", "turn"} <= set(kinds)
        assert measured["git_ms"] > 0
        [done] = ended.of("task_changed", task=name, state="done")
        assert measured["seq"] > done["seq"]
