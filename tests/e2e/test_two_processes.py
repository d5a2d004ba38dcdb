import json
import os
import signal
import subprocess
from collections import Counter
from typing import Any

import pytest

from equitr_coder.testing import assert_well_formed
from equitr_coder.testing.script import Rule, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, file_of, gate, hands_in, held, plans, task, word_of, worker, writes

pytestmark = pytest.mark.timeout(1200)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
Process = subprocess.Popen[str]
_ROUNDS = [*range(4), *(pytest.param(number, marks=pytest.mark.slow) for number in range(4, 100))]


def two_tasks() -> list[Rule]:
    return [plans(task("T1"), task("T2")), builds("T1"), builds("T2")]


def outcomes(processes: list[Process]) -> list[tuple[int, str, str]]:
    ended = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, ended, strict=True)]


def assert_one_owner(ended: list[tuple[int, str, str]]) -> None:
    """One did it; each of the others says in two lines who has it, or that it has ended by now."""
    brief = "\n".join(f"exit {code}\n{out[-800:]}\n{err}" for code, out, err in ended)
    assert sorted(code for code, _, _ in ended) == [0] + [2] * (len(ended) - 1), brief
    for code, _, err in ended:
        if code:
            error, hint = err.strip().splitlines()
            assert error.startswith("error: "), brief
            assert hint.startswith("hint: "), brief
            assert any(
                words in error for words in ("is running in another process", "has ended", "completed", "no unf")
            )


def log_of(user: Stage, run: str) -> list[Any]:
    """Every stored event of a run, as a reader of the store finds them."""
    import asyncio

    from equitr_coder.adapters.sqlite.store import SqliteStore
    from equitr_coder.domain.ids import RunId

    async def read() -> list[Any]:
        store = SqliteStore(user.equitr_home)
        try:
            return list(await store.read(RunId(run)))
        finally:
            await store.close()

    return asyncio.run(read())


def runs_of(user: Stage) -> list[dict[str, Any]]:
    return list(user.run("runs", "--output", "json").result["runs"])


def assert_nothing_twice(user: Stage, run: str) -> None:
    log = log_of(user, run)
    assert_well_formed(log)
    begun = Counter((e.task, e.attempt) for e in log if e.type == "task_changed" and e.state.value == "working")
    assert set(begun.values()) == {1}, begun
    assert sum(e.type == "run_resumed" for e in log) <= 1
    bodies = Counter(json.dumps(request.body, sort_keys=True) for request in user.server.requests)
    assert set(bodies.values()) == {1}, "a call is paid twice"


@pytest.mark.parametrize("number", _ROUNDS)
def test_of_many_processes_that_start_one_epic_one_owns_it(stage: OpenStage, number: int) -> None:
    user = stage(two_tasks())
    assert user.run("epic", "create", "build words").code == 0

    ended = outcomes([user.start("epic", "run", "epic-001", "--yes") for _ in range(2 + number % 3)])

    assert_one_owner(ended)
    [run] = runs_of(user)
    assert_nothing_twice(user, run["run"])
    assert [user.read(file_of(name)) for name in ("T1", "T2")] == ["T1-built\n", "T2-built\n"]
    assert user.git("status", "--porcelain") == ""


@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 30))])
def test_of_many_processes_that_resume_one_run_one_owns_it(stage: OpenStage, number: int) -> None:
    user = stage(
        [
            gate("hold"),
            plans(task("T1"), task("T2")),
            builds("T1"),
            worker("T2", says("", writes("t2.txt", "T2-built\n")), says("", hands_in()).model_copy(
                update={"barrier": held("hold")})),
        ]
    )  # fmt: skip
    first = user.start(*PLANNED, "build words")
    user.wait_for("weak", contains=word_of("T2"), count=2)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    processes = [user.start("resume", "--yes") for _ in range(3)]
    user.open_gate("hold")
    ended = outcomes(processes)

    assert_one_owner(ended)
    [run] = runs_of(user)
    log = log_of(user, run["run"])
    assert_well_formed(log)
    assert sum(e.type == "run_resumed" for e in log) == 1
    lost = sum(e.type == "model_call_failed" for e in log)
    bodies = Counter(json.dumps(r.body, sort_keys=True) for r in user.server.requests if r.model in ("weak", "strong"))
    assert sum(bodies.values()) - len(bodies) <= lost
    assert user.read("t2.txt") == "T2-built\n"


@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 30))])
def test_two_epics_and_a_chat_in_one_workspace_do_not_disturb_each_other(stage: OpenStage, number: int) -> None:
    both = [
        plans(task("T1"), first="words of one"),
        plans(task("T2"), first="words of two"),
        builds("T1"),
        builds("T2"),
        rule(says("", writes("note.txt", "a note\n")), says("Noted."), model="weak", first="take a note"),
    ]
    user = stage(both)

    processes = [
        user.start(*PLANNED, "words of one"),
        user.start(*PLANNED, "words of two"),
        user.start("chat", "--yes", "take a note"),
    ]
    ended = outcomes(processes)

    brief = "\n".join(f"exit {code}\n{out[-800:]}\n{err}" for code, out, err in ended)
    assert [code for code, _, _ in ended] == [0, 0, 0], brief
    assert user.read("note.txt") == "a note\n"
    runs = runs_of(user)
    assert sorted(run["epic"] for run in runs if run.get("epic")) == ["epic-001", "epic-002"]
    for run in runs:
        log = log_of(user, run["run"])
        assert_well_formed(log)
        assert log[-1].state.value == "completed"
    built = {file_of("T1"): "T1-built\n", file_of("T2"): "T2-built\n"}
    found = {}
    for branch in ("equitr/epic-001", "equitr/epic-002"):
        for name in set(user.git("ls-tree", "-r", "--name-only", branch).splitlines()) & set(built):
            found[name] = user.git("show", f"{branch}:{name}") + "\n"
    assert found == built
    landed = [run for run in runs if run.get("epic") and "Landed on main" in "".join(out for _, out, _ in ended)]
    assert landed, brief
    assert user.git("status", "--porcelain") == "?? note.txt"
    assert user.git("fsck", "--no-dangling") == ""
    assert set(Counter(json.dumps(r.body, sort_keys=True) for r in user.server.requests).values()) == {1}
