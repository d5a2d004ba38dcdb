"""What is played while the process is killed: an epic with every kind of model call, and a chat in the checkout."""

from collections.abc import Sequence
from typing import Any

from equitr_coder.testing.script import Barrier, Rule, ScriptedCall, ScriptedReply, always, call, rule, says

_REQUIREMENTS = """# Requirements

## 1. Overview
Words in files.

## 2. Features
### 2.1 Files
- 2.1.1 each task writes its word

## 3. Non-functional requirements
- 3.1 plain text
"""
_DESIGN = """# Design

## 1. Architecture
One text file a task.

## 2. Parts
Plain files.

## 3. Deployment
None.
"""
REQUEST = "Write the words."


def _task(name: str, *, needs: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "title": f"title of {name}",
        "description": f"Write {name.lower()}.txt with the word {name}-built.",
        "needs": list(needs),
        "files": [f"{name.lower()}.txt"],
        "todos": [f"create {name.lower()}.txt"],
        "check": f"grep {name}-built {name.lower()}.txt",
    } | fields


def _plan(*tasks: dict[str, Any], sync_points: Sequence[dict[str, Any]] = ()) -> Rule:
    reply = says(
        "",
        call("write_document", name="requirements", content=_REQUIREMENTS),
        call("write_document", name="design", content=_DESIGN),
        call("submit_plan", title="Words", tasks=list(tasks), sync_points=list(sync_points)),
    )
    return rule(reply, model="strong", offers="submit_plan")


def _works(name: str, *replies: ScriptedReply, **conditions: Any) -> Rule:
    first = [f"{name}-built", *conditions.pop("first", [])]
    return rule(*replies, model="weak", offers="hand_in", first=first, **conditions)


def _writes(name: str, word: str) -> ScriptedCall:
    return call("write_file", path=f"{name.lower()}.txt", content=f"{word}\n")


def _reads(name: str) -> ScriptedCall:
    return call("read_file", path=f"{name.lower()}.txt")


def _hands_in(name: str) -> ScriptedCall:
    return call("hand_in", summary=f"{name} is built")


def epic() -> list[Rule]:
    """T1 fails its check once; T2 runs a command that deletes a file, and asks; T3 needs both and is reviewed."""
    return [
        _plan(
            _task("T1"),
            _task("T2", files=["t2.txt", "README.md"]),
            _task("T3", needs=("T1", "T2"), critical=True),
        ),
        always(
            says("", call("review", verdict="approve", reasons=[])),
            model="strong",
            offers="review",
        ),
        always(says("Write the word."), model="strong", lacks=["submit_plan", "review"]),
        _works(
            "T1",
            says("", _reads("T1"), _writes("T1", "T1-built"), _hands_in("T1")),
            first=["Earlier attempts at this task"],
        ),
        _works("T1", says("", _writes("T1", "wrong"), _hands_in("T1"))),
        _works(
            "T2",
            says("", call("ask_supervisor", question="Which word?"), _writes("T2", "draft")),
            says(
                "",
                call(
                    "run_command",
                    command="sed -i s/draft/T2-built/ t2.txt && echo once >> t2.txt && rm README.md && touch more.txt",
                ),
            ),
            says("", _hands_in("T2")),
        ),
        _works("T3", says("", _writes("T3", "T3-built")), says("", _hands_in("T3"))),
    ]


def short_epic() -> list[Rule]:
    """Two tasks, the second after the first: short enough to be killed often."""
    return [
        _plan(_task("T1"), _task("T2", needs=("T1",))),
        always(says("Go on."), model="strong", lacks=["submit_plan", "review"]),
        _works("T1", says("", _writes("T1", "T1-built")), says("", _hands_in("T1"))),
        _works("T2", says("", _writes("T2", "T2-built"), _hands_in("T2"))),
    ]


def overtaken() -> list[Rule]:
    """T2 has landed, so that T3 is at work, before T1's first attempt ends without a hand-in: T1's next attempt starts
    from both. T3 writes nothing before that.
    """
    landed = Barrier(name="T2 has landed", parties=2)
    again = Barrier(name="T1 has begun again", parties=2)
    writes_again = says("", _reads("T1"), _writes("T1", "T1-built"), _hands_in("T1"), barrier=again)
    return [
        _plan(_task("T1"), _task("T2"), _task("T3", needs=("T2",))),
        _works("T1", writes_again, first=["Earlier attempts"]),
        _works("T1", says("", _writes("T1", "wrong")), says("It is done.", barrier=landed), says("Really.")),
        _works("T2", says("", _writes("T2", "T2-built"), _hands_in("T2"))),
        _works("T3", says("", _reads("T3"), barrier=landed)).model_copy(update={"times": 1}),
        _works("T3", says("", _reads("T3")), says("", _writes("T3", "T3-built"), _hands_in("T3"), barrier=again)),
    ]


def reviewed() -> list[Rule]:
    """One task whose reviewer looks into a file before it says yes."""
    return [
        _plan(_task("T1", critical=True)),
        rule(
            says("", _reads("T1")),
            says("", call("review", verdict="approve", reasons=[])),
            model="strong",
            offers="review",
        ),
        _works("T1", says("", _writes("T1", "T1-built"), _hands_in("T1"))),
    ]


def direct() -> list[Rule]:
    """One task without a plan."""
    return [rule(says("", _writes("T1", "T1-built")), says("", _hands_in("T1")), model="strong", offers="hand_in")]


def chat() -> list[Rule]:
    """A file written, changed by a command, and read; whatever a crash cut off is looked at and written again."""
    return [
        rule(
            says("", call("write_file", path="note.txt", content="one\n")),
            says("", call("run_command", command="printf 'two\\n' >> note.txt")),
            says("", call("read_file", path="note.txt")),
            says("The note is written."),
            model="strong",
        ),
    ]


_STEPS = 26


def crowded() -> list[Rule]:
    """A chat that grows past its window: old results go, then the middle of it, for which a summary is written. Rules
    go by the last message, because the number of answers in a request falls when the middle is dropped.
    """
    rules = [
        always(says("The work is about numbers; all that was printed so far is as it should be."), system=_SUMMARY)
    ]
    for number in range(_STEPS):
        thought = f"Step {number} of many. " + "I look at the numbers one after the other. " * 12
        made = call("run_command", command=f"seq 1000 1500; echo step {number} done")
        last = "Count." if number == 0 else f"step {number - 1} done"
        rules.append(always(says(thought, made), model="strong", last=last))
    written = call("write_file", path="note.txt", content="counted\n")
    rules.append(always(says("", written), model="strong", last=f"step {_STEPS - 1} done"))
    rules.append(always(says("Counted."), model="strong", last="note.txt"))
    return rules


_SUMMARY = "You write the summary"


def red_together() -> list[Rule]:
    """Two tasks, each green alone, red together: whichever comes second has to say `both`."""

    def builds(name: str) -> list[Rule]:
        again = says("", _reads(name), _writes(name, f"{name}-built both"), _hands_in(name))
        return [
            _works(name, again, first=["Earlier attempts"]),
            _works(name, says("", _writes(name, f"{name}-built"), _hands_in(name))),
        ]

    advises = always(says("Say both."), model="strong", lacks=["submit_plan", "review"])
    return [_plan(_task("T1"), _task("T2")), advises, *builds("T1"), *builds("T2")]


RED_TOGETHER = "test ! -e t1.txt || test ! -e t2.txt || grep -q both t1.txt t2.txt"
"""The gate's own check: fails where both are and neither says so."""

_STUB = "# t1.py\ndef total(prices: list[int]) -> int: ...\n"
_CODE = "def total(prices: list[int]) -> int:\n    return sum(prices)  # T1-built\n"


def promised() -> list[Rule]:
    """T2 starts as soon as T1 has published the contract that it needs, and T1 is held to it."""
    point = {"id": "S1", "producer": "T1", "consumers": ["T2"], "type": "contracts"}
    python: dict[str, Any] = {"files": ["t1.py"], "check": "grep T1-built t1.py"}
    return [
        _plan(_task("T1", **python), _task("T2", needs=("T1",)), sync_points=[point]),
        always(says("", call("review", verdict="approve", reasons=[])), model="strong", offers="review"),
        _works(
            "T1",
            says("", call("publish_artifact", sync_point="S1", content=_STUB)),
            says("", call("write_file", path="t1.py", content=_CODE)),
            says("", _hands_in("T1")),
        ),
        _works(
            "T2",
            says("", call("read_artifact", sync_point="S1")),
            says("", _writes("T2", "T2-built")),
            says("", _hands_in("T2")),
        ),
    ]


SHARED = {"names.py": "NAMES = [\n    'first',\n]\n", "line.txt": "words:\n"}


def clashing(path: str) -> list[Rule]:
    """Two tasks change the same place of `path` at the same time; the supervisor merges what structure cannot."""

    def builds(name: str, **reply: Any) -> Rule:
        word = f"{name}-built"
        old, new = ("]", f"    '{word}',\n]") if path.endswith(".py") else ("words:", f"words: {word}")
        edit = call("edit_file", path=path, old_text=old, new_text=new)
        look = call("read_file", path=path)
        return _works(name, says("", look, edit, _writes(name, word)), ScriptedReply(calls=(_hands_in(name),), **reply))

    checks = {name: f"grep {name}-built {name.lower()}.txt && grep {name}-built {path}" for name in ("T1", "T2")}
    return [
        _plan(*(_task(name, files=[], check=check) for name, check in checks.items())),
        always(says("", call("review", verdict="approve", reasons=[])), model="strong", offers="review"),
        rule(
            says("", call("read_file", path=path)),
            says("", call("write_file", path=path, content=BOTH)),
            says("", call("hand_in", summary="kept both words")),
            model="strong",
            offers="hand_in",
        ),
        builds("T1", delay=1),
        builds("T2"),
    ]


BOTH = "words: T1-built T2-built\n"


def at_work() -> list[Rule]:
    """Two workers that have written their files and hang in the next call; asked again, they hand in."""
    hangs = ScriptedReply(text="I look at it again. " * 3, cut_after=3, hang=True)
    rules = [_plan(_task("T1"), _task("T2"))]
    for name in ("T1", "T2"):
        writes = says("", _writes(name, f"{name}-built"))
        rules += [
            _works(name, writes, hangs).model_copy(update={"times": 2}),
            _works(name, writes, says("", _hands_in(name))),
        ]
    return rules
