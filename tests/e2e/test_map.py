"""The map of the repository, through the real command: what the planner, the supervisor and a person see of it."""

import json
from pathlib import Path
from typing import Any

from equitr_coder.testing.script import calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import (
    advises,
    builds,
    documents,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plan_of,
    plans,
    rewrites,
    task,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
CODE = {
    "shop/orders.py": (
        "from shop.stock import Warehouse\n\n\nclass OrderBook:\n    def place_order(self, item):\n"
        "        return Warehouse().reserve_item(item)\n"
    ),
    "shop/stock.py": "class Warehouse:\n    def reserve_item(self, item):\n        return item\n",
    "web/api.ts": "export class CartApi {\n  addItem(x: number): number { return x }\n}\n",
}
ORDERS = "shop/orders.py\n    4 class OrderBook:\n    5     def place_order(self, item):"


def maps_in(user: Stage) -> list[Path]:
    return sorted((user.equitr_home / "maps").glob("*.db"))


def test_the_planner_sees_what_matters_for_the_request(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.commit(CODE)

    ended = user.run(*PLANNED, "make place_order quicker")

    assert ended.code == 0, ended.brief
    message = first_message(user.asked("strong")[0])
    assert message.startswith("make place_order quicker\n\n<repository>")
    assert f"\n\n{ORDERS}\nshop/stock.py\n" in message
    assert message.index("<repository>") < message.index("<map>") < message.index("<limits>")
    assert len(maps_in(user)) == 1


def test_a_configured_zero_is_no_map(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")], config={"context": {"map_tokens": 0}})
    user.commit(CODE)

    ended = user.run(*PLANNED, "make place_order quicker")

    assert ended.code == 0, ended.brief
    assert "<map>" not in first_message(user.asked("strong")[0])
    assert maps_in(user) == []


def test_a_question_to_the_supervisor_brings_a_map_of_the_workers_files(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                says("", writes(file_of("T1"), "a first draft\n")),
                calls("ask_supervisor", question="What does place_order return?"),
                says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
            advises("An item."),
        ]
    )
    user.commit(CODE)

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    [asked] = [request for request in user.asked("strong") if "submit_plan" not in request.tools]
    assert ORDERS in first_message(asked)


def test_a_resumed_planner_gets_the_same_first_message_though_the_files_have_changed(stage: OpenStage) -> None:
    reply = says("", *documents(), plan_of(task("T1"), task("T2")), barrier=held("planner"))
    user = stage(
        [gate("planner"), rule(reply, model="strong", offers="submit_plan"), builds("T1"), builds("T2")],
    )
    user.commit(CODE)
    process = user.start(*PLANNED, "make place_order quicker")
    user.wait_for("strong")
    process.kill()
    process.communicate()
    user.commit({"shop/orders.py": "class Other: ...\n"})

    resumed = user.start("resume", "--yes")
    user.wait_for("strong", count=2)
    user.open_gate("planner")
    resumed.communicate()

    assert resumed.returncode == 0
    before, after, *_ = user.asked("strong")
    assert ORDERS in first_message(before)
    assert first_message(after) == first_message(before)


def test_a_person_sees_the_same_map(stage: OpenStage) -> None:
    user = stage([])
    user.commit(CODE)

    text = user.run("map", "place_order")
    whole = user.run("map")
    few = user.run("map", "place_order", "--tokens", "25")
    data: Any = json.loads(user.run("map", "place_order", "--output", "json").out)

    assert text.code == 0, text.brief
    assert text.out.startswith(
        f"{ORDERS}\nshop/stock.py\n    1 class Warehouse:\n    2     def reserve_item(self, item):\n"
    )
    assert text.out.endswith("\n\n2 of 3 source files\n")
    assert {line for line in whole.out.splitlines() if line[:1].strip()} >= CODE.keys()
    assert few.out == "shop/orders.py\n    5     def place_order(self, item):\n    ⋮ 1 more\n\n1 of 3 source files\n"
    assert [file["path"] for file in data["files"]] == ["shop/orders.py", "shop/stock.py"]
    assert data["files"][0]["definitions"][1] == {
        "line": 5, "name": "place_order", "text": "    def place_order(self, item):",
    }  # fmt: skip
    assert (data["sources"], data["unread"]) == (3, 0)


def test_a_map_of_a_folder_without_code_says_so(stage: OpenStage) -> None:
    shown = stage([]).run("map", "anything")

    assert (shown.code, shown.out) == (
        0,
        "No definitions found: there are no source files here in a language that is known.\n",
    )
