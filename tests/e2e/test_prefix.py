"""What was sent is an exact prefix of what is sent next, over fifty turns and across a kill: provider caches hit."""

import itertools
import json
import os
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Rule, ScriptedCall, ScriptedReply, always, call, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import builds, documents, hands_in, plan_of, plans, task, word_of, writes

TURNS = 52
KILLED_AT = 25
PATIENT = {"orchestrator": {"max_iterations": 80}}
COMMANDS = {
    "worker": ("chat", "-M", "--plan", "always", "--yes"),
    "planner": ("chat", "-M", "--plan", "always", "--yes"),
    "chat": ("chat", "--yes"),
}
LAST: dict[str, tuple[ScriptedCall, ...]] = {
    "worker": (writes("t1.txt", f"{word_of('T1')}\n"), hands_in()),
    "planner": (*documents(), plan_of(task("T1"))),
    "chat": (),
}
CONDITIONS: dict[str, dict[str, Any]] = {
    "worker": {"model": "weak", "first": word_of("T1")},
    "planner": {"model": "strong", "system": "submit_plan"},
    "chat": {"model": "weak"},
}


def reply(text: str, *calls: ScriptedCall, tools: str) -> ScriptedReply:
    if tools == "native":
        return says(text, *calls)
    blocks = (f'<tool_call>\n{{"name":"{made.name}","arguments":{made.text}}}\n</tool_call>' for made in calls)
    return says("\n".join((text, *blocks)).strip())


def looks(number: int, tools: str) -> ScriptedReply:
    made = [call("search", pattern=f"word {number}"), *([call("list_files")] if number % 7 == 0 else [])]
    return reply(f"Looking for word {number}.", *made, tools=tools)


def script(who: str, tools: str) -> list[Rule]:
    conditions = CONDITIONS[who]
    turns = [looks(number, tools) for number in range(TURNS - 1)]
    played = rule(*turns, reply("Done.", *LAST[who], tools=tools), **conditions)
    silence = always(ScriptedReply(hang=True), times=1, turn=KILLED_AT, **conditions)
    others = {"worker": [plans(task("T1"))], "planner": [builds("T1")], "chat": []}
    return [silence, played, *others[who]]


def kept_prefix(requests: Sequence[Recorded]) -> float:
    """Share of each request that the next one begins with, in bytes; 1.0 when nothing was ever changed or moved."""
    kept = whole = 0
    for earlier, later in itertools.pairwise(requests):
        sent, next_sent = ([json.dumps(message) for message in one.messages] for one in (earlier, later))
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(sent, next_sent, strict=False))
        kept += sum(len(message) for message, _ in same)
        whole += sum(map(len, sent))
    return kept / whole


@pytest.mark.sample(3)
@pytest.mark.parametrize("tools", ["native", "text"])
@pytest.mark.parametrize("who", list(COMMANDS))
def test_the_kept_prefix_is_whole_over_fifty_turns_and_a_kill(stage: OpenStage, who: str, tools: str) -> None:
    tier = "supervisor" if who == "planner" else "worker"
    model = "strong" if who == "planner" else "weak"
    user = stage(
        script(who, tools), config=PATIENT | {"llm": {"models": {tier: {"model": f"stub/{model}", "tools": tools}}}}
    )
    process = user.start(*COMMANDS[who], "do the words")
    user.wait_for(model, count=KILLED_AT + 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    ended = user.run("resume", "--yes")

    assert ended.code == 0, ended.brief
    asked = [request for request in user.asked(model) if request.outcome != "error"]
    assert len(asked) == TURNS + 1
    assert asked[KILLED_AT].messages == asked[KILLED_AT + 1].messages
    assert kept_prefix(asked) == 1.0
    assert {json.dumps(request.body.get("tools")) for request in asked} == {json.dumps(asked[0].body.get("tools"))}
    assert asked[0].messages[0]["role"] == "system"
    assert ("tools" in asked[0].body) == (tools == "native")
