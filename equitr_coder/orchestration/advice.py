"""Questions to the supervisor: by a worker's `ask_supervisor`, and by the host after repeated failure. Capped, priced,
logged; answered by the strong model with read-only tools in the worker's own tree.
"""

from collections.abc import Sequence
from pathlib import Path

from equitr_coder.domain.epic import Task
from equitr_coder.domain.errors import ModelError, RunStopped, ToolFailure
from equitr_coder.domain.events import EscalationAnswered, EscalationAsked
from equitr_coder.domain.ids import AgentName, RequestId, SessionId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.money import ZERO
from equitr_coder.engine.guards import ATTEMPT_STOPS, SESSION_FAILURES
from equitr_coder.orchestration import briefing
from equitr_coder.ports import AgentOrder, AgentSpawner, Deadline, EventSink, Repository, ToolContext, Workspace

_ITERATIONS = 10
_SUPERVISOR = AgentName("supervisor")


class Advice:
    """Implements `ports.Advisor` for one task."""

    def __init__(
        self,
        *,
        task: Task,
        workspace: Workspace,
        spawner: AgentSpawner,
        repository: Repository,
        events: EventSink,
        deadline: Deadline,
        asker: AgentName,
        limit: int,
    ) -> None:
        self._task = task
        self._asker = asker
        self._workspace = workspace
        self._spawner = spawner
        self._repository = repository
        self._events = events
        self._deadline = deadline
        self._limit = limit

    async def advise(self, context: ToolContext, question: str, files: Sequence[str]) -> str:
        escalation = RequestId(f"{context.session}:{context.call}")
        asked = self._number(escalation)
        if asked is None and self._count() >= self._limit:
            raise ToolFailure(
                f"The supervisor has answered {self._limit} questions for this task already; there are no more. Go on "
                "with what you know, or hand in and say in the summary what is unsolved."
            )
        return await self._ask(escalation, question, files, automatic=False)

    async def guide(self, attempt: int, question: str) -> str:
        """The host asks before the last attempt. Does not count against the worker's own questions."""
        return await self._ask(RequestId(f"auto:{self._task.id}.{attempt}"), question, (), automatic=True)

    async def _ask(self, escalation: RequestId, question: str, files: Sequence[str], *, automatic: bool) -> str:
        number = self._number(escalation)
        if number is None:
            number = len(self._events.view.tasks[self._task.id].asked) + 1
        session = SessionId(f"ask.{self._task.id}.{number}")
        answered = self._events.view.answers.get(escalation)
        if answered is not None:
            return answered.answer
        who = {"session": session, "agent": self._asker, "task": self._task.id}
        if self._number(escalation) is None:
            await self._events.record(
                EscalationAsked(
                    session=session,
                    agent=self._asker,
                    task=self._task.id,
                    escalation=escalation,
                    question=question,
                    files=tuple(files),
                    automatic=automatic,
                )
            )
        text = await self._answer(session, question, files)
        usd = sum((row.usd for row in self._events.view.ledger.values() if row.session == session), ZERO)
        answer = text.strip() or "The supervisor gave no answer."
        await self._events.record(EscalationAnswered(**who, escalation=escalation, answer=answer, usd=usd))
        return answer

    async def _answer(self, session: SessionId, question: str, files: Sequence[str]) -> str:
        """A supervisor that cannot come to an end costs its answer, never the worker's attempt."""
        try:
            with self._deadline.paused():
                return (await self._spawner.spawn(await self._order(session, question, files)).run()).text
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
                git_status=await self._repository.status_text(root),
                documents_at=self._events.view.documents_at,
            ),
            root=root,
            can_write=False,
            max_iterations=_ITERATIONS,
        )

    async def _content(self, path: str) -> str:
        try:
            return (await self._workspace.read(path)).text
        except ToolFailure as failure:
            return f"[{failure}]"

    def _number(self, escalation: RequestId) -> int | None:
        asked = self._events.view.tasks[self._task.id].asked
        return asked.index(escalation) + 1 if escalation in asked else None

    def _count(self) -> int:
        return sum(
            1 for event, _ in self._events.view.escalations if event.task == self._task.id and not event.automatic
        )
