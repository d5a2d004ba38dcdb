"""Who begins when, with real places and a real log; a worker is a stand-in here that works and merges at the test's
word.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from equitr_coder.adapters.local.clock import SystemClock
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.events import Event, PlanApproved, RunStarted, TaskChanged
from equitr_coder.domain.ids import CommitId, RunId, TaskId
from equitr_coder.domain.run_view import HELD
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.orchestration.seats import Seats
from equitr_coder.orchestration.supervisor import Supervisor
from equitr_coder.orchestration.worker import TaskWorker
from equitr_coder.session.hub import Hub

RUN = RunId("run-1")
T1, T2, T3, T4 = (TaskId(f"T{number}") for number in range(1, 5))


def turns(task: TaskId, state: TaskState) -> TaskChanged:
    return TaskChanged(task=task, state=state, attempt=1)


class Desk:
    """A run of which this much is in the log already, with so many workers."""

    def __init__(self, folder: Path, plan: Plan, workers: int, *before: TaskChanged) -> None:
        self.store = SqliteStore(folder)
        self.hub = Hub(run=RUN, store=self.store, clock=SystemClock())
        self.plan = plan
        self.hub.note(
            RunStarted(kind=RunKind.EPIC, request="r", workspace="/w", options=RunOptions(max_workers=workers)),
            PlanApproved(plan=plan, by="user", branch="b", base=CommitId("b"), commit=CommitId("c")),
            *before,
        )
        self.seats = Seats(workers)
        self.supervisor = Supervisor(plan=plan, worker=cast("TaskWorker", self), events=self.hub, seats=self.seats)
        self.handed_in = {task.id: asyncio.Event() for task in plan.tasks}
        self.merged = {task.id: asyncio.Event() for task in plan.tasks}
        self.red: set[TaskId] = set()
        """What is sent back once."""

    async def work(self, task: Task) -> None:
        """As `TaskWorker.work` goes about its place."""
        view = self.hub.view.tasks[task.id]
        while view.state is not TaskState.DONE:
            if view.state is not TaskState.REVIEW:
                await self.seats.sit(task.id)
                if view.state is not TaskState.WORKING:
                    self.hub.note(turns(task.id, TaskState.WORKING))
                await self.handed_in[task.id].wait()
                self.hub.note(turns(task.id, TaskState.REVIEW))
            self.seats.leave(task.id)
            if not all(self.hub.view.tasks[need].state is TaskState.DONE for need in task.needs):
                return
            await self.merged[task.id].wait()
            is_red = task.id in self.red
            self.red.discard(task.id)
            await self.hub.record(turns(task.id, TaskState.READY if is_red else TaskState.DONE))

    async def until(self, found: Callable[[Event], bool]) -> None:
        async for item in self.hub.follow(after=0, deltas=False):
            if found(cast("Event", item)):
                return

    @property
    def at_work(self) -> set[TaskId]:
        return {task.id for task in self.hub.view.tasks.values() if task.state is TaskState.WORKING}

    def let_all_end(self) -> None:
        for event in (*self.handed_in.values(), *self.merged.values()):
            event.set()


def is_change(task: TaskId, state: TaskState) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, TaskChanged) and (event.task, event.state) == (task, state)


def plan_of(*tasks: TaskId, **needs: tuple[TaskId, ...]) -> Plan:
    return Plan(title="p", tasks=tuple(Task(id=task, title=task, needs=needs.get(task, ())) for task in tasks))


async def test_a_task_that_is_held_in_the_moment_it_begins_can_be_let_go_on(tmp_path: Path) -> None:
    for steps in range(1, 7):
        desk = Desk(tmp_path / str(steps), plan_of(T1), 1)

        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(desk.supervisor.run())
            for _ in range(steps):
                await asyncio.sleep(0)
            await desk.supervisor.hold(T1)
            desk.let_all_end()
            await desk.supervisor.release(T1)
            await running

        assert desk.hub.view.tasks[T1].state is TaskState.DONE, steps


async def test_a_resume_begins_tasks_while_what_was_handed_in_before_is_checked(tmp_path: Path) -> None:
    before = turns(T1, TaskState.REVIEW), turns(T2, TaskState.REVIEW)
    desk = Desk(tmp_path, plan_of(T1, T2, T3, T4), 2, *before)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.supervisor.run())
        await desk.until(is_change(T3, TaskState.WORKING))
        await desk.until(is_change(T4, TaskState.WORKING))
        desk.let_all_end()


async def test_what_was_handed_in_lands_when_it_may_although_all_workers_are_at_work(tmp_path: Path) -> None:
    before = turns(T1, TaskState.REVIEW), turns(T2, TaskState.REVIEW)  # it began with a sync point of T1
    desk = Desk(tmp_path, plan_of(T1, T2, T3, T4, T2=(T1,)), 2, *before)
    desk.seats.leave(T1)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.supervisor.run())
        await desk.until(is_change(T3, TaskState.WORKING))
        desk.supervisor.look_again()
        await desk.until(is_change(T4, TaskState.WORKING))
        desk.merged[T1].set()
        desk.merged[T2].set()
        await desk.until(is_change(T2, TaskState.DONE))
        desk.let_all_end()


async def test_after_a_resume_no_more_tasks_say_that_they_are_at_work_than_there_are_workers(tmp_path: Path) -> None:
    before = (
        *(turns(task, TaskState.REVIEW) for task in (T1, T2)),
        *(turns(task, TaskState.WORKING) for task in (T3, T4)),
    )
    desk = Desk(tmp_path, plan_of(T1, T2, T3, T4), 2, *before)
    desk.red.add(T1)
    desk.merged[T1].set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.supervisor.run())
        await desk.until(is_change(T1, TaskState.READY))
        for _ in range(20):
            await asyncio.sleep(0)
        at_work = desk.at_work
        desk.let_all_end()

    assert at_work == {T3, T4}


async def test_the_place_of_a_task_that_is_held_is_given_on_once_the_log_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, plan_of(T1, T2, T3), 2)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.supervisor.run())
        await desk.until(is_change(T2, TaskState.WORKING))
        desk.seats.leave_soon(T1)  # T3 prepares itself, and waits for the place
        for _ in range(5):
            await asyncio.sleep(0)
        await desk.supervisor.hold(T2)
        await desk.until(is_change(T3, TaskState.WORKING))
        await desk.supervisor.release(T2)
        desk.let_all_end()

    log = await desk.store.read(RUN)
    told = [(event.task, event.detail or event.state) for event in log if isinstance(event, TaskChanged)]
    assert told.index((T2, HELD)) < told.index((T3, TaskState.WORKING))
