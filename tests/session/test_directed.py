"""What a person says of one worker, and of the money, while the run is at work: through the real door."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from equitr_coder.app.door import open_api
from equitr_coder.app.overrides import Overrides
from equitr_coder.domain.commands import HoldTask, RaiseBudget, ReleaseTask, ResumeRun, StartRun, StopTask
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.events import BudgetRaised, Event, RunFinished, RunPaused, TaskChanged
from equitr_coder.domain.ids import RunId, TaskId
from equitr_coder.domain.run_view import HELD
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import RunApi
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import Rule, ScriptedReply
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, file_of, gate, hands_in, held, plans, task, worker, writes

START = StartRun(kind=RunKind.EPIC, request="build words", plan=PlanMode.ALWAYS, yes=True, multi_agent=True)
T1, T2, T3 = TaskId("T1"), TaskId("T2"), TaskId("T3")


def overrides(user: Stage) -> Overrides:
    return Overrides(repo=user.repo, environ=user.environ, home=user.equitr_home)


def slow(name: str) -> Rule:
    """Its worker writes its file, and hands in once the gate is open; asked again it goes on from there."""
    first = ScriptedReply(calls=(writes(file_of(name), f"{name}-built\n"),))
    return worker(name, first, ScriptedReply(calls=(hands_in(),), barrier=held(name.lower())))


def script() -> list[Rule]:
    """T1 is slow, T3 needs it; T2 is quick."""
    return [
        plans(task("T1"), task("T2"), task("T3", needs=("T1",))),
        slow("T1"),
        builds("T2"),
        builds("T3"),
        gate("t1"),
    ]


async def until(api: RunApi, run: RunId, found: Callable[[Event], bool], *, after: int = 0) -> Event:
    async for item in api.events(run, after=after):
        assert not isinstance(item, RunFinished) or found(item), item
        if found(item):  # type: ignore[arg-type] # no deltas were asked for
            return item  # type: ignore[return-value]
    raise AssertionError("the run has ended before")


def is_written(event: Event) -> bool:
    return event.type == "tool_returned" and event.name == "write_file" and event.task == T1


async def log(api: RunApi, run: RunId) -> list[Event]:
    events = [item async for item in api.events(run)]
    assert_well_formed(events)  # type: ignore[arg-type]
    return events  # type: ignore[return-value]


async def test_a_task_that_is_held_waits_for_its_person_and_goes_on_where_it_was(stage: OpenStage) -> None:
    user = stage([*script()[:1], slow("T1"), slow("T1"), *script()[2:]])

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        await until(api, run, is_written)
        await api.submit(HoldTask(run=run, task=T1))
        held_view = (await api.view(run)).tasks[T1]
        assert (held_view.state, held_view.waits) == (TaskState.WORKING, HELD)
        with pytest.raises(UserError, match="held already"):
            await api.submit(HoldTask(run=run, task=T1))
        await until(api, run, lambda e: isinstance(e, TaskChanged) and e.task == T2 and e.state is TaskState.DONE)
        assert (await api.view(run)).state is RunState.RUNNING  # nobody else is at work, and it still waits
        with pytest.raises(UserError, match="done already"):
            await api.submit(StopTask(run=run, task=T2))
        with pytest.raises(UserError, match="no task T9"):
            await api.submit(HoldTask(run=run, task=TaskId("T9")))
        with pytest.raises(UserError, match="not held"):
            await api.submit(ReleaseTask(run=run, task=T3))

        await api.submit(ReleaseTask(run=run, task=T1))
        await asyncio.to_thread(user.open_gate, "t1")
        events = await log(api, run)

    assert isinstance(events[-1], RunFinished)
    assert events[-1].state is RunState.COMPLETED
    assert [e.attempt for e in events if isinstance(e, TaskChanged) and e.task == T1 and e.attempt] == [1, 1, 1]
    writes_of_t1 = [e for e in events if is_written(e)]
    assert len(writes_of_t1) == 1


async def test_what_is_held_when_a_run_pauses_is_held_in_the_next_process_and_let_go_while_nobody_drives_it(
    stage: OpenStage,
) -> None:
    user = stage([*script()[:1], slow("T1"), slow("T1"), *script()[2:]])
    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        await until(api, run, is_written)
        await api.submit(HoldTask(run=run, task=T1))

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        await api.submit(ResumeRun(run=run, yes=True))
        paused = (await log(api, run))[-1]
        left = {name: (one.state, one.is_held) for name, one in (await api.view(run)).tasks.items()}
        with pytest.raises(UserError, match="held already"):
            await api.submit(HoldTask(run=run, task=T1))
        await api.submit(HoldTask(run=run, task=T3))
        both = (await api.view(run)).detail
        for name in (T3, T1):
            await api.submit(ReleaseTask(run=run, task=name))
        now = await api.view(run)
        await api.submit(ResumeRun(run=run, yes=True))
        await asyncio.to_thread(user.open_gate, "t1")
        events = await log(api, run)

    assert isinstance(paused, RunPaused)
    assert (paused.reason, paused.detail) == (StopReason.HELD, "T1 is held by you, and nothing else can go on")
    assert left == {T1: (TaskState.WORKING, True), T2: (TaskState.DONE, False), T3: (TaskState.WAITING, False)}
    assert both == "T1, T3 are held by you, and nothing else can go on"
    assert (now.state, now.reason, now.hint) == (
        RunState.PAUSED,
        StopReason.INTERRUPTED,
        f"equitrcoder resume {now.epic}",
    )
    assert isinstance(events[-1], RunFinished)
    assert events[-1].state is RunState.COMPLETED
    assert len([e for e in events if is_written(e)]) == 1


async def test_what_was_held_before_is_let_go_while_the_run_is_at_work(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), slow("T1"), slow("T1"), slow("T2"), slow("T2"), gate("t1"), gate("t2")]
    )
    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        await until(api, run, is_written)
        await api.submit(HoldTask(run=run, task=T1))

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        at = (await api.view(run)).seq
        await api.submit(ResumeRun(run=run, yes=True))
        await until(api, run, lambda e: e.type == "model_call_reserved" and e.task == T2, after=at)
        await api.submit(ReleaseTask(run=run, task=T1))
        for name in ("t1", "t2"):
            await asyncio.to_thread(user.open_gate, name)
        events = await log(api, run)

    assert isinstance(events[-1], RunFinished)
    assert events[-1].state is RunState.COMPLETED


async def test_a_task_that_is_stopped_blocks_what_needs_it_and_a_resume_tries_it_again(stage: OpenStage) -> None:
    user = stage([*script(), slow("T1")])

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        await until(api, run, is_written)
        await api.submit(StopTask(run=run, task=T1))
        events = await log(api, run)
        view = await api.view(run)
        assert isinstance(events[-1], RunFinished)
        assert (events[-1].state, events[-1].reason) == (RunState.FAILED, StopReason.CANCELLED)
        assert {name: one.state for name, one in view.tasks.items()} == {
            T1: TaskState.CANCELLED,
            T2: TaskState.DONE,
            T3: TaskState.BLOCKED,
        }

        await api.submit(ResumeRun(run=run, yes=True))
        await until(
            api, run, lambda e: isinstance(e, TaskChanged) and e.task == T1 and e.attempt == 2, after=events[-1].seq
        )
        await asyncio.to_thread(user.open_gate, "t1")
        events = await log(api, run)

    assert isinstance(events[-1], RunFinished)
    assert events[-1].state is RunState.COMPLETED


async def test_the_budget_of_a_run_at_work_is_raised_for_its_next_calls(stage: OpenStage) -> None:
    user = stage(script(), config={"llm": {"budget": 0.5}})

    async with asyncio.timeout(60), open_api(overrides(user)) as api:
        run = await api.submit(START)
        await until(api, run, is_written)
        with pytest.raises(UserError, match="already"):
            await api.submit(RaiseBudget(run=run, budget=Decimal("0.5")))
        await api.submit(RaiseBudget(run=run, budget=Decimal("2")))
        assert (await api.view(run)).options.budget == Decimal(2)
        await asyncio.to_thread(user.open_gate, "t1")
        events = await log(api, run)

    assert [e.limit for e in events if isinstance(e, BudgetRaised)] == [Decimal(2)]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].state is RunState.COMPLETED
