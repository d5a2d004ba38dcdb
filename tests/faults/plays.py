"""The plays that are killed, each with its command and with what has to hold on every branch at every moment."""

from collections.abc import Mapping

from tests.faults import scenes
from tests.faults.victim import Play

PLANNED = ("chat", "-M", "--plan", "always", "--yes", scenes.REQUEST)


def _is_green_together(files: Mapping[str, str]) -> bool:
    return len(files) < 2 or any("both" in text for text in files.values())


def _words(*names: str) -> Mapping[str, str]:
    return {f"{name.lower()}.txt": f"{name}-built" for name in names}


SHORT = Play(tuple(scenes.short_epic()), PLANNED, _words("T1", "T2"))
EPIC = Play(tuple(scenes.epic()), PLANNED, _words("T1", "T2", "T3"))
TOGETHER = Play(
    tuple(scenes.red_together()),
    PLANNED,
    _words("T1", "T2"),
    is_green=_is_green_together,
    config={"checks": {"gate": [scenes.RED_TOGETHER]}},
)
OVERTAKEN = Play(tuple(scenes.overtaken()), PLANNED, _words("T1", "T2", "T3"))
REVIEWED = Play(tuple(scenes.reviewed()), PLANNED, _words("T1"))
AT_WORK = Play(tuple(scenes.at_work()), PLANNED, _words("T1", "T2"))
APPROVED = Play(
    tuple(scenes.short_epic()),
    ("epic", "create", scenes.REQUEST),
    _words("T1", "T2"),
    go_on=("epic", "run", "EPIC", "--yes"),
    pauses=True,
)
"""The plan waits for its approval, in one process, and is approved in another."""
PROMISED = Play(tuple(scenes.promised()), PLANNED, {"t1.py": "T1-built", "t2.txt": "T2-built"})
DIRECT = Play(
    tuple(scenes.direct()),
    ("loop", "--check", "test -e t1.txt", "Write the word T1-built."),
)
CROWDED = Play(
    tuple(scenes.crowded()),
    ("chat", "--yes", "Count."),
    config={
        "llm": {
            "max_tokens": 1000,
            "context_window": 13_000,
        },
        "orchestrator": {"max_iterations": 60},
    },
)
CHAT = Play(tuple(scenes.chat()), ("chat", "--yes", "Write a note."))


def _clashing(path: str, mode: str) -> Play:
    return Play(
        tuple(scenes.clashing(path)),
        PLANNED,
        _words("T1", "T2"),
        config={"collaboration": {"conflict_resolution": {"mode": mode}}},
        base=scenes.SHARED,
    )


STRUCTURAL = _clashing("names.py", "auto_merge")
PROPOSED = _clashing("line.txt", "merge_review")
BY_HAND = _clashing("line.txt", "manual")
