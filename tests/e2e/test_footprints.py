"""What tasks claim decides what runs together, and what leaves a claim is refused, asked for, or sent back."""

import json
import os
import random
import signal
from itertools import combinations, pairwise
from typing import Any

import pytest

from equitr_coder.domain.epic import Task
from equitr_coder.domain.footprint import claim_of, collision
from equitr_coder.testing.script import Barrier, Rule, ScriptedReply, call, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    builds,
    documents,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plans,
    rewrites,
    task,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always")
UNATTENDED = (*PLANNED, "--yes", "--output", "stream-json")
SHOP = "LIMIT = 3\n\n\ndef total():\n    return 1\n\n\ndef tax():\n    return 2\n"


def meets(name: str, *more: Any, at: str = "all", parties: int = 2) -> ScriptedReply:
    """A reply that comes when so many workers have asked at this place."""
    return ScriptedReply(calls=more, barrier=Barrier(name=at, parties=parties))


def built(name: str) -> tuple[Any, Any]:
    return writes(file_of(name), f"{word_of(name)}\n"), hands_in(f"{name} is built")


def span(ended: Ended, name: str) -> tuple[int, int]:
    """From the first attempt to the end, as numbers of events."""
    begun = ended.of("task_changed", task=name, state="working")[0]["seq"]
    return begun, ended.of("task_changed", task=name, state="done")[0]["seq"]


def waits(ended: Ended, name: str) -> list[str]:
    return [event["detail"] for event in ended.of("task_changed", task=name, state="waiting")]


def status(user: Stage) -> dict[str, dict[str, Any]]:
    shown = user.run("epic", "status", "epic-001", "--output", "json")
    assert shown.code == 0, shown.brief
    return {row["id"]: row for row in shown.result["tasks"]}


def test_tasks_that_claim_the_same_file_run_one_after_the_other_and_others_beside_them(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", files=["t1.txt", "src/**"]),
                task("T2", files=["t2.txt", "src/a.py"]),
                task("T3", files=["t3.txt"]),
            ),
            worker("T1", meets("T1", *built("T1"))),
            worker("T3", meets("T3", *built("T3"))),
            builds("T2"),
        ]
    )

    ended = user.run(*UNATTENDED, "build words")

    assert ended.code == 0, ended.brief
    assert span(ended, "T1")[1] < span(ended, "T2")[0]
    assert waits(ended, "T2") == ["T1 holds src/a.py"]
    assert waits(ended, "T1") == waits(ended, "T3") == []


def test_different_symbols_of_one_file_run_together_and_one_resource_is_used_by_one_task(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", files=["t1.txt", "shop.py"], symbols=["shop.py::total"], resources=["db:test"]),
                task("T2", files=["t2.txt", "shop.py"], symbols=["shop.py::tax"]),
                task("T3", resources=["db:test"]),
            ),
            worker("T1", meets("T1", *built("T1"))),
            worker("T2", meets("T2", *built("T2"))),
            builds("T3"),
        ]
    )

    ended = user.run(*UNATTENDED, "build words")

    assert ended.code == 0, ended.brief
    assert waits(ended, "T3") == ["T1 holds resource db:test"]
    assert span(ended, "T1")[1] < span(ended, "T3")[0]


def test_a_worker_is_told_what_others_hold(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", files=["t1.txt", "src/**"]), task("T2"), task("T3", needs=("T2",))),
            worker("T1", meets("T1", *built("T1"), at="late")),
            builds("T2"),
            worker("T3", meets("T3", *built("T3"), at="late")),
        ]
    )

    ended = user.run(*UNATTENDED, "build words")

    assert ended.code == 0, ended.brief
    told = {name: first_message(user.wait_for("weak", contains=word_of(name))) for name in ("T1", "T3")}
    assert "Files that other workers are changing now" in told["T3"]
    assert "- T1: t1.txt, src/**" in told["T3"]
    assert "T3:" not in told["T1"]
    # What is the same for all still opens the message, byte for byte.
    opening = told["T1"][: told["T1"].index("# Your task")]
    assert told["T3"].startswith(opening)


def test_a_file_that_a_running_task_holds_is_refused_at_once_and_nobody_is_asked(stage: OpenStage) -> None:
    steal = writes("t1.txt", "mine now\n")
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", meets("T1", call("list_files"), at="begun"), meets("T1", *built("T1"), at="told")),
            worker(
                "T2",
                meets("T2", steal, call("run_command", command="echo mine > t1.txt"), at="begun"),
                meets("T2", *built("T2"), at="told"),
            ),
        ],
        config={"permission": {"allow": ["echo *"]}},
    )

    ended = user.run(*UNATTENDED, "build words")

    assert ended.code == 0, ended.brief
    refused, put_back = (event["text"] for event in ended.of("tool_returned", task="T2")[:2])
    for text in (refused, put_back):
        assert "leaves its footprint (t2.txt), and T1 (title of T1) holds t1.txt" in text
    asked = [event["approval"] for event in ended.of("approval_requested")]
    assert all(approval["inside"] for approval in asked), "only whether the command may run is asked"
    assert user.read("t1.txt") == "T1-built\n"


def test_with_refuse_nobody_is_asked_about_files_outside(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", writes("other.txt", "x\n")), says("", *built("T1"))),
            builds("T2"),
        ],
        config={"orchestrator": {"footprint": "refuse"}},
    )
    assert user.run("epic", "create", "build words").code == 0

    ended = user.run("epic", "run", "epic-001", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert "the configuration refuses it (orchestrator.footprint)" in ended.of("tool_returned", task="T1")[0]["text"]
    assert ended.of("approval_requested") == []
    assert not (user.repo / "other.txt").exists()


def test_what_a_person_allows_becomes_part_of_the_claim_and_is_shown(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", needs=("T0",), files=["t2.txt", "README.md"]), task("T0")),
            worker(
                "T1",
                says("", *rewrites("README.md", "# Store\n")),
                meets("T1", *built("T1"), at="written"),
            ),
            worker("T0", meets("T0", *built("T0"), at="written")),
            worker("T2", says("", *built("T2"))),
        ]
    )

    with user.terminal(*PLANNED, "build words") as person:
        person.answer("approve", prompt="review>")
        person.expect("README.md leaves its footprint (t1.txt)")
        person.answer("once", prompt="allow>")
        person.expect("T1 touched more than it said: README.md")
        assert person.wait() == 0

    shown = status(user)["T1"]["footprint"]
    assert shown == {"declared": ["t1.txt"], "touched": ["README.md", "t1.txt"], "outside": ["README.md"]}
    assert "touched beyond its footprint: README.md" in user.run("epic", "status", "epic-001").out
    assert user.read("README.md") == "# Store\n"


def test_a_change_to_anothers_symbol_is_sent_back(stage: OpenStage) -> None:
    both = SHOP.replace("return 1", "return 10").replace("return 2", "return 20")
    own = "import math\n\n" + SHOP.replace("return 1", "return 10")
    check = "grep 'return {}' shop.py"
    user = stage(
        [
            plans(
                task("T1", files=["shop.py"], symbols=["shop.py::total"], check=check.format(10)),
                task("T2", files=["shop.py"], symbols=["shop.py::tax"], check=check.format(22)),
            ),
            worker(
                "T1",
                meets("T1", *rewrites("shop.py", own), hands_in(), at="mended"),
                first=["Earlier attempts at this task"],
            ),
            worker("T1", says("", *rewrites("shop.py", both), hands_in())),
            worker(
                "T2", meets("T2", *rewrites("shop.py", SHOP.replace("return 2", "return 22")), hands_in(), at="mended")
            ),
        ]
    )
    user.commit({"shop.py": SHOP}, "a shop")

    ended = user.run(*UNATTENDED, "raise the prices")

    assert ended.code == 0, ended.brief
    [sent_back] = ended.of("merge_rejected", task="T1")
    assert sent_back["reason"] == "footprint_left"
    assert sent_back["paths"] == ["shop.py"]
    assert "only total and imports are yours to change (T2 has tax)" in sent_back["detail"]
    assert "changed as well: tax" in sent_back["detail"]
    assert user.read("shop.py") == own.replace("return 2", "return 22")
    assert status(user)["T1"]["footprint"] == {
        "declared": ["shop.py::total"],
        "touched": ["shop.py::total"],
        "outside": [],
    }


def test_a_change_that_no_tool_made_outside_the_footprint_is_sent_back(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker("T1", says("", hands_in()), first=["Earlier attempts"]),
            worker("T1", says("", writes("t1.txt", "T1-built\n")), says("", hands_in(), barrier=held("late"))),
            builds("T2"),
            gate("late"),
        ]
    )
    process = user.start(*UNATTENDED, "build words")
    user.wait_for("weak", contains=word_of("T1"), count=2)
    [place] = user.equitr_home.glob("worktrees/*/run-*/T1")
    (place / "other.txt").write_text("smuggled\n")
    user.open_gate("late")
    out, err = process.communicate(timeout=60)
    ended = Ended(process.returncode, out, err)

    assert ended.code == 0, ended.brief
    [sent_back] = ended.of("merge_rejected", task="T1")
    assert sent_back["reason"] == "footprint_left"
    assert sent_back["paths"] == ["other.txt"]
    assert not (user.repo / "other.txt").exists()


def test_a_consumer_begins_next_to_its_producer_and_lands_after_it(stage: OpenStage) -> None:
    user = stage(
        [
            shop_with_a_contract(),
            worker("T1", PUBLISHES, meets("T1", *built("T1"), at="both")),
            worker("T2", meets("T2", *built("T2"), at="both")),
        ],
        config=NO_REVIEW,
    )

    ended = user.run(*UNATTENDED, "build a shop")

    assert ended.code == 0, ended.brief
    assert waits(ended, "T2") == ["waits for sync point S1 of T1"]
    (_, first_done), (second_begun, second_done) = span(ended, "T1"), span(ended, "T2")
    assert second_begun < first_done < second_done
    assert ended.of("artifact_produced")[0]["seq"] < second_begun


def shop_with_a_contract(*, more: tuple[str, ...] = ()) -> Rule:
    """T2 consumes what T1 publishes."""
    point = {"id": "S1", "producer": "T1", "consumers": ["T2"], "type": "contracts"}
    tasks = [task("T1"), task("T2", needs=("T1",)), *(task(name, needs=("T2",)) for name in more)]
    submit = call("submit_plan", title="Shop", tasks=tasks, sync_points=[point])
    return rule(says("", *documents(), submit), model="strong", offers="submit_plan")


NO_REVIEW = {"orchestrator": {"review": "none"}}
PUBLISHES = says("", call("publish_artifact", sync_point="S1", content="One word a file.\n"))


def test_what_was_handed_in_before_its_producer_survives_a_kill(stage: OpenStage) -> None:
    user = stage(
        [
            shop_with_a_contract(more=("T3",)),
            worker("T1", PUBLISHES, says("", *built("T1"), barrier=held("late"))),
            builds("T2"),
            builds("T3"),
            gate("late"),
        ],
        config=NO_REVIEW,
    )
    process = user.start(*UNATTENDED, "build a shop")
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "task_changed" and (event["task"], event["state"]) == ("T2", "review"):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    sent = len([request for request in user.asked("weak") if word_of("T2") in first_message(request)])

    resumed = user.start("resume", "--output", "stream-json")
    user.wait_for("weak", contains=word_of("T1"), count=3)
    user.open_gate("late")
    out, err = resumed.communicate(timeout=60)
    ended = Ended(resumed.returncode, out, err)

    assert ended.code == 0, ended.brief
    assert [event["task"] for event in ended.of("task_changed", state="done")] == ["T1", "T2", "T3"]
    assert len([request for request in user.asked("weak") if word_of("T2") in first_message(request)]) == sent
    assert user.read("t2.txt") == "T2-built\n"


def test_a_consumer_that_is_done_is_blocked_when_its_producer_fails(stage: OpenStage) -> None:
    user = stage(
        [
            shop_with_a_contract(),
            worker("T1", PUBLISHES, meets("T1", writes("t1.txt", "wrong\n"), hands_in(), at="both")),
            worker("T2", meets("T2", *built("T2"), at="both")),
        ],
        config={"orchestrator": {"max_attempts": 1}},
    )

    ended = user.run(*UNATTENDED, "build a shop")

    assert ended.code == 1, ended.brief
    [blocked] = ended.of("task_changed", task="T2", state="blocked")
    assert (blocked["reason"], blocked["detail"]) == ("prerequisite_failed", "T1 did not finish")
    assert not (user.repo / "t2.txt").exists()


def test_a_review_says_when_serial_work_is_better_and_who_named_no_files(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", files=["t1.txt", "src/**"]),
                task("T2", files=["t2.txt", "src/a.py"]),
                task("T3", files=[], needs=("T1", "T2")),
            )
        ]
    )

    ended = user.run("epic", "create", "build words")

    assert ended.code == 0, ended.brief
    assert "Serial work is the better choice: no two of the 3 tasks can run at the same time" in ended.out
    assert "T1 and T2 share src/a.py" in ended.out
    assert "T1 and T2 run one after the other: both claim src/a.py" in ended.out
    assert "No files named by T3" in ended.out
    shown = user.run("epic", "status", "epic-001", "--output", "json").result
    assert "no two of the 3 tasks" in shown["serial"]
    rows = {row["id"]: row["why"] for row in shown["tasks"]}
    assert rows == {"T1": None, "T2": None, "T3": "waits for T1 (title of T1) and T2 (title of T2)"}


def graph(seed: int) -> list[dict[str, Any]]:
    """12 to 20 tasks with needs, shared files, shared symbols and one resource."""
    chance = random.Random(seed)
    tasks: list[dict[str, Any]] = []
    for number in range(chance.randint(12, 20)):
        name, fields = f"N{number:02}", dict[str, Any]()
        needs = chance.sample([each["id"] for each in tasks], min(len(tasks), chance.choice([0, 1, 1, 2])))
        files = [file_of(name)]
        if chance.random() < 0.5:
            files.append(f"shared/{chance.choice('ab')}.py")
            if chance.random() < 0.5:
                fields["symbols"] = [f"{files[-1]}::part{chance.randint(1, 3)}"]
        if chance.random() < 0.2:
            files.append("shared/**")
        if chance.random() < 0.2:
            fields["resources"] = ["db:test"]
        tasks.append(task(name, needs=tuple(needs), files=files, priority=chance.choice(["high", "low"]), **fields))
    return tasks


SLOW = pytest.mark.slow


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=SLOW) for seed in (3, 4, 5))])
def test_a_random_graph_keeps_its_order_and_no_two_claims_meet(stage: OpenStage, seed: int) -> None:
    planned = graph(seed)
    names = [each["id"] for each in planned]
    user = stage(
        [plans(*planned), *map(builds, names)],
        config={"collaboration": {"planning": {"max_subtasks": 20}}, "orchestrator": {"max_workers": 4}},
    )

    ended = user.run(*UNATTENDED, "build words", timeout=110)

    assert ended.code == 0, ended.brief
    spans = {name: span(ended, name) for name in names}
    for each in planned:
        assert all(spans[need][1] < spans[each["id"]][0] for need in each["needs"])
    claims = {each["id"]: claim_of(Task.model_validate(each)) for each in planned}
    met = 0
    for one, other in combinations(names, 2):
        if collision(claims[one], claims[other]):
            met += 1
            assert spans[one][1] < spans[other][0] or spans[other][1] < spans[one][0], (one, other)
    assert met
    assert any(spans[one][0] < spans[other][0] < spans[one][1] for one in names for other in names), (
        "nothing ran together"
    )
    for name in names:
        assert all(one != other for one, other in pairwise(waits(ended, name)))
