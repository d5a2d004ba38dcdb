"""Scripts that many cases play: a planner with its plan, workers that write words into files, held replies."""

import re
from typing import Any

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Barrier, Rule, ScriptedCall, ScriptedReply, always, call, rule, says

REQUIREMENTS = """# Requirements

## 1. Overview
Words in files.

## 2. Features
### 2.1 Files
- 2.1.1 each task writes its word

## 3. Non-functional requirements
- 3.1 plain text
"""
DESIGN = """# Design

## 1. Architecture
One text file a task.

## 2. Parts
Plain files.

## 3. Deployment
None.
"""


def file_of(name: str) -> str:
    """The file that `task(name)` is to write."""
    return f"{name.lower()}.txt"


def word_of(name: str) -> str:
    """The word it has to hold; it stands in the first message of this task's worker and of no other's."""
    return f"{name}-built"


def task(name: str, *, needs: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """A task of a plan: one file, one word, and the check that looks for it."""
    return {
        "id": name,
        "title": f"title of {name}",
        "description": f"Write {file_of(name)} with the word {word_of(name)}.",
        "needs": list(needs),
        "files": [file_of(name)],
        "todos": [f"create {file_of(name)}"],
        "check": f"grep {word_of(name)} {file_of(name)}",
    } | fields


def six_tasks() -> list[dict[str, Any]]:
    """Two roots, two chains and a join."""
    return [
        task("T1"),
        task("T2"),
        task("T3", needs=("T1",)),
        task("T4", needs=("T1", "T2")),
        task("T5", needs=("T3",)),
        task("T6", needs=("T4", "T5")),
    ]


def plan_of(*tasks: dict[str, Any], title: str = "Words") -> ScriptedCall:
    return call("submit_plan", title=title, tasks=list(tasks), sync_points=[])


def documents(*, requirements: str = REQUIREMENTS, design: str = DESIGN) -> tuple[ScriptedCall, ScriptedCall]:
    return (
        call("write_document", name="requirements", content=requirements),
        call("write_document", name="design", content=design),
    )


def plans(*tasks: dict[str, Any], title: str = "Words", **conditions: Any) -> Rule:
    """The planner writes both documents and the plan in one reply."""
    reply = says("", *documents(), plan_of(*tasks, title=title))
    return rule(reply, **{"model": "strong", "offers": "submit_plan"} | conditions)


def writes(path: str, content: str) -> ScriptedCall:
    return call("write_file", path=path, content=content)


def rewrites(path: str, content: str) -> tuple[ScriptedCall, ScriptedCall]:
    """Read, then write: what an agent has to do with a file that may be there already."""
    return call("read_file", path=path), writes(path, content)


def hands_in(summary: str = "it is built") -> ScriptedCall:
    return call("hand_in", summary=summary)


def worker(name: str, *replies: ScriptedReply, **conditions: Any) -> Rule:
    """What the worker of `task(name)` replies, turn by turn."""
    first = [word_of(name), *conditions.pop("first", [])]
    return rule(*replies, **{"model": "weak", "offers": "hand_in", "first": first} | conditions)


def builds(name: str, *, file: str | None = None, word: str | None = None, **conditions: Any) -> Rule:
    """The worker of `task(name)` writes its file and hands in, with one reply."""
    reply = says("", writes(file or file_of(name), f"{word or word_of(name)}\n"), hands_in(f"{name} is built"))
    return worker(name, reply, **conditions)


def fails_with(name: str, word: str = "wrong", **conditions: Any) -> Rule:
    """The worker of `task(name)` hands in a file without the word that its check looks for, again and again."""
    return always(
        says("", *rewrites(file_of(name), f"{word}\n"), hands_in()),
        **{"model": "weak", "offers": "hand_in", "first": [word_of(name)]} | conditions,
    )


def advises(text: str = "Look at the check again.") -> Rule:
    """The supervisor answers every question."""
    return always(says(text), model="strong", lacks=["submit_plan", "review"])


def held(gate: str) -> Barrier:
    """A reply with this barrier waits until the test opens the gate (`Stage.open_gate`)."""
    return Barrier(name=gate, parties=2)


def gate(name: str) -> Rule:
    """The rule that lets a test open a gate."""
    return always(says("open", barrier=held(name)), model=f"gate-{name}")


def first_message(request: Recorded) -> str:
    """The first user message."""
    return str(next(message["content"] for message in request.messages if message["role"] == "user"))


def system_message(request: Recorded) -> str:
    return "\n".join(str(m["content"]) for m in request.messages if m["role"] in ("system", "developer"))


_RESULT = re.compile(r"^<tool_result [^\n]*>\n(.*?)\n</tool_result>$", re.MULTILINE | re.DOTALL)


def tool_results(request: Recorded) -> list[str]:
    """What the model was told by its tools so far."""
    native = [str(message["content"]) for message in request.messages if message["role"] == "tool"]
    in_text = (str(message["content"]) for message in request.messages if message["role"] == "user")
    return native or [said[1] for text in in_text for said in _RESULT.finditer(text)]
