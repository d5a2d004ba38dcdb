import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from equitr_coder.adapters.local.clock import SystemClock
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain import events as e
from equitr_coder.domain.conflicts import Conflict, ConflictStage, ConflictState
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.orchestration.conflict_log import ConflictLog, ended_with, landed_since, standing_commit
from equitr_coder.session.hub import Hub

ONE, TWO = TaskId("T1"), TaskId("T2")
BASE, OURS, THEIRS, MADE = (CommitId(letter * 40) for letter in "abcd")


def clash(stage: ConflictStage = ConflictStage.MERGE, *paths: str) -> Conflict:
    return Conflict(
        id=RequestId(""), stage=stage, tasks=(TWO, ONE), paths=paths or ("a.py",), ours=OURS, theirs=THEIRS, attempt=1
    )


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    store = SqliteStore(tmp_path)
    run = RunId("run-1")
    await store.create_run(run, "/repo", with_epic=True)
    made = Hub(run=run, store=store, clock=SystemClock())
    plan = Plan(title="two", tasks=(Task(id=ONE, title="one"), Task(id=TWO, title="two")))
    await made.record(
        e.PlanApproved(plan=plan, by="direct", branch="b", base=BASE, commit=BASE),
        e.TaskChanged(task=ONE, state=TaskState.DONE, attempt=1),
        e.MergeLanded(task=ONE, target="b", old=BASE, commit=OURS),
        e.TaskChanged(task=TWO, state=TaskState.REVIEW, attempt=1, commit=THEIRS, tree=TreeId("t")),
    )
    yield made
    await store.close()


async def test_conflicts_found_at_the_same_moment_get_numbers_of_their_own(hub: Hub) -> None:
    log = ConflictLog(hub)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(log.open(clash(ConflictStage.CHECK, f"{number}.py")))

    assert sorted(hub.view.conflicts) == ["C1", "C2", "C3", "C4", "C5"]
    assert {found.conflict.paths for found in hub.view.conflicts.values()} == {(f"{n}.py",) for n in range(5)}


async def test_what_was_foreseen_and_comes_true_keeps_its_number(hub: Hub) -> None:
    log = ConflictLog(hub)
    await log.open(clash(ConflictStage.FORECAST))

    await log.open(clash(ConflictStage.MERGE, "other.py"))
    found = await log.open(clash(ConflictStage.MERGE, "a.py", "b.py"))

    assert found.conflict.id == "C1"
    assert [one.conflict.stage.value for one in hub.view.conflicts.values()] == ["merge", "merge"]


async def test_a_resolution_takes_the_place_of_what_was_handed_in(hub: Hub) -> None:
    await ConflictLog(hub).open(clash())
    assert standing_commit(hub.view, TWO, 1, THEIRS) == THEIRS

    await hub.record(
        e.ConflictChanged(conflict=RequestId("C1"), state=ConflictState.PROPOSED, tree=TreeId("t"), commit=MADE)
    )
    assert standing_commit(hub.view, TWO, 1, THEIRS) == MADE

    await hub.record(e.ConflictChanged(conflict=RequestId("C1"), state=ConflictState.OPEN))
    assert standing_commit(hub.view, TWO, 1, THEIRS) == THEIRS

    await hub.record(e.ConflictResolved(conflict=RequestId("C1"), how="user", commit=MADE))
    assert standing_commit(hub.view, TWO, 1, THEIRS) == MADE
    assert standing_commit(hub.view, TWO, 2, OURS) == OURS, "another attempt has its own"


async def test_a_landing_settles_what_is_open(hub: Hub) -> None:
    log = ConflictLog(hub)
    await log.open(clash())
    await log.open(clash(ConflictStage.FORECAST, "b.py"))

    settled = ended_with(hub.view, TWO, MADE)
    failed = ended_with(hub.view, TWO, None)

    assert {(event.conflict, event.how) for event in settled} == {("C1", "worker"), ("C2", "worker")}
    assert ("C1", "aborted") in {(event.conflict, event.how) for event in failed}
    assert [landing.task for landing in landed_since(hub.view, BASE)] == [ONE]
    assert landed_since(hub.view, OURS) == []


async def test_the_session_that_merges_leaves_the_tasks_own_tree_alone(hub: Hub) -> None:
    await hub.record(
        e.ToolReturned(
            session=SessionId("merge.T2.C1"),
            agent=AgentName("supervisor"),
            task=TWO,
            call=CallId("c"),
            name="edit_file",
            text="Edited.",
            tree=TreeId("merged"),
        )
    )
    assert hub.view.tasks[TWO].tree == "t"
    assert hub.view.sessions[SessionId("merge.T2.C1")].tree == "merged"
