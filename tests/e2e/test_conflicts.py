import json
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import Barrier, Rule, ScriptedReply, always, call, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import file_of, first_message, hands_in, plans, rewrites, task, word_of, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
SAME_TIME = Barrier(name="same-time", parties=2)
LIST = "top\n\n1\n2\n3\n4\n5\n6\n7\n\nbottom\n"
NAMES = ("T1", "T2")
BOTH = LIST.replace("4", "T1-built T2-built")


def edits(name: str, path: str, old: str, new: str, **conditions: Any) -> Rule:
    """Read at the same time as the other worker, then edit and hand in."""
    return worker(
        name,
        ScriptedReply(calls=(call("read_file", path=path),), barrier=SAME_TIME),
        ScriptedReply(calls=(call("edit_file", path=path, old_text=old, new_text=new), hands_in()), barrier=SAME_TIME),
        **conditions,
    )


def merges(path: str, content: str, **conditions: Any) -> Rule:
    """The supervisor's session that merges."""
    return rule(
        says("", call("read_file", path=path)),
        says("", call("write_file", path=path, content=content), hands_in("kept both words")),
        **{"model": "strong", "offers": "hand_in"} | conditions,
    )


def reviews(verdict: str, *reasons: str) -> Rule:
    return always(says("", call("review", verdict=verdict, reasons=list(reasons))), model="strong", offers="review")


def clash(*more: Rule) -> list[Rule]:
    """Two tasks change the same line at the same time."""
    return [
        *more,
        plans(*(task(name, files=["list.txt"], check=f"grep {word_of(name)} list.txt") for name in NAMES)),
        *(edits(name, "list.txt", "4", word_of(name)) for name in NAMES),
    ]


def only(ended: Ended, kind: str, **fields: Any) -> dict[str, Any]:
    [found] = ended.of(kind, **fields)
    return found


def test_the_supervisor_merges_a_clash_and_the_reviewer_accepts(stage: OpenStage) -> None:
    user = stage(clash(merges("list.txt", BOTH), reviews("approve")))
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    found = only(ended, "conflict_found", conflict=only(ended, "conflict_found")["conflict"])["conflict"]
    assert sorted(found["tasks"]) == ["T1", "T2"]
    assert found["paths"] == ["list.txt"]
    assert only(ended, "conflict_resolved")["how"] == "proposal"
    merging = next(
        request
        for request in user.asked("strong")
        if "hand_in" in [tool["function"]["name"] for tool in request.body.get("tools", [])]
    )
    assert word_of("T1") in first_message(merging)
    assert word_of("T2") in first_message(merging)
    assert "<<<<<<<" in first_message(merging)
    assert user.read("list.txt") == BOTH
    assert ended.of("merge_rejected") == []
    assert "<<<<<<<" not in user.git("log", "-p", "main")
