import json
from typing import Any

import pytest

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Rule, ScriptedCall, ScriptedReply, call, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    builds,
    documents,
    fails_with,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    rewrites,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build a shop")
UNREVIEWED = {"orchestrator": {"review": "none"}}
STUB = "# orders.py\ndef total(prices: list[int], rate: float = 0.2) -> int: ...\n"
CODE = "def total(prices: list[int], rate: float = 0.2) -> int:\n    return int(sum(prices) * (1 + rate))\n"
BROKEN = "def total(amounts: list[int]) -> str:\n    return str(sum(amounts))\n"


def point(name: str, producer: str, *consumers: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "producer": producer, "consumers": list(consumers), "type": "contracts"} | fields


def plans(*tasks: dict[str, Any], points: list[dict[str, Any]]) -> Rule:
    submit = call("submit_plan", title="Shop", tasks=list(tasks), sync_points=points)
    return rule(says("", *documents(), submit), model="strong", offers="submit_plan")


def orders(**fields: Any) -> dict[str, Any]:
    """T1 writes the file that STUB speaks of."""
    return task("T1", files=["orders.py"], check="test -e orders.py") | fields


def publishes(name: str, content: str) -> ScriptedCall:
    return call("publish_artifact", sync_point=name, content=content)


def reads(name: str) -> ScriptedCall:
    return call("read_artifact", sync_point=name)


def waits(gate_name: str, *calls: ScriptedCall) -> ScriptedReply:
    return ScriptedReply(calls=calls, barrier=held(gate_name))


def status(user: Stage) -> dict[str, Any]:
    shown = user.run("epic", "status", "epic-001", "--output", "json")
    assert shown.code == 0, shown.brief
    return shown.result


def position(ended: Ended, kind: str, **fields: Any) -> int:
    """Sequence number of the first such event."""
    return int(ended.of(kind, **fields)[0]["seq"])


def of_task(user: Stage, name: str) -> list[Recorded]:
    return [request for request in user.asked("weak") if word_of(name) in first_message(request)]


def contents(ended: Ended) -> list[tuple[str, int, str]]:
    produced = [event["artifact"] for event in ended.of("artifact_produced")]
    return [(one["sync_point"], one["version"], one["content"]) for one in produced]


def end_of(process: Any) -> Ended:
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


def test_what_is_published_is_told_stands_in_the_consumers_first_message_and_is_consumed(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                orders(),
                task("T2", needs=("T1", "T3")),
                task("T3"),
                points=[point("S1", "T1", "T2", description="sums")],
            ),
            builds("T2"),
            builds("T3"),
            worker("T1", says("", publishes("S1", STUB)), says("", writes("orders.py", CODE), hands_in())),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    assert contents(ended) == [("S1", 1, STUB)]
    [letter] = ended.of("message_sent")
    assert (letter["to"], letter["topic"]) == ("T2", "artifact_produced")
    first = first_message(of_task(user, "T2")[0])
    documents_end, artifact, own = (first.index(text) for text in ("</document>\n\n# Done", STUB, "# Your task: T2"))
    assert documents_end < artifact < own
    assert "T3: T3 is built" in first
    assert "read_artifact" not in "".join(str(m["content"]) for m in of_task(user, "T2")[0].messages[2:])
    assert all(STUB.strip() not in json.dumps(request.messages) for request in of_task(user, "T3"))
    assert [e["verdict"] for e in ended.of("contract_checked")] == ["kept"]
    assert position(ended, "artifact_produced") < position(ended, "task_changed", task="T1", state="review")
    [shown] = status(user)["sync_points"]
    assert shown == {
        "id": "S1",
        "epic": "epic-001",
        "description": "sums",
        "producer": "T1",
        "consumers": ["T2"],
        "type": "contracts",
        "detected": False,
        "content": STUB,
        "status": "consumed",
        "version": 1,
        "read_by": [{"task": "T2", "version": 1}],
        "checked": "kept",
        "differences": None,
    }
    text = user.run("epic", "status", "epic-001").out
    assert "S1 sums (T1 -> T2) - consumed (version 1, read by T2; contract kept)" in text


def test_tools_for_sync_points_are_offered_only_to_the_tasks_that_have_them(stage: OpenStage) -> None:
    user = stage(
        [
            plans(orders(), task("T2", needs=("T1",)), task("T3"), points=[point("S1", "T1", "T2")]),
            builds("T2"),
            builds("T3"),
            worker("T1", says("", writes("orders.py", CODE), hands_in())),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    offered = {
        name: set(of_task(user, name)[0].tools) & {"publish_artifact", "read_artifact"} for name in ("T1", "T2", "T3")
    }
    assert offered == {"T1": {"publish_artifact"}, "T2": {"read_artifact"}, "T3": set()}


def test_a_hundred_kilobytes_of_unicode_come_back_to_the_letter(stage: OpenStage) -> None:
    long = "".join(f"{number}: größe 数据 🚲 \t end \n" for number in range(3200)) + "no line end"
    assert len(long.encode()) > 100_000
    user = stage(
        [
            plans(orders(), task("T2", needs=("T1",)), points=[point("S1", "T1", "T2")]),
            worker("T2", says("", reads("S1")), says("", writes(file_of("T2"), "T2-built\n"), hands_in())),
            worker("T1", says("", publishes("S1", long)), says("", writes("orders.py", CODE), hands_in())),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    before, after = of_task(user, "T2")
    assert long[:200] not in first_message(before)
    assert 'read_artifact("S1") gives all of it' in first_message(before)
    assert tool_results(after) == [long]
    assert position(ended, "artifact_consumed") > position(ended, "tool_called", name="read_artifact")
    [shown] = status(user)["sync_points"]
    assert (shown["content"], shown["status"], shown["checked"]) == (long, "consumed", "unchecked")


def test_only_the_producer_publishes_and_only_consumers_read(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                orders(),
                task("T2", needs=("T1",)),
                task("T3", needs=("T2",)),
                points=[point("S1", "T1", "T2"), point("S2", "T2", "T3")],
            ),
            worker("T3", says("", reads("S1"), reads("S9"), writes(file_of("T3"), "T3-built\n"), hands_in())),
            worker(
                "T2",
                says("", publishes("S1", "mine"), publishes("S2", " \n"), publishes("S2", "words")),
                says("", writes(file_of("T2"), "T2-built\n"), hands_in()),
            ),
            worker("T1", says("", publishes("S1", STUB), writes("orders.py", CODE), hands_in())),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    refused = [event["text"] for event in ended.of("tool_returned") if event["is_error"]]
    assert "S1 is not yours to publish, only T1 publishes it. Your task may publish: S2" in refused[0]
    assert "the content is empty" in refused[1]
    assert "S1 is not yours to read" in refused[2]
    assert "There is no sync point 'S9'. Your task may read: S2" in refused[3]
    assert len(refused) == 4
    assert contents(ended) == [("S1", 1, STUB), ("S2", 1, "words")]


def test_one_producer_has_several_sync_points_and_must_say_which(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                orders(),
                task("T2", needs=("T1",)),
                task("T3", needs=("T1",)),
                points=[point("S1", "T1", "T2", "T3"), point("S2", "T1", "T3", type="schema")],
            ),
            builds("T2"),
            builds("T3"),
            worker(
                "T1",
                says("", call("publish_artifact", content=STUB)),
                says("", publishes("S1", STUB), publishes("s2", "an order has an id")),
                says("", writes("orders.py", CODE), hands_in()),
            ),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    [refused] = [event["text"] for event in ended.of("tool_returned") if event["is_error"]]
    assert "sync_point: missing, and required" in refused
    assert [(name, version) for name, version, _ in contents(ended)] == [("S1", 1), ("S2", 1)]
    assert {(e["to"], e["content"][:2]) for e in ended.of("message_sent")} == {("T2", "S1"), ("T3", "S1"), ("T3", "S2")}
    assert "an order has an id" in first_message(of_task(user, "T3")[0])
    assert "an order has an id" not in first_message(of_task(user, "T2")[0])
    assert [point["status"] for point in status(user)["sync_points"]] == ["consumed", "consumed"]


@pytest.mark.native
def test_a_second_version_is_told_to_those_who_have_read_the_first(stage: OpenStage) -> None:
    second = STUB.replace("0.2", "0.5")
    user = stage(
        [
            gate("first"),
            gate("second"),
            gate("read"),
            gate("again"),
            plans(orders(), task("T2"), points=[point("S1", "T1", "T2")]),
            worker(
                "T2",
                waits("read", reads("S1")),
                waits("again", reads("S1")),
                says("", writes(file_of("T2"), "T2-built\n"), hands_in()),
            ),
            worker(
                "T1",
                waits("first", publishes("S1", STUB)),
                waits("second", publishes("S1", second), publishes("S1", second)),
                says("", writes("orders.py", CODE.replace("0.2", "0.5")), hands_in()),
            ),
        ],
        config=UNREVIEWED,
    )
    process = user.start(*PLANNED)
    user.open_gate("first")
    user.wait_for("weak", contains="Published S1, version 1")
    user.open_gate("read")
    user.wait_for("weak", contains='"name": "read_artifact"')
    user.open_gate("second")
    user.wait_for("weak", contains="Published S1, version 2")
    user.open_gate("again")
    ended = end_of(process)

    assert ended.code == 0, ended.brief
    assert contents(ended) == [("S1", 1, STUB), ("S1", 2, second)]
    assert [e["topic"] for e in ended.of("message_sent", to="T2")] == ["artifact_produced", "artifact_updated"]
    assert [e["version"] for e in ended.of("artifact_consumed")] == [1, 2]
    last = of_task(user, "T2")[-1]
    assert tool_results(last)[:2] == [STUB, second]
    assert "version 2 replaces what was published before. You have read version 1." in json.dumps(last.messages)
    told = tool_results(of_task(user, "T1")[-1])
    assert any("S1 stands as it was published (version 2)" in text for text in told)


def test_singular_types_are_taken_and_unknown_ones_refused(stage: OpenStage) -> None:
    kinds = ("type", "schema", "contract", "interface", "Types", "schemas", "contracts", "interfaces")
    points = [point(f"S{n}", "T1", "T2", type=kind) for n, kind in enumerate(kinds)]
    submit = call("submit_plan", title="Shop", tasks=[task("T1"), task("T2", needs=("T1",))], sync_points=points)
    poem = call(
        "submit_plan", title="Shop", tasks=[task("T1"), task("T2")], sync_points=[point("S1", "T1", "T2", type="poem")]
    )
    user = stage([rule(says("", *documents(), poem), says("", submit), model="strong", offers="submit_plan")])

    created = user.run("epic", "create", "build a shop")

    assert created.code == 0, created.brief
    assert "poem" in tool_results(user.asked("strong")[1])[-1]
    found = [point["type"] for point in status(user)["sync_points"]]
    assert found == ["types", "schemas", "contracts", "interfaces"] * 2


def test_what_a_worker_did_not_publish_the_host_writes_down_when_it_lands(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                orders(),
                task("T2"),
                task("T3", needs=("T1", "T2")),
                points=[point("S1", "T1", "T3", type="interfaces"), point("S2", "T2", "T3", type="schemas")],
            ),
            builds("T3"),
            worker("T2", says("", writes(file_of("T2"), "of T2-built\nsecond line\n"), hands_in())),
            worker("T1", says("", writes("orders.py", f'"""Sums."""\n\n_RATE = 1\n\n\n{CODE}'), hands_in())),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    assert {event["by"] for event in ended.of("artifact_produced")} == {"host"}
    shown = {point["id"]: point for point in status(user)["sync_points"]}
    signature = "# orders.py\ndef total(prices: list[int], rate: float=0.2) -> int: ..."
    assert shown["S1"]["content"].strip() == signature
    assert "Changed files:\n- t2.txt" in shown["S2"]["content"]
    assert [(p["status"], p["checked"]) for p in shown.values()] == [("consumed", "kept"), ("consumed", "unchecked")]
    assert signature in first_message(of_task(user, "T3")[0])
    for name in ("T1", "T2"):
        assert position(ended, "artifact_produced", task=name) < position(
            ended, "task_changed", task=name, state="done"
        )


def test_a_broken_contract_goes_back_with_the_difference_and_its_readers_are_told(stage: OpenStage) -> None:
    user = stage(
        [
            gate("build"),
            gate("end"),
            plans(orders(), task("T2"), points=[point("S1", "T1", "T2")]),
            worker("T2", waits("end", reads("S1")), says("", writes(file_of("T2"), "T2-built\n"), hands_in())),
            worker("T1", says("", *rewrites("orders.py", CODE), hands_in()), first=["it broke a contract"]),
            worker("T1", says("", publishes("S1", STUB)), waits("build", writes("orders.py", BROKEN), hands_in())),
        ],
        config=UNREVIEWED,
    )
    process = user.start(*PLANNED)
    user.wait_for("weak", contains="Published S1, version 1, for T2")
    user.wait_for("weak", contains=word_of("T2"))
    user.open_gate("build")
    again = user.wait_for("weak", contains="it broke a contract that others build on")
    user.open_gate("end")
    ended = end_of(process)

    assert ended.code == 0, ended.brief
    first = first_message(again)
    assert "calls parameter 1 amounts, the contract calls it prices" in first
    assert "has no parameter rate" in first
    assert "returns str, the contract says int" in first
    assert ended.of("task_changed", task="T1", reason="contract_broken")
    assert [event["verdict"] for event in ended.of("contract_checked")] == ["broken", "kept"]
    [alarm] = ended.of("message_sent", topic="contract_failed")
    assert alarm["to"] == "T2"
    assert "calls parameter 1 amounts" in alarm["content"]
    assert "is not what T1 has built" in json.dumps(of_task(user, "T2")[-1].messages)
    assert user.read("orders.py") == CODE
    assert [version for _, version, _ in contents(ended)] == [1]


def test_a_contract_that_stays_broken_fails_its_task_and_nothing_of_it_lands(stage: OpenStage) -> None:
    schema = {"title": "Order", "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    wrong = {**schema, "properties": {"id": {"type": "string"}}}
    user = stage(
        [
            plans(
                task("T1", files=["order.json"], check="test -e order.json"),
                task("T2", needs=("T1",)),
                points=[point("S1", "T1", "T2", type="schemas")],
            ),
            builds("T2"),
            worker(
                "T1",
                says("", *rewrites("order.json", json.dumps(wrong)), hands_in()),
                first=["Earlier attempts at this task"],
            ),
            worker(
                "T1",
                says("", call("publish_artifact", sync_point="S1", content=schema)),
                says("", writes("order.json", json.dumps(wrong)), hands_in()),
            ),
        ],
        config={"orchestrator": {"review": "none", "max_attempts": 2}},
    )

    ended = user.run(*PLANNED)

    assert ended.code == 1, ended.brief
    shown = status(user)
    assert [(t["state"], t["reason"]) for t in shown["tasks"]] == [
        ("failed", "contract_broken"),
        ("blocked", "prerequisite_failed"),
    ]
    assert shown["status"] == "failed"
    [point_shown] = shown["sync_points"]
    assert (point_shown["version"], point_shown["checked"]) == (1, "broken")
    assert "id is string, the contract says integer" in point_shown["differences"]
    assert "order.json" not in user.git("ls-tree", "-r", "--name-only", "equitr/epic-001")


def test_a_test_module_as_a_contract_is_run_on_the_merged_tree_and_stands_in_the_receipt(stage: OpenStage) -> None:
    tests = (
        "import unittest\n\nfrom orders import total\n\n\nclass Totals(unittest.TestCase):\n"
        "    def test_rounds(self):\n        self.assertEqual(total([10, 5], rate=0.1), 16)\n"
    )
    user = stage(
        [
            plans(orders(), task("T2", needs=("T1",)), points=[point("S1", "T1", "T2")]),
            builds("T2"),
            worker("T1", says("", *rewrites("orders.py", CODE), hands_in()), first=["it broke a contract"]),
            worker(
                "T1",
                says("", publishes("S1", tests)),
                says("", writes("orders.py", CODE.replace("1 + rate", "2 + rate")), hands_in()),
            ),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    assert [event["verdict"] for event in ended.of("contract_checked")] == ["broken", "kept"]
    [back] = ended.of("task_changed", reason="contract_broken")
    assert "AssertionError: 31 != 16" in back["detail"]
    [receipt] = [event["receipt"] for event in ended.of("receipt_stored", task="T1")]
    own, contract = receipt["checks"]
    assert own["command"] == "test -e orders.py"
    assert "python3 -m unittest test_contract_S1" in contract["command"]
    assert (contract["exit_code"], contract["tree"]) == (0, receipt["tree"])
    assert "test_contract" not in user.git("ls-tree", "-r", "--name-only", "main")
    green = user.run("verify", "epic-001", "--task", "T1")
    assert green.code == 0, green.brief
    user.run("prune", "--yes")
    gone = user.run("verify", "epic-001", "--task", "T1")
    assert gone.code == 1, gone.brief
    assert "git no longer has refs/equitr/epic-001/contracts/S1.1-" in gone.out


def test_test_modules_as_contracts_are_kept_apart_whatever_they_and_their_files_are_called(stage: OpenStage) -> None:
    def tests(file: str, total: int) -> str:
        return (
            f"# {file}\nimport unittest\nfrom orders import total\n\n\nclass Totals(unittest.TestCase):\n"
            f"    def test_it(self):\n        self.assertEqual(total([10, 5], rate=0.1), {total})\n"
        )

    names = {"価格": tests("./test_prices.py", 16), "注文": tests("../outside/test_orders.py", 17)}
    user = stage(
        [
            plans(orders(), task("T2", needs=("T1",)), points=[point(name, "T1", "T2") for name in names]),
            builds("T2"),
            worker("T1", says("", publishes("注文", tests("test_orders.py", 16)), hands_in()), first=["it broke"]),
            worker(
                "T1",
                says("", *(publishes(name, content) for name, content in names.items())),
                says("", writes("orders.py", CODE), hands_in()),
            ),
        ],
        config=UNREVIEWED,
    )

    ended = user.run(*PLANNED)

    assert ended.code == 0, ended.brief
    verdicts = [(event["sync_point"], event["version"], event["verdict"]) for event in ended.of("contract_checked")]
    assert verdicts == [("価格", 1, "kept"), ("注文", 1, "broken"), ("注文", 2, "kept")]
    [receipt] = [event["receipt"] for event in ended.of("receipt_stored", task="T1")]
    assert [check["exit_code"] for check in receipt["checks"]] == [0, 0, 0]


def test_checks_of_landed_consumers_run_again_when_their_producer_lands(stage: OpenStage) -> None:
    user = stage(
        [
            gate("build"),
            plans(
                orders(),
                task("T2", check=f"grep {word_of('T2')} t2.txt && ! grep amounts orders.py"),
                task("T3", needs=("T2",)),
                points=[point("S1", "T1", "T2")],
            ),
            worker("T1", says("", *rewrites("orders.py", CODE), hands_in()), first=["the check failed"]),
            worker("T1", says("", publishes("S1", "sums")), waits("build", writes("orders.py", BROKEN), hands_in())),
            builds("T3"),
            builds("T2"),
        ],
        config=UNREVIEWED,
    )
    process = user.start(*PLANNED)
    user.wait_for("weak", contains=word_of("T3"))
    user.open_gate("build")
    ended = end_of(process)

    assert ended.code == 0, ended.brief
    [back] = ended.of("task_changed", task="T1", reason="check_failed")
    assert "! grep amounts orders.py" in back["detail"]
    [receipt] = [event["receipt"] for event in ended.of("receipt_stored", task="T1")]
    assert [check["command"] for check in receipt["checks"]][-1].endswith("! grep amounts orders.py")


def layered() -> list[dict[str, Any]]:
    return [
        task("T1", type="schema", specialization="database"),
        task("T2", needs=("T1",), type="api"),
        task("T3", needs=("T2",), type="frontend"),
        task("T4", needs=("T3",), type="tests"),
    ]


def test_sync_points_are_detected_between_schema_api_and_frontend(stage: OpenStage) -> None:
    user = stage(
        [plans(*layered(), points=[]), *(builds(name) for name in ("T4", "T3", "T2", "T1"))], config=UNREVIEWED
    )

    created = user.run("epic", "create", "build a shop")
    found = [(p["id"], p["type"], p["producer"], p["consumers"]) for p in status(user)["sync_points"]]
    ended = user.run("epic", "run", "epic-001")

    assert created.code == 0, created.brief
    assert "sync S1 (schemas) T1 -> T2: Detected from the plan" in created.out
    assert found == [("S1", "schemas", "T1", ["T2"]), ("S2", "contracts", "T2", ["T3"])]
    assert ended.code == 0, ended.brief
    assert [point["status"] for point in status(user)["sync_points"]] == ["consumed", "consumed"]


def test_without_auto_detect_there_are_only_the_sync_points_that_the_plan_names(stage: OpenStage) -> None:
    user = stage([plans(*layered(), points=[])], config={"collaboration": {"sync_points": {"auto_detect": False}}})

    created = user.run("epic", "create", "build a shop")

    assert created.code == 0, created.brief
    assert status(user)["sync_points"] == []


def test_an_epic_in_which_a_consumer_cannot_finish_ends_failed_and_keeps_what_was_published(
    stage: OpenStage,
) -> None:
    user = stage(
        [
            plans(orders(), task("T2", needs=("T1",)), points=[point("S1", "T1", "T2")]),
            fails_with("T2"),
            worker("T1", says("", publishes("S1", STUB), writes("orders.py", CODE), hands_in())),
        ],
        config={"orchestrator": {"review": "none", "max_attempts": 1}},
    )

    ended = user.run(*PLANNED)

    assert ended.code == 1, ended.brief
    shown = status(user)
    assert (shown["status"], shown["done"], shown["progress"]) == ("failed", 1, 50.0)
    assert shown["sync_points"][0]["status"] == "consumed"
