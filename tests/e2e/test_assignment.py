import json

import pytest

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Rule, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    builds,
    documents,
    fails_with,
    file_of,
    gate,
    hands_in,
    held,
    plan_of,
    plans,
    rewrites,
    system_message,
    task,
    word_of,
    worker,
    writes,
)

ALPHA = "extends: worker\ntemperature: 0.25\nextra_prompt: You are alpha.\n"
BETA = "extends: worker\nextra_prompt: You are beta.\n"


def profiles(user: Stage, **texts: str) -> None:
    folder = user.equitr_home / "profiles"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def struggles(name: str) -> tuple[Rule, Rule]:
    """The worker of `task(name)` hands in the wrong word first."""
    right = says("", *rewrites(file_of(name), f"{word_of(name)}\n"), hands_in())
    return worker(name, right, first=["Attempt 1"]), fails_with(name)


def assigned(ended: Ended) -> dict[str, tuple[str, str]]:
    """Task -> profile, and what decided."""
    return {row["task"]: (row["profile"], row["assigned_by"]) for row in ended.result["assignments"]}


def work_of(user: Stage, name: str) -> list[Recorded]:
    """The worker's requests for `task(name)`."""
    return [request for request in user.asked("weak") if word_of(name) in json.dumps(request.messages[:2])]


def open_history(stage: OpenStage) -> Stage:
    """Two profiles: alpha was good at an api task and bad at docs, beta the other way round; then a plan of both."""
    first = [
        task("T1", type="api"),
        task("T2", type="api"),
        task("T3", type="docs"),
        task("T4", type="docs"),
    ]
    user = stage(
        [
            plans(*first, first="first project"),
            plans(task("T5", type="api"), task("T6", type="docs"), first="second project"),
            builds("T1"),
            *struggles("T2"),
            *struggles("T3"),
            *map(builds, ("T4", "T5", "T6")),
        ]
    )
    profiles(user, alpha=ALPHA, beta=BETA)
    assert user.run("epic", "create", "the first project").code == 0
    for whose in (("--to", "alpha"), ("T2", "--to", "beta"), ("T4", "--to", "beta")):
        given = user.run("epic", "assign", "epic-001", *whose)
        assert given.code == 0, given.brief
    ran = user.run("epic", "run", "epic-001", "--yes")
    assert ran.code == 0, ran.brief
    assert user.run("epic", "create", "the second project").code == 0
    return user


def test_the_profile_that_was_better_at_a_type_gets_its_tasks_and_a_second_run_changes_nothing(
    stage: OpenStage,
) -> None:
    user = open_history(stage)

    shown = user.run("epic", "assign", "epic-002")
    first = user.run("epic", "assign", "epic-002", "--output", "json")
    log = user.run("resume", "epic-002", "--output", "stream-json").events

    assert shown.code == 0, shown.brief
    api, docs = (next(line for line in shown.out.splitlines() if f"title of {name}" in line) for name in ("T5", "T6"))
    assert "alpha" in api
    assert "beta" in docs
    assert "score 0.67, 1 of 1 at the first attempt; next is beta: score 0.50" in shown.out
    assert assigned(first) == {"T5": ("alpha", "analytics"), "T6": ("beta", "analytics")}
    assert not [event for event in log if event["type"] == "task_assigned"]  # nothing was decided anew
    status = json.loads(user.run("epic", "status", "epic-002", "--output", "json").out)
    assert [(row["profile"], row["assigned_by"]) for row in status["tasks"]] == [
        ("alpha", "analytics"),
        ("beta", "analytics"),
    ]


def test_a_choice_by_hand_overrides_and_sticks(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    profiles(user, alpha=ALPHA, beta=BETA)
    user.run("epic", "create", "build words")
    automatic = user.run("epic", "assign", "epic-001", "--output", "json")

    given = user.run("epic", "assign", "epic-001", "T1", "--to", "beta", "--output", "json")
    again = user.run("epic", "assign", "epic-001", "--output", "json")
    ran = user.run("epic", "run", "epic-001", "--yes")

    assert assigned(automatic) == {"T1": ("alpha", "load"), "T2": ("beta", "load")}
    assert assigned(given) == assigned(again) == {"T1": ("beta", "user"), "T2": ("beta", "load")}
    assert ran.code == 0, ran.brief
    assert "You are beta." in system_message(work_of(user, "T1")[0])


def test_a_task_is_done_with_the_prompt_and_temperature_of_its_profile(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    profiles(user, alpha=ALPHA)
    user.run("epic", "create", "build words")
    user.run("epic", "assign", "epic-001", "T1", "--to", "alpha")
    user.run("epic", "assign", "epic-001", "T2", "--to", "worker")

    ran = user.run("epic", "run", "epic-001", "--yes", "--output", "stream-json")

    assert ran.code == 0, ran.brief
    one, other = work_of(user, "T1")[0], work_of(user, "T2")[0]
    assert "You are alpha." in system_message(one)
    assert "You are alpha." not in system_message(other)
    assert one.body["temperature"] == 0.25
    assert "temperature" not in other.body
    begun = {event["task"]: event["profile"] for event in ran.of("task_changed", state="working")}
    assert begun == {"T1": "alpha", "T2": "worker"}


@pytest.mark.slow
def test_declared_strengths_decide_without_history_and_then_who_has_least(stage: OpenStage) -> None:
    tasks = (
        task("T1", specialization="frontend"),
        task("T2", specialization="backend"),
        task("T3", specialization="backend"),
    )
    user = stage([plans(*tasks)])
    profiles(user, artist="extends: worker\nspecialization: frontend\n", other="extends: worker\n")
    user.run("epic", "create", "build words")

    shown = user.run("epic", "assign", "epic-001")
    given = user.run("epic", "assign", "epic-001", "--output", "json")

    assert "declared for frontend; too little history of code" in shown.out
    assert assigned(given) == {"T1": ("artist", "declared"), "T2": ("other", "load"), "T3": ("worker", "load")}


def test_with_several_worker_profiles_approval_assigns_what_nobody_did(stage: OpenStage) -> None:
    tasks = (task("T1", specialization="frontend"), task("T2"))
    user = stage([plans(*tasks), builds("T1"), builds("T2")])
    profiles(user, artist="extends: worker\nspecialization: frontend\nextra_prompt: You are an artist.\n")

    ran = user.run("chat", "-M", "--plan", "always", "--yes", "build words")

    assert ran.code == 0, ran.brief
    assert "T1 goes to artist: declared for frontend" in ran.out
    assert "You are an artist." in system_message(work_of(user, "T1")[0])
    assert "You are an artist." not in system_message(work_of(user, "T2")[0])


@pytest.mark.slow
def test_with_the_shipped_worker_alone_nothing_is_assigned_unasked(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])

    ran = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build words")

    assert ran.code == 0, ran.brief
    assert not ran.of("task_assigned")


def test_a_run_whose_owner_is_alive_is_not_assigned_and_a_stopped_one_is(stage: OpenStage) -> None:
    slow = worker("T1", says("", writes("t1.txt", "T1-built\n"), hands_in(), barrier=held("T1")))
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), slow, builds("T2"), gate("T1")])
    profiles(user, alpha=ALPHA)
    process = user.start("chat", "-M", "--plan", "always", "--yes", "build words")
    user.wait_for("weak", contains=word_of("T1"))

    refused = user.run("epic", "assign", "epic-001", "T2", "--to", "alpha")
    process.kill()
    process.communicate()
    given = user.run("epic", "assign", "epic-001", "T2", "--to", "alpha")

    assert refused.code == 2, refused.brief
    error, hint = refused.err.splitlines()
    assert error.startswith("error: ")
    assert str(process.pid) in error
    assert hint.startswith("hint: ")
    assert given.code == 0, given.brief


@pytest.mark.slow
def test_a_killed_attempt_goes_on_with_its_profile_and_the_next_task_has_the_new_one(stage: OpenStage) -> None:
    slow = worker("T1", says("", writes("t1.txt", "T1-built\n")), says("", hands_in(), barrier=held("T1")))
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), slow, builds("T2"), gate("T1")])
    profiles(user, alpha=ALPHA, beta=BETA)
    user.run("epic", "create", "build words")
    user.run("epic", "assign", "epic-001", "--to", "beta")
    process = user.start("epic", "run", "epic-001", "--yes")
    user.wait_for("weak", contains=word_of("T1"), count=2)
    process.kill()
    process.communicate()

    moved = user.run("epic", "assign", "epic-001", "--to", "alpha")
    resumed = user.start("resume", "epic-001", "--yes")
    user.wait_for("weak", contains=word_of("T1"), count=3)
    user.open_gate("T1")
    out, err = resumed.communicate()

    assert moved.code == 0, moved.brief
    assert resumed.returncode == 0, (out, err)
    assert all("You are beta." in system_message(request) for request in work_of(user, "T1"))
    assert all("You are alpha." in system_message(request) for request in work_of(user, "T2"))


@pytest.mark.slow
def test_a_profile_that_is_gone_stops_the_run_before_anything_is_paid(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    profiles(user, alpha=ALPHA)
    user.run("epic", "create", "build words")
    user.run("epic", "assign", "epic-001", "T2", "--to", "alpha")
    (user.equitr_home / "profiles" / "alpha.yaml").unlink()

    refused = user.run("epic", "run", "epic-001", "--yes")
    mended = user.run("epic", "assign", "epic-001", "T2", "--to", "worker")
    ran = user.run("resume", "epic-001", "--yes")

    assert refused.code == 2, refused.brief
    assert "alpha, which is not there any more" in refused.err
    assert "epic assign epic-001 T2 --to worker" in refused.err
    assert mended.code == 0, mended.brief
    assert ran.code == 0, ran.brief


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope",), "there is no epic 'nope'"),
        (("epic-001", "T9"), "its tasks are T1, T2"),
        (("epic-001", "T1", "--to", "nobody"), "known: worker"),
        (("epic-001", "--to", "planner"), "there is no worker profile 'planner'"),
        ((), "missing argument 'EPIC'"),
        (("epic-001", "--two"), "--two"),
    ],
)
def test_what_cannot_be_assigned_is_told_in_two_lines(stage: OpenStage, arguments: tuple[str, ...], said: str) -> None:
    user = stage([rule(says("", *documents(), plan_of(task("T1"), task("T2"))), model="strong")])
    user.run("epic", "create", "build words")

    refused = user.run("epic", "assign", *arguments)

    assert refused.code == 2, refused.brief
    assert said in refused.err
    assert len(refused.err.strip().splitlines()) == 2


@pytest.mark.slow
def test_a_finished_epic_is_not_assigned(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.run("chat", "-M", "--plan", "always", "--yes", "build words")

    refused = user.run("epic", "assign", "epic-001")

    assert refused.code == 2, refused.brief
    assert "completed already" in refused.err
