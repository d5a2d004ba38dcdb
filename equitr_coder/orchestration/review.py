"""The supervisor's review of a task that passed its checks. Fails closed: no verdict is no approval."""

from collections.abc import Callable, Mapping, Sequence

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.errors import ModelError, RunStopped, StopReason
from equitr_coder.domain.events import ReviewGiven
from equitr_coder.domain.ids import AgentName, CommitId, SessionId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.engine.guards import ATTEMPT_STOPS, SESSION_FAILURES
from equitr_coder.orchestration import briefing
from equitr_coder.orchestration.outcomes import SentBack
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import Agent, AgentOrder, AgentSpawner, EventSink, Repository, ToolEnd

_ITERATIONS = 12


class Reviewer:
    def __init__(
        self,
        *,
        plan: Plan,
        mode: str,
        is_critical: Callable[[Task], bool],
        spawner: AgentSpawner,
        repository: Repository,
        worktrees: Worktrees,
        events: EventSink,
        documents: Mapping[str, str],
        documents_at: str | None,
    ) -> None:
        self._plan = plan
        self._mode = mode
        self._is_critical = is_critical
        self._spawner = spawner
        self._repository = repository
        self._worktrees = worktrees
        self._events = events
        self._documents = documents
        self._documents_at = documents_at

    def is_due(self, task: Task) -> bool:
        """`all`, `none`, or `critical`: security, contracts that others consume (named by the planner, not merely
        detected), and the planner's mark.
        """
        if self._mode == "critical":
            produces = any(not point.detected for point in self._plan.produced_by(task.id))
            return task.critical or produces or self._is_critical(task)
        return self._mode == "all"

    async def review(
        self, task: Task, attempt: int, old: CommitId, new: CommitId, results: Sequence[CheckResult]
    ) -> SentBack | None:
        return await self.judge(task, attempt, old, new, results) if self.is_due(task) else None

    async def judge(
        self,
        task: Task,
        attempt: int,
        old: CommitId,
        new: CommitId,
        results: Sequence[CheckResult],
        *,
        story: str = "",
    ) -> SentBack | None:
        """As `review`, due or not. `story` says how the change came about where that is not plain."""
        tree = await self._repository.tree_of(new)
        # A verdict is about one tree; another tree is another session.
        session = SessionId(f"review.{task.id}.{attempt}.{tree[:8]}")
        known = self._events.view.reviews.get((session, tree))
        if known is None:
            known = await self._ask(task, session, old, new, results, story)
        if known.approved:
            return None
        reasons = "\n".join(f"- {reason}" for reason in known.reasons) or "- no reason was given"
        return SentBack(StopReason.REVIEW_REJECTED, f"the review rejected it:\n{reasons}")

    async def _ask(
        self, task: Task, session: SessionId, old: CommitId, new: CommitId, results: Sequence[CheckResult], story: str
    ) -> ReviewGiven:
        agent_name = AgentName("supervisor")
        agent = self._spawner.spawn(
            AgentOrder(
                profile="reviewer",
                session=session,
                agent=agent_name,
                task=task.id,
                purpose=Purpose.REVIEW,
                first_message=briefing.review_message(
                    task=task,
                    diff=await self._repository.diff(old, new),
                    results=results,
                    requirements=self._documents.get("requirements", ""),
                    documents_at=self._documents_at,
                    story=story,
                ),
                root=self._worktrees.path(task.id),
                can_write=False,
                max_iterations=_ITERATIONS,
            )
        )
        end, why_not = await self._verdict(agent)
        given = ReviewGiven(
            session=session,
            agent=agent_name,
            task=task.id,
            approved=end is not None and end.approved is True,
            reasons=end.reasons if end is not None else (why_not,),
            tree=await self._repository.tree_of(new),
        )
        await self._events.record(given)
        return given

    async def _verdict(self, agent: Agent) -> tuple[ToolEnd | None, str]:
        """What the reviewer said; or nothing, and why. A reviewer that cannot come to an end rejects."""
        try:
            outcome = await agent.run()
            if outcome.end is None:
                outcome = await agent.run(briefing.REVIEW_NUDGE)
        except RunStopped as stop:
            if stop.reason not in ATTEMPT_STOPS:
                raise
            return None, f"the reviewer gave no verdict: {stop}"
        except ModelError as error:
            if error.kind not in SESSION_FAILURES:
                raise
            return None, f"the reviewer gave no verdict: {error}"
        return outcome.end, "the reviewer gave no verdict"
