"""Approvals and questions of one run as state: an event asks, a command answers, any front end may give it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Scope
from equitr_coder.domain.errors import RunStopped, StopReason, UserError
from equitr_coder.domain.events import ApprovalRequested, ApprovalResolved, QuestionAnswered, QuestionAsked
from equitr_coder.domain.ids import AgentName, CallId, RequestId, SessionId, TaskId
from equitr_coder.domain.runs import RunOptions
from equitr_coder.ports import Clock, EventGate, EventSink

_ALONE = ApprovalAnswer(allowed=False, by="policy", note="nobody is here to ask")
_ALONE_WITH_YES = ApprovalAnswer(
    allowed=False,
    by="yes_flag",
    note="nobody is here to ask, and --yes does not reach outside sandbox and footprint",
)


class ApprovalDesk:
    """Implements `ports.Approvals`. A yes for a task or the run covers later calls of the same tool and confinement.
    What nobody answers in time is refused, and so is what a task asks where nobody is: the refusal is its answer and
    its supervisor's news. Without a task there is nobody but the person, so the run stops.
    """

    def __init__(self, events: EventGate, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._waiting: dict[RequestId, asyncio.Future[ApprovalAnswer]] = {}

    async def ask(self, approval: Approval) -> ApprovalAnswer:
        known = self._known(approval)
        if known is not None:
            return known
        options = self._events.view.options
        # Registered before anybody can know of the question: no answer comes too early.
        future: asyncio.Future[ApprovalAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[approval.id] = future
        try:
            return await self._ask(approval, options, future)
        finally:
            self._waiting.pop(approval.id, None)

    async def _ask(
        self, approval: Approval, options: RunOptions, future: asyncio.Future[ApprovalAnswer]
    ) -> ApprovalAnswer:
        approval = await self._request(approval, options)
        if options.yes and approval.inside:
            answer = ApprovalAnswer(allowed=True, scope=Scope.ONCE, by="yes_flag")
            await self._events.record(ApprovalResolved(approval=approval.id, answer=answer))
            return answer
        if approval.expires is not None and approval.expires <= self._clock.now():
            return await self._expire(approval)
        if not options.can_ask:
            if not options.yes and approval.task is None:
                raise RunStopped(StopReason.APPROVAL_NEEDED, _words(approval), hint=_hint(approval))
            answer = _ALONE_WITH_YES if options.yes else _ALONE
            await self._events.record(ApprovalResolved(approval=approval.id, answer=answer))
            return answer
        left = (approval.expires - self._clock.now()).total_seconds() if approval.expires is not None else None
        try:
            async with asyncio.timeout(left):
                return await future
        except TimeoutError:
            return await self._expire(approval)

    async def _request(self, approval: Approval, options: RunOptions) -> Approval:
        """The question as it stands in the log. Its time begins when a person can first be asked, and once only."""
        known = self._events.view.approvals.get(approval.id)
        begins = options.can_ask and options.answer_within is not None and (known is None or known.expires is None)
        if known is not None and not begins:
            return known
        if begins:
            expires = self._clock.now() + timedelta(seconds=options.answer_within or 0)
            approval = approval.model_copy(update={"expires": expires})
        await self._events.record(ApprovalRequested(approval=approval))
        return approval

    async def _expire(self, approval: Approval) -> ApprovalAnswer:
        """Nobody came: refused, unless an answer was recorded in this very moment."""
        note = f"nobody answered by {approval.expires:%Y-%m-%d %H:%M:%S} UTC (permission.answer_within)"
        answer = ApprovalAnswer(allowed=False, by="policy", note=note)
        expired = ApprovalResolved(approval=approval.id, answer=answer)
        await self._events.record_made(lambda view: [expired] if approval.id in view.approvals else [])
        return self._known(approval) or answer

    async def resolve(self, approval: RequestId, answer: ApprovalAnswer) -> None:
        if approval not in self._events.view.approvals:
            raise UserError(f"nothing waits under {approval}", hint="it was answered already, or its run has ended")
        await self._events.record(ApprovalResolved(approval=approval, answer=answer))
        future = self._waiting.get(approval)
        if future is not None and not future.done():
            future.set_result(answer)

    def _known(self, approval: Approval) -> ApprovalAnswer | None:
        """The answer to this very call (before a restart), or a wider yes that covers it."""
        for asked, resolved in self._events.view.grants:
            answer = resolved.answer
            if asked.id == approval.id:
                return answer
            if not (answer.allowed and _kind(asked) == _kind(approval)):
                continue
            if answer.scope is Scope.RUN or (answer.scope is Scope.TASK and asked.task == approval.task):
                return ApprovalAnswer(allowed=True, scope=answer.scope, by="policy")
        return None


class QuestionDesk:
    """Implements `ports.Questions`."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._waiting: dict[RequestId, asyncio.Future[str]] = {}

    async def ask(
        self, session: SessionId, agent: AgentName, task: TaskId | None, call: CallId, text: str, options: Sequence[str]
    ) -> str:
        question = RequestId(f"{session}:{call}")
        known = self._events.view.answered.get(question)
        if known is not None:
            return known
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[question] = future
        try:
            if question not in self._events.view.questions:
                asked = QuestionAsked(
                    session=session, agent=agent, task=task, question=question, text=text, options=tuple(options)
                )
                await self._events.record(asked)
            if not self._events.view.options.can_ask:
                raise RunStopped(
                    StopReason.APPROVAL_NEEDED,
                    f"{agent} asks: {text}",
                    hint=f"answer it in a terminal: equitrcoder resume {self._events.view.run}",
                )
            return await future
        finally:
            self._waiting.pop(question, None)

    async def answer(self, question: RequestId, text: str) -> None:
        if question not in self._events.view.questions:
            raise UserError(f"no open question {question}", hint="it was answered already, or its run has ended")
        await self._events.record(QuestionAnswered(question=question, answer=text))
        future = self._waiting.get(question)
        if future is not None and not future.done():
            future.set_result(text)


def _kind(approval: Approval) -> tuple[str, bool, bool, bool]:
    """What a wider yes covers: the same tool, equally confined, on the same side of sandbox and footprint; and what
    proves a task apart from all else.
    """
    return approval.tool, approval.inside, approval.confined, approval.is_about_proof


def _words(approval: Approval) -> str:
    where = f"{approval.agent} ({approval.task})" if approval.task else approval.agent
    return f"{where} wants to use {approval.tool}: {approval.what} ({approval.why})"


def _hint(approval: Approval) -> str:
    if approval.inside:
        return "allow it with --yes, or resume the run in a terminal and answer there"
    return "resume the run in a terminal and answer there; `equitrcoder doctor` says whether there is a sandbox"
