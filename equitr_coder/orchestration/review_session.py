"""One reviewer's session: what it is shown of a task's merged result, and what it says in the end."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from equitr_coder.domain.epic import Task
from equitr_coder.domain.errors import ModelError, RunStopped
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId, SessionId, TreeId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.engine.guards import ATTEMPT_STOPS, SESSION_FAILURES, AttemptDeadline
from equitr_coder.orchestration import briefing
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import AgentOrder, AgentSpawner, Repository, ToolEnd

SUPERVISOR = AgentName("supervisor")
_ITERATIONS = 12


@frozen
class Matter:
    """What is judged: a task's change from `old` to `new`, whose checks are green."""

    task: Task
    attempt: int
    old: CommitId
    new: CommitId
    tree: TreeId
    """Of `new`."""
    results: Sequence[CheckResult]
    story: str = ""
    """How the change came about where that is not plain."""

    @property
    def session(self) -> SessionId:
        """A verdict is about one tree; another tree is another session."""
        return SessionId(f"review.{self.task.id}.{self.attempt}.{self.tree[:8]}")


@frozen
class Seat:
    """Whose session it is."""

    session: SessionId
    agent: AgentName = SUPERVISOR
    profile: str = "reviewer"
    purpose: Purpose = Purpose.REVIEW
    nudge: str = briefing.REVIEW_NUDGE
    seconds: float | None = None
    """How long it may take; None: as long as it does."""


class ReviewSessions:
    def __init__(
        self,
        *,
        spawner: AgentSpawner,
        repository: Repository,
        worktrees: Worktrees,
        documents: Mapping[str, str],
        documents_at: str | None,
    ) -> None:
        self._spawner = spawner
        self._repository = repository
        self._worktrees = worktrees
        self._documents = documents
        self._documents_at = documents_at

    async def hear(self, seat: Seat, matter: Matter, *, beside: str = "") -> tuple[ToolEnd | None, str]:
        """What ended the session; or nothing, and why, where more is known than that it said nothing. `beside` is told
        before the change. A session that the log has goes on where it stands, and one that has ended costs nothing.

        Raises:
            RunStopped, ModelError: the run cannot go on, or not now.
        """
        order = await self._order(seat, matter, beside)
        deadline = AttemptDeadline(seat.seconds) if seat.seconds is not None else None
        try:
            async with AsyncExitStack() as stack:
                if deadline is not None:
                    await stack.enter_async_context(deadline.running())
                agent = self._spawner.spawn(order, deadline=deadline)
                outcome = await agent.run()
                if outcome.end is None:
                    outcome = await agent.run(seat.nudge)
        except RunStopped as stop:
            if stop.reason not in ATTEMPT_STOPS:
                raise
            return None, str(stop)
        except ModelError as error:
            if error.kind not in SESSION_FAILURES:
                raise
            return None, str(error)
        return outcome.end, ""

    async def _order(self, seat: Seat, matter: Matter, beside: str) -> AgentOrder:
        return AgentOrder(
            profile=seat.profile,
            session=seat.session,
            agent=seat.agent,
            task=matter.task.id,
            purpose=seat.purpose,
            first_message=briefing.review_message(
                task=matter.task,
                diff=await self._repository.diff(matter.old, matter.new),
                results=matter.results,
                requirements=self._documents.get("requirements", ""),
                documents_at=self._documents_at,
                story="\n\n".join(filter(None, (matter.story, beside))),
            ),
            root=self._worktrees.path(matter.task.id),
            can_write=False,
            max_iterations=_ITERATIONS,
        )
