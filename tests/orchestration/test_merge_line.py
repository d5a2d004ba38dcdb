"""Two hand-ins at once: the second is made, and checked, on top of the first, and lands only on what it was made on."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, CommitId, TaskId
from equitr_coder.domain.run_view import RunView
from equitr_coder.orchestration import merge_queue
from equitr_coder.orchestration.merge_line import MergeLine
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from tests.orchestration.histories import Entry, History
from tests.orchestration.test_merge_scenarios import BRANCH, ONE, TWO, Fuse, Part, Scene

FIRST, SECOND, BOTH = "first.txt", "second.txt", "first.txt second.txt"


@dataclass
class Played:
    scene: Scene
    view: RunView
    refusals: dict[TaskId, SentBack | None]
    checked: list[str]
    """What stood in each tree that was checked, in the order in which the checks ended."""

    @property
    def landed(self) -> str:
        return " ".join(self.scene.git("ls-tree", "--name-only", f"refs/heads/{BRANCH}").split()[1:])

    def assert_proven(self, *tasks: TaskId) -> None:
        for name in tasks:
            task = self.view.tasks[name]
            assert task.state is TaskState.DONE
            assert task.receipt is not None
            tree = self.scene.git("rev-parse", f"{task.commit}^{{tree}}")
            assert task.receipt.commit == task.commit
            assert {task.receipt.tree, *(check.tree for check in task.receipt.checks)} == {tree}


def _play(folder: Path, *, first: str, second: str = "true", both: str = "true") -> Played:
    """The check is these words of a shell, by what stands in the tree; they find a pipe as `$PIPE`."""
    pipe, log = folder / "pipe", folder / "log"
    os.mkfifo(pipe)
    words = {FIRST: first, SECOND: second, BOTH: both}
    cases = " ".join(f'"{there}") {do} ;;' for there, do in words.items())
    check = (
        f"PIPE={pipe}; there=$(ls *.txt | xargs); "
        f'case "$there" in {cases} *) false ;; esac; code=$?; echo "$there" >> {log}; exit $code'
    )
    history = History(
        "at once",
        base={"README.md": Entry(b"words\n")},
        first={FIRST: Entry(b"1\n")},
        second={SECOND: Entry(b"2\n")},
        check=check,
    )
    return asyncio.run(_at_once(Scene(folder / "scene", history, gate_slots=2), log, pipe))


async def _at_once(scene: Scene, log: Path, pipe: Path) -> Played:
    async with scene.process(Fuse()) as part:
        await part.queue.recover()

        async def merge(task: TaskId, commit: CommitId) -> SentBack | None:
            return await _merge(scene, part, task, commit)

        async with asyncio.TaskGroup() as group:
            one = group.create_task(merge(ONE, scene.first))
            two = group.create_task(merge(TWO, scene.second))
            await two
            if not one.done():  # it waits for a word that nobody has said
                await asyncio.to_thread(pipe.write_text, "go\n")
        return Played(scene, part.hub.view, {ONE: one.result(), TWO: two.result()}, log.read_text().splitlines())


async def _merge(scene: Scene, part: Part, task: TaskId, commit: CommitId) -> SentBack | None:
    return await part.queue.merge(HandIn(scene.plan.task(task), 1, AgentName("worker"), commit, scene.base, "done"))


def test_each_is_checked_once_and_on_what_it_lands_as(tmp_path: Path) -> None:
    played = _play(tmp_path, first="cat $PIPE", both="echo go > $PIPE")

    assert played.refusals == {ONE: None, TWO: None}
    assert sorted(played.checked) == [FIRST, BOTH]
    assert played.landed == BOTH
    played.assert_proven(ONE, TWO)
    assert played.scene.git("rev-list", "--first-parent", f"{played.scene.base}..{BRANCH}").split() == [
        played.view.tasks[TWO].commit,
        played.view.tasks[ONE].commit,
    ]


@pytest.mark.parametrize("both", ["echo go > $PIPE", "echo go > $PIPE; false"], ids=["green", "red"])
def test_what_was_shown_on_top_of_a_hand_in_that_is_red_counts_for_nothing(both: str, tmp_path: Path) -> None:
    played = _play(tmp_path, first="cat $PIPE; false", both=both)

    refusal = played.refusals[ONE]
    assert refusal is not None
    assert refusal.reason is StopReason.CHECK_FAILED
    assert played.refusals[TWO] is None
    assert sorted(played.checked) == [FIRST, BOTH, SECOND]
    assert played.landed == SECOND
    played.assert_proven(TWO)


def test_red_on_top_of_what_has_landed_is_red(tmp_path: Path) -> None:
    played = _play(tmp_path, first="cat $PIPE", second="false", both="echo go > $PIPE; false")

    assert played.refusals[ONE] is None
    refusal = played.refusals[TWO]
    assert refusal is not None
    assert refusal.reason is StopReason.CHECK_FAILED
    assert played.landed == FIRST
    played.assert_proven(ONE)


def test_one_whose_check_takes_long_is_overtaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_queue, "_PATIENCE", 0.01)
    played = _play(tmp_path, first="cat $PIPE")

    assert played.refusals == {ONE: None, TWO: None}
    assert played.landed == BOTH
    assert played.checked == [BOTH, SECOND, FIRST]
    played.assert_proven(ONE, TWO)
    assert played.scene.git("rev-list", "--first-parent", f"{played.scene.base}..{BRANCH}").split() == [
        played.view.tasks[ONE].commit,
        played.view.tasks[TWO].commit,
    ]


def test_nobody_is_made_on_top_of_who_left_or_of_who_stood_behind() -> None:
    async def stand() -> None:
        line = MergeLine[str]()
        first, second, third = (line.join(name) for name in ("first", "second", "third"))
        line.landed(first)
        line.leave(second)
        assert line.last is None
        line.leave(first)  # it has landed, and goes on to have landed
        assert [await place.is_next(0) for place in (first, second, third)] == [True, True, False]
        fourth = line.join("fourth")
        assert fourth.before is None
        line.landed(None)  # somebody else, whom it was not made on
        assert line.last is None

    asyncio.run(stand())
