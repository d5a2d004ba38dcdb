import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from equitr_coder.app.door import open_api
from equitr_coder.app.overrides import Overrides
from equitr_coder.domain.commands import AssignTasks, ResolveConflict, StartRun
from equitr_coder.domain.conflicts import ConflictState
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import ConflictChanged, ModelCallFailed, RunFinished, RunPaused, TaskChanged
from equitr_coder.domain.ids import CommitId, RequestId, TaskId
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import Repository
from equitr_coder.testing.script import ScriptedError, ScriptedReply, call
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, file_of, gate, hands_in, held, plans, task, word_of, worker, writes
from tests.e2e.test_conflicts import BOTH, LIST, NAMES, clash, edits, merges, reviews

MANUAL = {"collaboration": {"conflict_resolution": {"mode": "manual"}}, "orchestrator": {"max_workers": 3}}
START = StartRun(kind=RunKind.EPIC, request="build words", plan=PlanMode.ALWAYS, yes=True, multi_agent=True)


def overrides(user: Stage) -> Overrides:
    return Overrides(repo=user.repo, environ=user.environ, home=user.equitr_home)


async def test_a_conflict_that_is_settled_while_the_run_is_at_work_goes_on_at_once(stage: OpenStage) -> None:
    slow = ScriptedReply(calls=(writes(file_of("T3"), "T3-built\n"), hands_in()), barrier=held("t3"))
    user = stage(
        [
            plans(*(task(name, files=[], check="grep built list.txt") for name in NAMES), task("T3")),
            *(edits(name, "list.txt", "4", word_of(name)) for name in NAMES),
            worker("T3", slow),
            gate("t3"),
        ],
        config=MANUAL,
    )
    user.commit({"list.txt": LIST})
    landed: list[str] = []

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        async for event in api.events(run):
            if isinstance(event, ConflictChanged) and event.state is ConflictState.ESCALATED:
                await api.submit(ResolveConflict(run=run, conflict=event.conflict, take="theirs"))
            if isinstance(event, TaskChanged) and event.state is TaskState.DONE:
                landed.append(event.task)
                if len(landed) == 2:
                    await asyncio.to_thread(user.open_gate, "t3")
            if isinstance(event, RunFinished):
                assert event.state is RunState.COMPLETED

    assert (sorted(landed[:2]), landed[2:]) == (["T1", "T2"], ["T3"])


async def test_a_conflict_does_not_cover_what_has_stopped_the_run(stage: OpenStage) -> None:
    read = ScriptedReply(calls=(call("read_file", path="list.txt"),))
    user = stage(
        [
            plans(
                *(task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in NAMES),
                task("T3"),
                task("T4"),
            ),
            *(
                worker(
                    name,
                    read,
                    ScriptedReply(
                        calls=(
                            call("edit_file", path="list.txt", old_text="4", new_text=word_of(name)),
                            hands_in(),
                        ),
                        barrier=held(name),
                    ),
                )
                for name in NAMES
            ),
            *(gate(name) for name in (*NAMES, "T3")),
            worker("T3", ScriptedReply(error=ScriptedError(status=401), barrier=held("T3"))),
            builds("T4"),
        ],
        config=MANUAL,
    )
    user.commit({"list.txt": LIST})

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        await asyncio.to_thread(user.wait_for, "weak", contains="bottom", count=2)
        await asyncio.to_thread(user.open_gate, "T3")
        async for event in api.events(run):
            if isinstance(event, ModelCallFailed):
                for name in NAMES:
                    await asyncio.to_thread(user.open_gate, name)
            if isinstance(event, RunPaused):
                assert event.reason is StopReason.MODEL_ERROR
        view = await api.view(run)

    assert view.conflicts
    assert view.tasks[TaskId("T4")].state is TaskState.WAITING


async def test_a_word_on_a_conflict_reads_what_another_process_has_done_since(stage: OpenStage) -> None:
    user = stage(
        [
            plans(*(task(name, files=[], check="grep built list.txt") for name in NAMES)),
            *(edits(name, "list.txt", "4", word_of(name)) for name in NAMES),
        ],
        config=MANUAL,
    )
    user.commit({"list.txt": LIST})

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        async for _ in api.events(run):
            pass
        view = await api.view(run)
        known, waiting = view.seq, view.conflicts[RequestId("C1")].conflict.tasks[0]
        other = await asyncio.to_thread(user.run, "conflict", "resolve", "C1", "--theirs")

        with pytest.raises(UserError, match="C1 is settled already"):
            await api.submit(ResolveConflict(run=run, conflict=RequestId("C1"), take="ours"))
        await api.submit(AssignTasks(run=run, task=waiting, to="worker"))
        assert (await api.view(run)).seq > known + 1

    assert other.code == 0, other.brief


class Late:
    """The real repository; the commit that merges T2 is named only after T1 has landed."""

    def __init__(self, real: Repository, landed: asyncio.Event) -> None:
        self._real = real
        self._landed = landed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def move_ref(self, ref: str, new: CommitId, old: CommitId | None) -> bool:
        if "T2.1-merged-" in ref:
            with suppress(TimeoutError):  # T1 may stand behind T2 in the line, and then there is nothing to wait for
                await asyncio.wait_for(self._landed.wait(), 5)
        return await self._real.move_ref(ref, new, old)


async def test_a_merge_is_not_held_to_what_landed_after_it_was_made(stage: OpenStage) -> None:
    user = stage(clash(merges("list.txt", BOTH), reviews("approve")))
    user.commit({"list.txt": LIST})
    landed = asyncio.Event()
    wrapped = replace(overrides(user), wrap_repository=lambda part: cast("Repository", Late(part, landed)))

    async with open_api(wrapped) as api:
        run = await api.submit(START)
        async for event in api.events(run):
            if isinstance(event, TaskChanged) and event.task == "T1" and event.state is TaskState.DONE:
                landed.set()
        view = await api.view(run)

    assert view.state is RunState.COMPLETED
    assert view.tasks[TaskId("T2")].attempt == 1, "its merge was made before T1 landed, and is made anew"
    assert user.read("list.txt") == BOTH
