"""One run that this process owns: its lock, its parts, the task that drives it, and how its end becomes an event."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import TYPE_CHECKING

from equitr_coder.domain.commands import (
    AnswerQuestion,
    ApprovePlan,
    EditDocument,
    HoldTask,
    RaiseBudget,
    RejectPlan,
    ReleaseTask,
    ResolveApproval,
    ReviseDocument,
    StopTask,
)
from equitr_coder.domain.errors import BudgetRefused, ModelError, RunStopped, StopReason, UserError, disk_error
from equitr_coder.domain.events import BudgetRaised, BudgetReached, Event, RunFinished, RunPaused
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.engine.guards import ATTEMPT_STOPS
from equitr_coder.ports import RunKit
from equitr_coder.session.approvals import ApprovalDesk, QuestionDesk
from equitr_coder.session.hub import Hub
from equitr_coder.session.unconfined import agree_to_unconfined

if TYPE_CHECKING:
    from equitr_coder.workflows.epic import Decision, EpicRun

_log = logging.getLogger(__name__)


class LiveRun:
    def __init__(
        self, *, hub: Hub, kit: RunKit, approvals: ApprovalDesk, questions: QuestionDesk, resources: AsyncExitStack
    ) -> None:
        self.hub = hub
        self.kit = kit
        self.approvals = approvals
        self.questions = questions
        self._resources = resources
        self._decisions: asyncio.Queue[tuple[Decision, asyncio.Future[None]]] = asyncio.Queue()
        self._deciding: asyncio.Future[None] | None = None
        self._is_awaiting_decision = False
        self._is_rejected = False
        self._task: asyncio.Task[None] | None = None
        self._epic: EpicRun | None = None

    def start(self, group: asyncio.TaskGroup, message: str | None) -> None:
        self._task = group.create_task(self._drive(message), name=self.hub.view.run)

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def has_stopped(self) -> bool:
        """Whether nothing of the run goes on. One whose end is recorded is waited for: its reader may be faster."""
        if self._task is not None and self._has_ended:
            await asyncio.wait([self._task])
        return not self.is_running

    async def interrupt(self) -> None:
        """Stop now; returns when the run is recorded as paused and everything it started has ended."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def tell(self, *events: Event) -> None:
        """Record what a person has said while the run is at work, and let what waited for it go on."""
        await self.hub.record(*events)
        if self._epic is not None:
            self._epic.look_again()

    async def answer(self, command: AnswerQuestion | ResolveApproval) -> None:
        """Raises UserError when nothing is asked under that name."""
        match command:
            case AnswerQuestion():
                await self.questions.answer(command.question, command.answer)
            case ResolveApproval():
                await self.approvals.resolve(command.approval, command.answer)

    async def direct(self, command: HoldTask | ReleaseTask | StopTask | RaiseBudget) -> None:
        """Raises UserError when it makes no sense now."""
        if isinstance(command, RaiseBudget):
            await self._raise_budget(command.budget)
            return
        if self._epic is None:
            raise UserError("this run has no tasks", hint="Esc or Ctrl-C stops its agent")
        await self._epic.direct(command)

    async def _raise_budget(self, limit: Decimal) -> None:
        now = self.hub.view.options.budget
        if now is None:
            raise UserError("this run has no limit", hint="it spends as much as it needs")
        if limit <= now:
            raise UserError(f"its budget is ${now:f} already", hint="a limit can be raised, not lowered")
        await self.hub.record(BudgetRaised(limit=limit))
        self.kit.budget.raise_limit(limit)

    async def decide(self, decision: ApprovePlan | ReviseDocument | EditDocument | RejectPlan) -> None:
        """Hand a decision on the plan to the workflow.

        Raises:
            UserError: it makes no sense now.
        """
        if isinstance(decision, RejectPlan) and not self._is_awaiting_decision and self._task is not None:
            # The planner is still at work, or waits for an answer that will not come.
            self._is_rejected = True
            self._task.cancel()
            await asyncio.wait([self._task])
            return
        if self.hub.view.plan is None:
            raise UserError("there is no plan yet", hint="answer the planner's questions first")
        reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._decisions.put((decision, reply))
        await reply

    async def _next_decision(self) -> "Decision":
        self._is_awaiting_decision = True
        try:
            decision, self._deciding = await self._decisions.get()
        finally:
            self._is_awaiting_decision = False
        return decision

    def _accept(self) -> None:
        if self._deciding is not None and not self._deciding.done():
            self._deciding.set_result(None)

    def _refuse(self, error: UserError) -> None:
        if self._deciding is not None and not self._deciding.done():
            self._deciding.set_exception(error)

    async def _drive(self, message: str | None) -> None:
        try:
            await self._work(message)
        except asyncio.CancelledError:
            if self._has_ended:
                pass  # its end is recorded already: a reader that saw it closed the door
            elif self._is_rejected:
                await self.hub.record(RunFinished(state=RunState.CANCELLED, reason=StopReason.DECLINED))
            else:
                await self._pause(RunStopped(StopReason.INTERRUPTED, "interrupted"))
        except (RunStopped, UserError, ModelError) as stop:
            if self._has_ended:
                await self.hub.flush()  # the store did not take the end: it has happened, and is tried once more
            else:
                await self._pause(stop)
        except BaseExceptionGroup as group:
            if not self._has_ended:
                await self._end_by_bug(group)
        except Exception as bug:
            await self._end_by_bug(bug)
        finally:
            await self._resources.aclose()
            self._abandon_decisions()

    @property
    def _has_ended(self) -> bool:
        state = self.hub.view.state
        return state.is_final or state is RunState.PAUSED

    async def _work(self, message: str | None) -> None:
        if self.kit.unconfined:
            await agree_to_unconfined(self.hub.view, self.approvals, why=self.kit.unconfined)
        # Each kind of run loads its own parts: a chat needs no planning and no merging, and starts sooner without.
        if self.hub.view.kind is RunKind.CHAT:
            from equitr_coder.workflows.chat import ChatRun

            await ChatRun(self.kit).run(message)
        else:
            from equitr_coder.workflows.epic import Decisions, EpicRun

            decisions = Decisions(next=self._next_decision, accept=self._accept, refuse=self._refuse)
            self._epic = EpicRun(self.kit, decisions)
            await self._epic.run()

    async def _pause(self, stop: RunStopped | UserError | ModelError) -> None:
        view = self.hub.view
        again = f"equitrcoder resume {view.epic or view.run}"
        hint = stop.hint or again
        match stop:
            case BudgetRefused():
                reached = BudgetReached(
                    account=stop.account,
                    usd=self.kit.budget.spent if stop.spent is None else stop.spent,
                    limit=stop.limit or self.kit.budget.limit or ZERO,
                    detail=str(stop),
                )
                await self.hub.record(reached, RunPaused(reason=stop.reason, detail=str(stop), hint=hint))
            case RunStopped() if stop.reason in ATTEMPT_STOPS and view.kind is RunKind.CHAT:
                await self.hub.record(
                    RunFinished(state=RunState.FAILED, reason=stop.reason, content=str(stop), hint=hint)
                )
            case RunStopped() if stop.reason is StopReason.BAD_PLAN:
                await self.hub.record(
                    RunFinished(state=RunState.FAILED, reason=stop.reason, content=str(stop), hint=stop.hint)
                )
            case RunStopped():
                await self.hub.record(RunPaused(reason=stop.reason, detail=str(stop), hint=hint))
            case ModelError():
                # The provider's hint says what to mend; what was done is kept, and this is how it goes on.
                hint = hint if "resume" in hint else f"{hint.rstrip('.')}. Then: {again}"
                await self.hub.record(RunPaused(reason=StopReason.MODEL_ERROR, detail=str(stop), hint=hint))
            case UserError():
                await self.hub.record(RunPaused(reason=StopReason.BLOCKED, detail=str(stop), hint=hint))

    async def _end_by_bug(self, bug: BaseException) -> None:
        if (full := disk_error(bug)) is not None:
            await self._pause(full)
            return
        _log.error("the run ended with an internal error", exc_info=bug)
        view = self.hub.view
        await self.hub.record(
            RunPaused(
                reason=StopReason.INTERNAL_ERROR,
                detail=f"internal error: {type(bug).__name__}: {bug}",
                hint=f"equitrcoder resume {view.epic or view.run} goes on; the traceback is in logs/equitr.log",
            )
        )

    def _abandon_decisions(self) -> None:
        """Whoever decided too late is told so."""
        while not self._decisions.empty():
            _, reply = self._decisions.get_nowait()
            if not reply.done():
                reply.set_exception(UserError("the run has ended", hint="start or resume a run first"))


KitFactory = Callable[[Hub, ApprovalDesk, QuestionDesk], Awaitable[RunKit]]
