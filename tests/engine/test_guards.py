import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.events import ContextCompacted, Event
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import AssistantMessage, ToolCall, ToolMessage, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.engine.guards import NoProgress
from equitr_coder.engine.progress import standstill

SESSION = SessionId("s")


@dataclass
class Log:
    """The view of a session that is played step by step."""

    view: RunView = field(default_factory=lambda: RunView(RunId("r")))

    def __post_init__(self) -> None:
        self.session = SessionView(SESSION, AgentName("a"), None, messages=[UserMessage(text="go")])
        self.view.sessions[SESSION] = self.session

    async def record(self, *events: Event) -> None:
        raise AssertionError("a guard records nothing")

    def note(self, *events: Event) -> None:
        raise AssertionError("a guard records nothing")

    async def flush(self) -> None:
        raise AssertionError("a guard records nothing")

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        raise AssertionError("a guard shows nothing")

    def step(self, *calls: tuple[str, str], tree: str | None = None, seen: str | None = None) -> None:
        """An answer with these calls, each a name and its result."""
        number = self.session.calls_made
        made = [ToolCall(id=CallId(f"c{number}.{i}"), name=name, arguments="{}") for i, (name, _) in enumerate(calls)]
        self.session.messages.append(AssistantMessage(text="so", calls=tuple(made)))
        self.session.calls_made += 1
        self.session.tree = TreeId(tree) if tree is not None else self.session.tree
        if seen is not None:
            self.session.seen["a.py"] = seen
        for call, (name, text) in zip(made, calls, strict=True):
            self.session.messages.append(ToolMessage(call=call.id, name=name, text=text))
            self.session.files.append(hash((self.session.tree, frozenset(self.session.seen.items()))))

    def compact(self) -> None:
        """All that was said so far is dropped."""
        done = ContextCompacted(
            session=SESSION,
            agent=AgentName("a"),
            upto=len(self.session.messages),
            text="...",
            why="window",
            limit=1,
            tokens_before=1,
            tokens_after=1,
        )
        self.session.compacted.append(done)


def played(steps: Sequence[dict[str, Any]], *, guard_from: int = 0) -> tuple[int, str] | None:
    """After how many steps the guard stops, and its words; None when it does not."""
    log = Log()
    guard = NoProgress(log, SESSION)
    for number, step in enumerate(steps):
        if number >= guard_from:
            try:
                guard.check(log.session.calls_made)
            except RunStopped as stopped:
                return number, str(stopped) if stopped.reason is StopReason.NO_PROGRESS else stopped.reason
        log.step(*step["calls"], tree=step.get("tree"), seen=step.get("seen"))
    return None


def circle(*names: str, rounds: int = 20) -> list[dict[str, Any]]:
    return [{"calls": [(name, f"result of {name}")]} for _ in range(rounds) for name in names]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("read",), "the same call of read gave the same result 12 times in a row"),
        (("read", "list"), "the same 2 calls (read, list) gave the same results 6 times in a row"),
        (("read", "list", "search"), "the same 3 calls (read, list, search) gave the same results 4 times in a row"),
        (("read", "read", "list"), "the same 3 calls (read, list) gave the same results 4 times in a row"),
    ],
)
def test_a_circle_of_up_to_three_useless_steps_is_stopped_after_twelve(names: tuple[str, ...], words: str) -> None:
    assert played(circle(*names)) == (12, words)


def test_a_circle_that_begins_late_is_stopped_too() -> None:
    before = [{"calls": [("read", f"file {number}")]} for number in range(5)]

    stopped = played(before + circle("read", "list"))

    assert stopped is not None
    assert stopped[0] == 17


def test_a_longer_circle_is_stopped_when_nothing_new_came_for_twice_as_long() -> None:
    words = "the last 24 steps (a, b, c, d) brought nothing that had not been seen before"

    assert played(circle("a", "b", "c", "d")) == (4 + 24, words)


def test_going_over_the_same_things_in_no_order_is_no_progress() -> None:
    order = random.Random(3)
    steps = [{"calls": [(name, f"result of {name}")]} for name in order.choices("abcdefg", k=80)]

    stopped = played(steps)

    assert stopped is not None
    assert "brought nothing that had not been seen before" in stopped[1]


def test_one_new_result_in_between_is_progress() -> None:
    steps = circle("a", "b", "c", "d", rounds=20)
    for number in range(0, len(steps), 20):
        steps[number] = {"calls": [("read", f"page {number}")]}

    assert played(steps) is None


def test_reading_again_what_a_compaction_dropped_is_no_standstill() -> None:
    log = Log()
    for number in range(20):
        log.step(("read", f"file {number}"))
    for number in range(20):
        if number == 0:
            log.compact()
        log.step(("read", f"file {number}"))

    assert standstill(log.session) is None


def test_polling_whose_answer_changes_is_progress() -> None:
    steps = [{"calls": [step]} for number in range(20) for step in (("sleep", ""), ("status", f"{number} %"))]

    assert played(steps) is None


def test_reading_different_things_is_progress() -> None:
    assert played([{"calls": [("read", f"file {number}")]} for number in range(40)]) is None


@pytest.mark.parametrize("what", ["tree", "seen"])
def test_the_same_words_are_progress_while_files_change(what: str) -> None:
    steps = [{"calls": [("build", "ok")], what: f"{number:040}"} for number in range(40)]

    assert played(steps) is None


@pytest.mark.parametrize("what", ["tree", "seen"])
def test_changing_a_file_to_and_fro_is_no_progress(what: str) -> None:
    steps = [{"calls": [("edit", "Edited a.py.")], what: f"{number % 2:040}"} for number in range(40)]

    stopped = played(steps)

    assert stopped is not None
    assert stopped[0] <= 14


def test_an_answer_without_calls_breaks_the_circle() -> None:
    steps = circle("read", rounds=11)
    steps.append({"calls": []})
    steps += circle("read", rounds=11)

    assert played(steps) is None


def test_after_a_restart_the_circle_is_seen_again_within_its_length() -> None:
    stopped = played(circle("read", "list", rounds=30), guard_from=20)

    assert stopped is not None
    assert stopped[0] <= 20 + 12


def test_two_calls_in_one_answer_are_one_step() -> None:
    steps = [{"calls": [("read", "a"), ("list", "b")]} for _ in range(20)]

    assert played(steps) == (12, "the same call of read, list gave the same result 12 times in a row")


def test_plain_answers_are_no_circle() -> None:
    assert played([{"calls": []}] * 30) is None
