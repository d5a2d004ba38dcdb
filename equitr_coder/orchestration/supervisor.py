"""Runs the tasks of an approved epic: starts what may start, in one task group, until nothing can."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from equitr_coder.domain.claims import beyond
from equitr_coder.domain.epic import Plan, Task, TaskState, agent_names
from equitr_coder.domain.errors import (
    BudgetRefused,
    EquitrError,
    ModelError,
    RunStopped,
    StopReason,
    UserError,
    disk_error,
)
from equitr_coder.domain.events import BudgetReached, TaskChanged
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.money import ZERO
from equitr_coder.orchestration.conflict_log import ended_with, waiting_for_a_person
from equitr_coder.orchestration.holding import held, let_go, nothing_else, require_stoppable, stopped
from equitr_coder.orchestration.schedule import Now, Outlook, Schedule
from equitr_coder.orchestration.seats import Seats
from equitr_coder.orchestration.worker import TaskWorker
from equitr_coder.ports import EventSink

_log = logging.getLogger(__name__)

_NOT_BEGUN = frozenset({TaskState.WAITING, TaskState.READY})
_PRIVATE_ACCOUNTS = ("task ", "agent ")
"""How the names of accounts begin that belong to one task: at their limit only that task must wait."""


class Supervisor:
    def __init__(self, *, plan: Plan, worker: TaskWorker, events: EventSink, seats: Seats) -> None:
        self._plan = plan
        self._schedule = Schedule(plan, agents=agent_names(plan))
        self._worker = worker
        self._events = events
        self._seats = seats
        seats.watch(self.look_again)
        self._running: set[TaskId] = set()
        self._parked: set[TaskId] = set()
        self._in_conflict: dict[TaskId, RunStopped] = {}
        """Parked until a person says how they merge, each with what it said."""
        self._halt: EquitrError | None = None
        self._short: list[BudgetRefused] = []
        """Refusals by accounts of one task each."""
        self._hands: dict[TaskId, asyncio.Task[None]] = {}
        self._pulled: set[TaskId] = set()
        """Tasks whose worker stops because a person said so."""
        self._words = 0
        """Of a person, that are just carried out: the run does not end meanwhile."""
        self._held: set[TaskId] = set()
        self._held_before: set[TaskId] = set()
        """Those of them that were held when the run was taken up: it ends without waiting for their release."""
        self._changed = asyncio.Event()

    async def run(self) -> EquitrError | None:
        """Work until every task is final, or nothing more can start. Returns what stopped the run, if anything did.

        A stop never cancels the other workers: budget and provider end them by themselves, at a step's edge.
        """
        self._held_before = {task.id for task in self._events.view.tasks.values() if task.is_held}
        self._held |= self._held_before
        self._parked |= self._held_before
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                try:
                    await self._block_doomed()
                    outlook = self._next()
                    for task_id in outlook.start:
                        self._running.add(task_id)
                        if self._events.view.tasks[task_id].state is TaskState.WORKING:
                            self._seats.keep(task_id)
                        else:
                            self._seats.expect(task_id)
                        work = self._work(self._plan.task(task_id))
                        self._hands[task_id] = group.create_task(work, name=f"worker {task_id}")
                    self._tell_waiting(outlook)
                except UserError as stop:  # nothing can be recorded; the workers find out at their next step
                    self._stop(stop)
                if self._is_over:
                    in_conflict = next(iter(self._in_conflict.values()), None)
                    return self._halt or in_conflict or self._shortage() or self._all_held()
                await self._changed.wait()

    @property
    def _is_over(self) -> bool:
        """Nobody works, nobody is just told to stop, and nothing waits for a person's word to go on."""
        at_rest = not self._running and not self._words
        return at_rest and (self._held <= self._held_before or self._ends_run(self._halt))

    def look_again(self) -> None:
        """Something came that a task may have waited for."""
        self._changed.set()

    # ---------------------------------------------------------------- what a person says of one task

    async def hold(self, task: TaskId) -> None:
        """Stop the task's worker where it is, as an interruption does; nobody takes the task up before `release`.

        Raises:
            UserError: there is no such task, it has ended, is held already, or is being merged.
        """
        self._require_stoppable(task)
        if task in self._held:
            raise UserError(f"{task} is held already", hint=f"let it go on, or stop {task} for good")
        async with self._hearing(task):
            await self._pull(task)
            self._held.add(task)
            await self._events.record(held(task))

    async def release(self, task: TaskId) -> None:
        """Raises UserError when the task is not held."""
        if task not in self._held:
            raise UserError(f"{task} is not held", hint="only what was held can be let go on")
        self._held.discard(task)
        self._held_before.discard(task)
        self._parked.discard(task)
        await self._events.record(let_go(task))
        self._changed.set()

    async def stop(self, task: TaskId) -> None:
        """Give the task up. What needs it is blocked.

        Raises:
            UserError: there is no such task, it has ended, or is being merged.
        """
        self._require_stoppable(task)
        async with self._hearing(task):
            await self._pull(task)
            self._held.discard(task)
            self._held_before.discard(task)
            view = self._events.view
            await self._events.record(stopped(view.tasks[task]), *ended_with(view, task, None))

    @asynccontextmanager
    async def _hearing(self, task: TaskId) -> AsyncIterator[None]:
        """While a person's word on a task is carried out. Its seat is free once the log says why."""
        self._words += 1
        try:
            yield
        finally:
            self._words -= 1
            if task in self._pulled:
                self._pulled.discard(task)
                self._seats.leave(task)
            self._changed.set()

    def _require_stoppable(self, task: TaskId) -> None:
        known = self._events.view.tasks.get(task)
        if known is None:
            raise UserError(f"there is no task {task}", hint=f"there are: {', '.join(self._events.view.tasks)}")
        require_stoppable(known, landing="wait for its end: it lands, or its worker gets it back")

    async def _pull(self, task: TaskId) -> None:
        """Returns when nothing of it goes on."""
        self._parked.add(task)
        hand = self._hands.get(task)
        if hand is not None and not hand.done():
            self._pulled.add(task)
            hand.cancel()
            await asyncio.wait([hand])
            self._running.discard(task)  # one that had not begun yet did not do it by itself

    def _next(self) -> Outlook:
        self._release_settled()
        if self._ends_run(self._halt):
            return Outlook((), {})
        return self._schedule.look(self._now(), slots=self._seats.free(len(self._running)))

    def _now(self) -> Now:
        view = self._events.view
        return Now(
            states=self._states(),
            running=frozenset(self._running),
            parked=frozenset(self._parked),
            produced=frozenset(name for name, point in view.sync_points.items() if point.newest is not None),
            touched={
                task.id: paths
                for task in self._plan.tasks
                if not view.tasks[task.id].state.is_final and (paths := beyond(view, task.id))
            },
        )

    def _tell_waiting(self, outlook: Outlook) -> None:
        """Only what has changed since it was last told, by whichever process."""
        tasks = self._events.view.tasks
        self._events.note(
            *(
                TaskChanged(task=task_id, state=TaskState.WAITING, detail=why)
                for task_id, why in outlook.waiting.items()
                if tasks[task_id].state in _NOT_BEGUN and tasks[task_id].waits != why
            )
        )

    def _release_settled(self) -> None:
        """A person has settled a conflict while the others worked: its task goes on."""
        view = self._events.view
        waiting = {found.conflict.tasks[0] for found in view.conflicts.values() if waiting_for_a_person(view, found)}
        for task in self._in_conflict.keys() - waiting:
            self._parked.discard(task)
            del self._in_conflict[task]

    def _stop(self, stop: EquitrError) -> None:
        """What ends the whole run is never covered by what only one task waits for, nor by what came after it."""
        if self._halt is None or (not self._ends_run(self._halt) and self._ends_run(stop)):
            self._halt = stop

    @staticmethod
    def _ends_run(halt: EquitrError | None) -> bool:
        return halt is not None and not (isinstance(halt, RunStopped) and halt.reason is StopReason.APPROVAL_NEEDED)

    def _states(self) -> Mapping[TaskId, TaskState]:
        return {task.id: self._events.view.tasks[task.id].state for task in self._plan.tasks}

    async def _work(self, task: Task) -> None:
        try:
            await self._worker.work(task)
        except asyncio.CancelledError:
            if task.id not in self._pulled:
                raise
        except (RunStopped, ModelError, UserError) as stop:
            self._parked.add(task.id)
            if isinstance(stop, RunStopped) and stop.reason is StopReason.CONFLICT_OPEN:
                self._in_conflict[task.id] = stop
            elif isinstance(stop, BudgetRefused) and stop.account.startswith(_PRIVATE_ACCOUNTS):
                await self._park(stop)
            else:
                self._stop(stop)
        except Exception as bug:  # a bug in one worker must not cost the others their work
            if (full := disk_error(bug)) is not None:  # no bug, and no attempt of the task is spent on it
                self._parked.add(task.id)
                self._halt = full
                return
            _log.exception("task %s failed with an internal error", task.id)
            await self._events.record(
                TaskChanged(
                    task=task.id,
                    state=TaskState.FAILED,
                    reason=StopReason.INTERNAL_ERROR,
                    detail=f"{type(bug).__name__}: {bug}",
                )
            )
        finally:
            self._running.discard(task.id)
            if task.id not in self._pulled:  # else once the log says why
                self._seats.leave(task.id)
            self._changed.set()

    async def _park(self, refused: BudgetRefused) -> None:
        """Its own task waits for more money; the others go on."""
        self._short.append(refused)
        await self._events.record(
            BudgetReached(
                account=refused.account,
                usd=refused.spent or ZERO,
                limit=refused.limit or ZERO,
                detail=str(refused),
            )
        )

    def _shortage(self) -> RunStopped | None:
        """Why some tasks could not go on when all others have ended; with the way to raise the emptiest account."""
        if not self._short:
            return None
        emptiest = max(self._short, key=lambda refused: refused.spent or ZERO)
        words = "; ".join(str(refused) for refused in self._short)
        return RunStopped(StopReason.BUDGET_EXCEEDED, words, hint=emptiest.hint)

    def _all_held(self) -> RunStopped | None:
        """Why the run must wait when all that could go on without a person's word has ended."""
        view = self._events.view
        kept = [task.id for task in self._plan.tasks if task.id in self._held]
        return nothing_else(view, kept) if kept else None

    async def _block_doomed(self) -> None:
        doomed = self._schedule.doomed(self._now())
        await self._events.record(
            *(
                TaskChanged(
                    task=task_id,
                    state=TaskState.BLOCKED,
                    reason=StopReason.PREREQUISITE_FAILED,
                    detail=f"{cause} did not finish",
                )
                for task_id, cause in doomed.items()
            )
        )
