"""The review of a task that passed its checks, by one reviewer or several. Fails closed: no verdict is no approval."""

from collections.abc import Callable, Sequence

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import ConflictResolved
from equitr_coder.domain.ids import CommitId
from equitr_coder.domain.panel import PanelRules, Voice, majority, tally
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.orchestration.disagreements import Disagreements
from equitr_coder.orchestration.outcomes import SentBack
from equitr_coder.orchestration.panel import Panel, no_verdict
from equitr_coder.orchestration.review_session import Matter
from equitr_coder.ports import Repository


class Reviewer:
    def __init__(
        self,
        *,
        plan: Plan,
        mode: str,
        rules: PanelRules,
        is_critical: Callable[[Task], bool],
        panel: Panel,
        disagreements: Disagreements,
        repository: Repository,
    ) -> None:
        self._plan = plan
        self._mode = mode
        self._is_critical = is_critical
        self._panel = panel
        self._disagreements = disagreements
        self._repository = repository
        self.may_ask_person = rules.may_ask_person
        """Whether a review may wait for a person's word."""

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
        matter = Matter(task, attempt, old, new, tree, results, story)
        voices = await self._panel.hear(matter)
        resolved = await self._disagreements.settle(matter, voices)
        approved = majority(voices) if resolved is None else resolved.approved
        return None if approved else _rejection(voices, resolved)


def _rejection(voices: Sequence[Voice], resolved: ConflictResolved | None) -> SentBack:
    """With the reasons of all who rejected, and how it came to that where there were several."""
    reasons = [reason for voice in voices if voice.approved is False for reason in voice.reasons]
    silent = [no_verdict(voice.agent, reason) for voice in voices if voice.approved is None for reason in voice.reasons]
    how, decided = tally(voices) if len(voices) > 1 else "", [] if reasons else silent
    match resolved:
        case ConflictResolved(how="vote"):
            how = resolved.detail
        case ConflictResolved(how="unattended"):
            how = f"{how}; handed on to the user: {resolved.detail}"
        case ConflictResolved():
            how = f"{how}; the {resolved.how} decided"
            decided = resolved.detail.split("\n")
        case None:
            pass
    told = "\n".join(f"- {reason}" for reason in (*decided, *reasons) if reason)
    return SentBack(
        StopReason.REVIEW_REJECTED,
        f"the review rejected it{f' ({how})' if how else ''}:\n{told or '- no reason was given'}",
    )
