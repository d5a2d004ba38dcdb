"""Questions about permission that no person answered: refused, and told to whoever looks after the task. Pure."""

from collections.abc import Iterable

from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView


@frozen
class Refusal:
    asked: Approval
    answer: ApprovalAnswer

    @property
    def words(self) -> str:
        """On one line."""
        what = " ".join(self.asked.what.split())
        return f"{self.asked.tool}: {what} ({self.asked.why}; {self.answer.note})"


def is_unattended(answer: ApprovalAnswer) -> bool:
    """Whether it is a no that no person gave."""
    return not answer.allowed and answer.by != "user"


def unattended(view: RunView, task: TaskId | None = None) -> tuple[Refusal, ...]:
    """Those of the task, else of all; the same question is told once, as it was answered last."""
    found: dict[tuple[TaskId | None, str, str], Refusal] = {}
    for asked, resolved in view.grants:
        if (task is not None and asked.task != task) or asked.is_verdict:  # a verdict is told as the rejection it is
            continue
        key = (asked.task, asked.tool, asked.what)
        found.pop(key, None)
        if is_unattended(resolved.answer):
            found[key] = Refusal(asked, resolved.answer)
    return tuple(found.values())


def told(refusals: Iterable[Refusal]) -> tuple[str, ...]:
    return tuple(refusal.words for refusal in refusals)
