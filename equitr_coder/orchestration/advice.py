"""Questions to the supervisor: by a worker's `ask_supervisor`, and by the host when a worker gets nowhere. Capped,
priced, logged; answered by the strong model with read-only tools in the worker's own tree.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from equitr_coder.domain.code_map import map_text
from equitr_coder.domain.epic import Task
from equitr_coder.domain.errors import BudgetRefused, ModelError, RunStopped, ToolFailure
from equitr_coder.domain.events import (
    EscalationAnswered,
    EscalationAsked,
    EscalationSkipped,
    EscalationTrigger,
    MessageSent,
)
from equitr_coder.domain.ids import AgentName, RequestId, SessionId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.refusals import told, unattended
from equitr_coder.engine.guards import ATTEMPT_STOPS, SESSION_FAILURES
from equitr_coder.orchestration import briefing
from equitr_coder.ports import (
    AgentOrder,
    AgentSpawner,
    CodeMaps,
    Deadline,
    EventSink,
    Repository,
    ToolContext,
    Workspace,
)

_ITERATIONS = 10
_SUPERVISOR = AgentName("supervisor")
_SHOWN_FILES = 10
_ONCE_A_TASK = frozenset({EscalationTrigger.COMPLEX_TASK, EscalationTrigger.FOOTPRINT})
"""What a later attempt asks again is the same question: it gets the same answer."""


class Quota:
    """The questions of one run. They are recorded one at a time, so that all workers together keep the limit."""

    def __init__(self, events: EventSink, limit: int) -> None:
        self._events = events
        self.limit = limit
        self._turn = asyncio.Lock()

    async def admit(self, asked: EscalationAsked, *beside: MessageSent) -> bool:
        """Record the question; False, and nothing recorded, when the run has no more."""
        async with self._turn:
            if len(self._events.view.escalations) >= self.limit:
                return False
            await self._events.record(asked, *beside)
            return True


class Advice:
    """Implements `ports.Overseer` for one attempt at a task."""

    def __init__(
        self,
        *,
        task: Task,
        attempt: int,
        workspace: Workspace,
        spawner: AgentSpawner,
        repository: Repository,
        events: EventSink,
        deadline: Deadline,
        asker: AgentName,
        limit: int,
        quota: Quota,
        code_maps: CodeMaps,
    ) -> None:
        self._task = task
        self._attempt = attempt
        self._asker = asker
        self._workspace = workspace
        self._spawner = spawner
        self._repository = repository
        self._events = events
        self._deadline = deadline
        self._limit = limit
        self._quota = quota
        self._code_maps = code_maps

    async def advise(self, context: ToolContext, question: str, files: Sequence[str]) -> str:
        escalation = RequestId(f"{context.session}:{context.call}")
        if not self._is_asked(escalation):
            if self._count() >= self._limit:
                raise ToolFailure(_no_more(self._limit, "for this task"))
            if not await self._admit(escalation, EscalationTrigger.TOOL, question, files):
                raise ToolFailure(_no_more(self._quota.limit, "in this run"))
        return await self._answer_to(escalation, question, files)

    async def report(
        self, trigger: EscalationTrigger, question: str, *, key: str = "", files: Sequence[str] = ()
    ) -> str | None:
        return await self._report(self._name(trigger, key), trigger, question, files)

    async def second_opinion(self, context: ToolContext, summary: str, confidence: float) -> str | None:
        escalation = RequestId(f"{context.session}:{context.call}")
        before = (asked for asked, _ in self._events.view.escalations if asked.task == self._task.id)
        if any(
            asked.trigger is EscalationTrigger.LOW_CONFIDENCE
            and asked.escalation != escalation
            and asked.escalation.startswith(f"{context.session}:")
            for asked in before
        ):
            return None
        changed = await self._changed()
        question = briefing.doubt_question(self._task, summary, confidence, changed)
        files = [path for path, change in changed.items() if change != "deleted"][:_SHOWN_FILES]
        return await self._report(escalation, EscalationTrigger.LOW_CONFIDENCE, question, files)

    def recall(self, trigger: EscalationTrigger) -> str | None:
        """The last answer to the host's question of this kind about the task."""
        answers = [
            answered.answer
            for asked, answered in self._events.view.escalations
            if asked.task == self._task.id and asked.trigger is trigger and answered is not None
        ]
        return answers[-1] if answers else None

    def _name(self, trigger: EscalationTrigger, key: str) -> RequestId:
        if trigger is EscalationTrigger.REPEATED_FAILURE:
            return RequestId(f"auto:{self._task.id}.{self._attempt}")
        whose = self._task.id if trigger in _ONCE_A_TASK else f"{self._task.id}.{self._attempt}"
        return RequestId(":".join(("auto", whose, trigger.value, *([key] if key else []))))

    async def _report(
        self, escalation: RequestId, trigger: EscalationTrigger, question: str, files: Sequence[str]
    ) -> str | None:
        if escalation in self._events.view.skipped:
            return None
        if not self._is_asked(escalation) and not await self._admit(escalation, trigger, question, files):
            await self._events.record(
                EscalationSkipped(
                    session=SessionId(f"{self._task.id}.{self._attempt}"),
                    agent=self._asker,
                    task=self._task.id,
                    escalation=escalation,
                    trigger=trigger,
                    limit=self._quota.limit,
                )
            )
            return None
        return await self._answer_to(escalation, question, files)

    async def _admit(
        self, escalation: RequestId, trigger: EscalationTrigger, question: str, files: Sequence[str]
    ) -> bool:
        number = len(self._events.view.tasks[self._task.id].asked) + 1
        is_automatic = trigger is not EscalationTrigger.TOOL
        asked = EscalationAsked(
            session=SessionId(f"ask.{self._task.id}.{number}"),
            agent=self._asker,
            task=self._task.id,
            escalation=escalation,
            question=question,
            files=tuple(files),
            automatic=is_automatic,
            trigger=trigger,
        )
        message = MessageSent(
            id=RequestId(f"m:{escalation}"),
            sender=self._task.id,
            to=_SUPERVISOR,
            kind="escalation",
            topic=trigger.value,
            content=question,
        )
        return await self._quota.admit(asked, *([message] if is_automatic else []))

    async def _answer_to(self, escalation: RequestId, question: str, files: Sequence[str]) -> str:
        answered = self._events.view.answers.get(escalation)
        if answered is not None:
            return answered.answer
        number = self._events.view.tasks[self._task.id].asked.index(escalation) + 1
        session = SessionId(f"ask.{self._task.id}.{number}")
        text = await self._answer(session, question, files, is_automatic=self._is_automatic(escalation))
        usd = sum((row.usd for row in self._events.view.ledger.values() if row.session == session), ZERO)
        answer = text.strip() or "The supervisor gave no answer."
        await self._events.record(
            EscalationAnswered(
                session=session, agent=self._asker, task=self._task.id, escalation=escalation, answer=answer, usd=usd
            )
        )
        return answer

    async def _answer(self, session: SessionId, question: str, files: Sequence[str], *, is_automatic: bool) -> str:
        """A supervisor that cannot come to an end costs its answer, never the worker's attempt. The same holds where
        its money does: what nobody asked for, or what the question alone may not cost, stops no work.
        """
        try:
            with self._deadline.paused():
                return (await self._spawner.spawn(await self._order(session, question, files)).run()).text
        except BudgetRefused as refused:
            if not is_automatic and refused.account != f"agent {session}":
                raise
            return f"The supervisor gave no answer: {refused}."
        except RunStopped as stop:
            if stop.reason not in ATTEMPT_STOPS:
                raise
            return f"The supervisor gave no answer: {stop}."
        except ModelError as error:
            if error.kind not in SESSION_FAILURES:
                raise
            return f"The supervisor gave no answer: {error}."

    async def _order(self, session: SessionId, question: str, files: Sequence[str]) -> AgentOrder:
        contents = {path: await self._content(path) for path in files}
        root: Path = self._workspace.root
        asked = f"{question}\n\n{self._task.title}"
        drawn = await self._code_maps.draw(root, asked, files=(*files, *self._task.files))
        return AgentOrder(
            profile="supervisor",
            session=session,
            agent=_SUPERVISOR,
            task=self._task.id,
            purpose=Purpose.ESCALATION,
            first_message=briefing.advice_message(
                task=self._task,
                question=question,
                files=contents,
                tree=await self._workspace.list(),
                code_map=map_text(drawn),
                git_status=await self._repository.status_text(root),
                documents_at=self._events.view.documents_at,
                refused=told(unattended(self._events.view, self._task.id)),
            ),
            root=root,
            can_write=False,
            # With --yes nobody wants to be asked; without, a question waits for a person however long it takes.
            can_ask_user=not self._events.view.options.yes,
            max_iterations=_ITERATIONS,
        )

    async def _content(self, path: str) -> str:
        try:
            return (await self._workspace.read(path)).text
        except ToolFailure as failure:
            return f"[{failure}]"

    async def _changed(self) -> dict[str, str]:
        """What the attempt has changed so far: path -> created, modified or deleted."""
        view = self._events.view.tasks[self._task.id]
        if view.base is None or view.tree is None:
            return {}
        return dict(sorted((await self._repository.changed(view.base, view.tree)).items()))

    def _is_asked(self, escalation: RequestId) -> bool:
        return escalation in self._events.view.tasks[self._task.id].asked

    def _is_automatic(self, escalation: RequestId) -> bool:
        return any(asked.escalation == escalation and asked.automatic for asked, _ in self._events.view.escalations)

    def _count(self) -> int:
        return sum(
            1 for event, _ in self._events.view.escalations if event.task == self._task.id and not event.automatic
        )


def _no_more(limit: int, where: str) -> str:
    return (
        f"There are no more questions to the supervisor {where}: its limit of {limit} is reached. Go on with what you "
        "know, or hand in and say in the summary what is unsolved."
    )
