import json
from typing import Any

from equitr_coder.testing.script import Rule, ScriptedCall, call, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import (
    documents,
    file_of,
    first_message,
    hands_in,
    task,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
STUB = "# orders.py\ndef total(prices: list[int], rate: float = 0.2) -> int: ...\n"
CODE = "def total(prices: list[int], rate: float = 0.2) -> int:\n    return int(sum(prices) * (1 + rate))\n"


def point(name: str, producer: str, *consumers: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "producer": producer, "consumers": list(consumers), "type": "contracts"} | fields


def plans(*tasks: dict[str, Any], points: list[dict[str, Any]]) -> Rule:
    submit = call("submit_plan", title="Shop", tasks=list(tasks), sync_points=points)
    return rule(says("", *documents(), submit), model="strong", offers="submit_plan")


def publishes(name: str, content: str) -> ScriptedCall:
    return call("publish_artifact", sync_point=name, content=content)


def reads(name: str) -> ScriptedCall:
    return call("read_artifact", sync_point=name)


NO_REVIEW = {"orchestrator": {"review": "none"}}


def status(user: Any) -> dict[str, Any]:
    shown = user.run("epic", "status", "epic-001", "--output", "json")
    assert shown.code == 0, shown.brief
    return dict(json.loads(shown.out))


def test_a_published_artifact_is_told_stands_in_the_consumers_first_message_and_is_consumed(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", files=["orders.py"], check="test -e orders.py"),
                task("T2", needs=("T1",)),
                points=[point("S1", "T1", "T2")],
            ),
            worker("T2", says("", writes(file_of("T2"), "T2-built\n"), hands_in())),
            worker("T1", says("", publishes("S1", STUB)), says("", writes("orders.py", CODE), hands_in())),
        ],
        config=NO_REVIEW,
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build a shop")

    assert ended.code == 0, ended.brief
    [produced] = ended.of("artifact_produced")
    assert produced["artifact"]["content"] == STUB
    assert produced["by"] == "worker"
    print(
        json.dumps(
            [e for e in ended.events if e["type"] in ("message_sent", "contract_checked", "artifact_consumed")],
            indent=1,
        )
    )
    [asked] = [request for request in user.asked("weak") if "read_artifact" in request.tools]
    print(first_message(asked))
    assert 0
