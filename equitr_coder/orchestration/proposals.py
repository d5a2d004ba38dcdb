"""The supervisor's merge of two pieces of work that do not fit, with both intents before it; and who says yes to it."""

from collections.abc import Mapping, Sequence

from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.conflicts import ConflictStage
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.errors import BudgetRefused, ModelError, RunStopped, StopReason
from equitr_coder.domain.events import EscalationAnswered, EscalationAsked, EscalationTrigger
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId, RequestId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import Purpose
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.domain.run_view import ConflictView
from equitr_coder.domain.runs import RunOptions
from equitr_coder.engine.guards import ATTEMPT_STOPS
from equitr_coder.orchestration import briefing
from equitr_coder.orchestration.advice import Quota
from equitr_coder.orchestration.conflict_log import landed_since
from equitr_coder.orchestration.markers import marked_paths
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.orchestration.review import Reviewer
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import AgentOrder, AgentSpawner, Approvals, EventSink, Repository

_ITERATIONS = 14
_SUPERVISOR = AgentName("supervisor")


@frozen
class ProposalTerms:
    plan: Plan
    names: Mapping[TaskId, AgentName]
    options: RunOptions
    documents_at: str | None


@frozen
class Proposal:
    """`tree` is None when nothing that the supervisor gave can be used. `answered` is to be recorded with what becomes
    of it, in one transaction.
    """

    tree: TreeId | None
    answered: EscalationAnswered


class Proposals:
    def __init__(
        self,
        *,
        terms: ProposalTerms,
        spawner: AgentSpawner,
        repository: Repository,
        worktrees: Worktrees,
        events: EventSink,
        approvals: Approvals,
        reviewer: Reviewer,
        quota: Quota,
    ) -> None:
        self._terms = terms
        self._spawner = spawner
        self._repository = repository
        self._worktrees = worktrees
        self._events = events
        self._approvals = approvals
        self._reviewer = reviewer
        self._quota = quota

    async def make(
        self, hand_in: HandIn, found: ConflictView, start: TreeId, paths: tuple[str, ...], evidence: str = ""
    ) -> Proposal | None:
        """Its tree has no markers and differs from `start` in `paths` alone. None when it was asked before, or may not
        be asked any more. `evidence` says what is wrong where nothing clashes.
        """
        conflict = found.conflict
        session = SessionId(f"merge.{hand_in.task.id}.{conflict.id}")
        escalation = RequestId(f"conflict:{conflict.id}")
        if escalation in self._events.view.answers:
            return None  # it was asked before a restart, and what it said could not be used
        who = {"session": session, "agent": self._terms.names[hand_in.task.id], "task": hand_in.task.id}
        question = await self._question(hand_in, found, start, evidence)
        asked = EscalationAsked(
            **who,
            escalation=escalation,
            question=f"{conflict.id}: merge {' with '.join(conflict.tasks)} in {', '.join(conflict.paths)}",
            files=conflict.paths,
            automatic=True,
            trigger=EscalationTrigger.CONFLICT,
        )
        if not (self._is_asked(escalation) or await self._quota.admit(asked)):
            return None
        tree, words = await self._ask(session, hand_in, found, start, paths, question)
        usd = sum((row.usd for row in self._events.view.ledger.values() if row.session == session), ZERO)
        return Proposal(tree, EscalationAnswered(**who, escalation=escalation, answer=words, usd=usd))

    async def accept(
        self, hand_in: HandIn, found: ConflictView, old: CommitId, new: CommitId, results: Sequence[CheckResult]
    ) -> SentBack | None:
        """By the user where one can be asked, else by the reviewer; None is a yes."""
        options, conflict = self._terms.options, found.conflict
        if options.conflicts == "merge_review" and options.can_ask and not options.yes:
            approval = Approval(
                id=RequestId(f"merge:{conflict.id}:{(found.tree or '')[:10]}"),
                session=SessionId(f"merge.{hand_in.task.id}.{conflict.id}"),
                agent=_SUPERVISOR,
                task=hand_in.task.id,
                tool="merge",
                what=await self._repository.diff(old, new),
                why=f"{' and '.join(conflict.tasks)} clash; this is the supervisor's merge: {found.detail}",
                inside=False,
            )
            answer = await self._approvals.ask(approval)
            if answer.allowed:
                return None
            words = f": {answer.note}" if answer.note else ""
            return SentBack(
                StopReason.MERGE_CONFLICT, f"the user turned the proposed merge down{words}", conflict.paths
            )
        story = briefing.merge_story(
            conflict.paths, [(self._terms.plan.task(task)) for task in conflict.tasks], found.detail
        )
        refusal = await self._reviewer.judge(hand_in.task, hand_in.attempt, old, new, results, story=story)
        if refusal is None:
            return None
        return SentBack(
            StopReason.MERGE_CONFLICT, f"the proposed merge was turned down. {refusal.detail}", conflict.paths
        )

    # ---------------------------------------------------------------- the session

    async def _ask(
        self,
        session: SessionId,
        hand_in: HandIn,
        found: ConflictView,
        start: TreeId,
        paths: tuple[str, ...],
        question: str,
    ) -> tuple[TreeId | None, str]:
        conflict = found.conflict
        known = self._events.view.sessions.get(session)
        tree = known.tree if known is not None and known.tree is not None else start
        assert conflict.ours is not None, "a conflict of a hand-in names the tip it was found on"
        root = await self._worktrees.open_conflict(conflict.id, conflict.ours, tree)
        agent = self._spawner.spawn(
            AgentOrder(
                profile="merger",
                session=session,
                agent=_SUPERVISOR,
                task=hand_in.task.id,
                purpose=Purpose.ESCALATION,
                first_message=question,
                root=root,
                can_write=True,
                max_iterations=_ITERATIONS,
                footprint=paths,
                is_closed=True,
                tree=tree,
            )
        )
        try:
            outcome = await agent.run()
            made = await self._repository.snapshot(root)
            if outcome.end is None and not await self._is_usable(made, start, conflict.paths):
                outcome = await agent.run(briefing.MERGE_NUDGE)
                made = await self._repository.snapshot(root)
        except RunStopped as stop:
            if stop.reason not in ATTEMPT_STOPS and not isinstance(stop, BudgetRefused):
                raise
            return None, f"It gave no merge: {stop}."  # the worker may do it for less
        except ModelError as error:
            return None, f"It gave no merge: {error}."  # the worker is the other way out, and asks another model
        finally:
            await self._worktrees.close_conflict(conflict.id)
        # Where a file was deleted on one side, leaving it as it is can be the answer, when it is given as one.
        is_kept = outcome.end is not None and conflict.stage is ConflictStage.MERGE and made == start
        if not (await self._is_usable(made, start, conflict.paths, is_kept=is_kept)):
            return None, outcome.text.strip() or "It gave no merge that can be used."
        if set(await self._repository.changed(start, made)) - set(paths):
            return None, "It changed files that the conflict is not about."
        words = outcome.end.summary if outcome.end is not None else outcome.text
        return made, words.strip() or "Merged."

    async def _is_usable(self, tree: TreeId, start: TreeId, paths: Sequence[str], *, is_kept: bool = False) -> bool:
        return (tree != start or is_kept) and not await marked_paths(self._repository, tree, paths)

    def _is_asked(self, escalation: RequestId) -> bool:
        return any(asked.escalation == escalation for asked, _ in self._events.view.escalations)

    async def _question(self, hand_in: HandIn, found: ConflictView, start: TreeId, evidence: str) -> str:
        """Both intents: what each task was to do and what it did, since the one in question began."""
        conflict = found.conflict
        assert conflict.ours is not None, "a conflict of a hand-in names the tip it was found on"
        shown = conflict.paths if conflict.stage is ConflictStage.MERGE else ()
        sides: list[tuple[Task, str]] = []
        for landing in landed_since(self._events.view, hand_in.base):
            if landing.task in conflict.tasks[1:] and landing.task is not None:
                diff = await self._repository.diff(landing.old, landing.commit, paths=shown)
                sides.append((self._terms.plan.task(landing.task), diff))
        mine = await self._repository.diff(hand_in.base, hand_in.commit, paths=shown)
        files = {path: await self._repository.show_file(start, path) for path in shown}
        return briefing.merge_message(
            mine=(hand_in.task, mine),
            landed=sides,
            files=files,
            paths=conflict.paths,
            detail=evidence if conflict.stage is ConflictStage.CHECK else "",
            documents_at=self._terms.documents_at,
        )
