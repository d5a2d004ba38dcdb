"""Tasks that are held, let go and stopped from the command line, while nobody drives their run."""

import json

import pytest

from equitr_coder.testing.script import Rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import builds, fails_with, gate, hands_in, held, plans, rewrites, task, word_of, worker, writes


def slow(name: str, *, times: int = 1) -> list[Rule]:
    """Its worker waits at a gate after it has written its file; so often it is asked anew."""
    wrote = says("", writes(f"{name.lower()}.txt", f"{word_of(name)}\n"))
    return [worker(name, wrote, *([says("", hands_in(), barrier=held(name))] * times)), gate(name)]


def killed_at_t1(stage: OpenStage) -> Stage:
    """T1 is half done, T3 needs it, T2 has not begun; the process is dead."""
    user = stage(
        [plans(task("T1"), task("T2"), task("T3", needs=("T1",))), *slow("T1", times=2), *map(builds, ("T2", "T3"))]
    )
    process = user.start("chat", "-M", "--plan", "always", "--yes", "--max-workers", "1", "build words")
    user.wait_for("weak", contains=word_of("T1"), count=2)
    process.kill()
    process.communicate()
    return user


def states(user: Stage) -> dict[str, tuple[str, bool]]:
    status = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    return {row["id"]: (row["state"], row["held"]) for row in status["tasks"]}


def trouble(ended: Ended) -> tuple[str, str]:
    """The two lines of an error."""
    error, hint = ended.err.strip().splitlines()[-2:]
    assert error.startswith("error: "), ended.brief
    assert hint.startswith("hint: "), ended.brief
    return error.removeprefix("error: "), hint.removeprefix("hint: ")


def test_a_held_task_stays_held_over_resumes_until_it_is_released(stage: OpenStage) -> None:
    user = killed_at_t1(stage)

    told = user.run("epic", "hold", "t1")
    ran = user.run("resume", "--yes", "--output", "stream-json")
    again = user.run("resume", "epic-001", "--yes")
    left = states(user)
    done = [user.run("epic", verb, "T2") for verb in ("hold", "stop")]
    shown = user.run("epic", "status", "epic-001")
    released = user.run("epic", "release", "T1", "--output", "json")
    resumed = user.start("resume", "epic-001", "--yes")
    user.wait_for("weak", contains=word_of("T1"), count=3)
    user.open_gate("T1")
    out, err = resumed.communicate()

    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[0] == "T1 title of T1: held"
    assert ran.code == again.code == 1, ran.brief
    paused = ran.of("run_paused")[-1]
    assert paused["reason"] == "held"
    assert trouble(again) == (
        "T1 is held by you, and nothing else can go on",
        "`equitrcoder epic release T1 --run epic-001`, then `equitrcoder resume epic-001`",
    )
    assert left == {"T1": ("working", True), "T2": ("done", False), "T3": ("waiting", False)}
    assert [trouble(one)[0] for one in done] == ["T2 is done already"] * 2
    assert "      held by you" in shown.out
    assert json.loads(released.out) | {"run": ""} == {
        "epic": "epic-001", "run": "", "task": "T1", "state": "working", "held": False,
    }  # fmt: skip
    assert resumed.returncode == 0, (out, err)
    asked = [request for request in user.asked("weak") if word_of("T1") in json.dumps(request.messages[:2])]
    assert len(asked) == 3  # what it had done was not done again
    assert user.read("t1.txt") == f"{word_of('T1')}\n"


def test_a_task_that_is_stopped_is_given_up_until_the_run_has_ended(stage: OpenStage) -> None:
    user = killed_at_t1(stage)

    told = user.run("epic", "stop", "T1", "--run", "epic-001")
    ended = user.run("resume", "--yes")
    refused = user.run("epic", "stop", "T1")

    assert told.code == 0, told.brief
    assert ended.code == 1, ended.brief
    assert states(user) == {"T1": ("cancelled", False), "T2": ("done", False), "T3": ("blocked", False)}
    assert len([r for r in user.asked("weak") if word_of("T1") in json.dumps(r.messages[:2])]) == 2
    assert refused.code == 2, refused.brief
    assert trouble(refused) == (
        "epic-001 has ended, and nothing of T1 goes on",
        "`equitrcoder epic hold T1 --run epic-001` keeps it from being tried again",
    )


def test_what_has_failed_and_is_held_is_left_out_when_the_rest_is_tried_again(stage: OpenStage) -> None:
    mended = worker("T2", says("", *rewrites("t2.txt", f"{word_of('T2')}\n"), hands_in()))
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3", needs=("T1",))),
            fails_with("T1"),
            fails_with("T2", times=1),
            mended,
        ],
        config={"orchestrator": {"max_attempts": 1}},
    )
    user.run("chat", "-M", "--plan", "always", "--yes", "build words")
    failed = states(user)

    told = user.run("epic", "hold", "T1")
    ran = user.run("resume", "epic-001", "--yes")
    left = states(user)
    both = user.run("epic", "hold", "T3")
    for name in ("T3", "T1"):
        released = user.run("epic", "release", name)
        assert released.code == 0, released.brief
    again = user.run("resume", "epic-001", "--yes")

    assert failed == {"T1": ("failed", False), "T2": ("failed", False), "T3": ("blocked", False)}
    assert told.code == both.code == 0, told.brief
    assert ran.code == 1, ran.brief
    assert trouble(ran)[0] == "T1 is held by you, and nothing else can go on"
    assert left == {"T1": ("ready", True), "T2": ("done", False), "T3": ("waiting", False)}
    assert again.code == 1, again.brief
    assert states(user) == {"T1": ("failed", False), "T2": ("done", False), "T3": ("blocked", False)}
    status = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    assert [row["attempts"] for row in status["tasks"]] == [2, 2, 0]


def test_a_run_at_work_is_told_nothing_from_another_process(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), *slow("T1"), builds("T2")])
    process = user.start("chat", "-M", "--plan", "always", "--yes", "build words")
    user.wait_for("weak", contains=word_of("T1"))

    refused = [user.run("epic", verb, "T2") for verb in ("hold", "release", "stop")]
    process.kill()
    process.communicate()
    told = user.run("epic", "hold", "T2")

    for one in refused:
        assert one.code == 2, one.brief
        assert str(process.pid) in trouble(one)[0]
    assert told.code == 0, told.brief


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("release", "T1"), "T1 is not held"),
        (("hold", "T9"), "its tasks are T1, T2, T3"),
        (("hold", "T1", "--run", "epic-009"), "there is no epic 'epic-009'"),
        (("hold",), "missing argument 'TASK'"),
    ],
)
def test_what_makes_no_sense_is_told_in_two_lines(stage: OpenStage, arguments: tuple[str, ...], said: str) -> None:
    user = killed_at_t1(stage)

    refused = user.run("epic", *arguments)

    assert refused.code == 2, refused.brief
    assert said in " ".join(trouble(refused))


def test_a_task_of_a_plan_that_is_not_approved_is_not_held(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2"))])
    user.run("epic", "create", "build words")

    refused = user.run("epic", "hold", "T1")

    assert refused.code == 2, refused.brief
    assert trouble(refused) == (
        "nothing of epic-001 is being built yet",
        "`equitrcoder epic run epic-001` approves its plan and executes it",
    )
