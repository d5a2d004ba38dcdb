"""Everything that waits for the person, in one queue: the oldest first, whoever asks."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.conflicts import Conflict
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RequestId, TaskId
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.presentation.happenings import Happenings
from equitr_coder.presentation.text import first_line, plural, prose, visible
from equitr_coder.presentation.waits import waits_for_person

AskKind = Literal["permission", "question", "plan", "conflict", "budget"]
_LATEST = datetime.max.replace(tzinfo=UTC)


@frozen
class Ask:
    kind: AskKind
    id: RequestId
    """Of the approval, the question or the conflict; `plan`, and the account's name for money."""
    who: str
    """`W2 T5`, `planner`, `the run`."""
    task: TaskId | None
    words: str
    """One line: the command, the question, what clashes."""
    at: datetime | None
    age: timedelta | None


def inbox_of(view: RunView, happenings: Happenings, now: datetime) -> tuple[Ask, ...]:
    if view.state.is_final:
        return ()
    asks = [
        *(_permission(happenings, one) for one in view.approvals.values()),
        *(
            Ask("question", one.question, _who(happenings, one.task, one.agent), one.task, _line(one.text), None, None)
            for one in view.questions.values()
        ),
        *(
            _conflict(happenings, found.conflict)
            for found in view.conflicts.values()
            if found.conflict.kind == "file" and waits_for_person(view, found)  # a verdict is asked as a permission
        ),
        *_plan(view),
        *_budget(view, happenings),
    ]
    return tuple(sorted((_dated(ask, happenings, now) for ask in asks), key=lambda ask: ask.at or _LATEST))


def _permission(happenings: Happenings, approval: Approval) -> Ask:
    who = _who(happenings, approval.task, approval.agent)
    if approval.tool == "merge":
        return Ask("permission", approval.id, who, approval.task, "take the proposed merge?", None, None)
    if approval.is_verdict:
        return Ask("permission", approval.id, who, approval.task, "its reviewers disagree: approve it?", None, None)
    words = f"wants {approval.tool}: {first_line(visible(approval.what))}"
    return Ask("permission", approval.id, who, approval.task, words, None, None)


def _conflict(happenings: Happenings, conflict: Conflict) -> Ask:
    where = f" in {', '.join(conflict.paths)}" if conflict.paths else ""
    words = f"conflict {conflict.id} ({conflict.kind}): {' and '.join(conflict.tasks)}{where}"
    return Ask("conflict", conflict.id, _who(happenings, conflict.tasks[0], ""), conflict.tasks[0], words, None, None)


def _plan(view: RunView) -> list[Ask]:
    if view.kind is RunKind.CHAT or view.plan is None or view.is_approved:
        return []
    words = f"the plan waits for your word: {plural(len(view.plan.tasks), 'task')}"
    return [Ask("plan", RequestId("plan"), "planner", None, words, None, None)]


def _budget(view: RunView, happenings: Happenings) -> list[Ask]:
    asks = [
        Ask(
            "budget", RequestId(name), name, TaskId(name.removeprefix("task ")), _line(reached.detail), reached.at, None
        )
        for name, reached in happenings.short.items()
        if name.startswith("task ")
    ]
    if view.state is RunState.PAUSED and view.reason is StopReason.BUDGET_EXCEEDED and not asks:
        words = "the budget is reached: b raises it, and the run goes on"
        asks.append(Ask("budget", RequestId("the run"), "the run", None, words, view.last, None))
    return asks


def _dated(ask: Ask, happenings: Happenings, now: datetime) -> Ask:
    at = ask.at or (happenings.plan_at if ask.kind == "plan" else happenings.asked_at.get(ask.id))
    return Ask(ask.kind, ask.id, ask.who, ask.task, ask.words, at, now - at if at is not None else None)


def _who(happenings: Happenings, task: TaskId | None, agent: str) -> str:
    lane = happenings.lanes.get(task) if task is not None else None
    return " ".join(filter(None, (f"W{lane}" if lane is not None else "", task or agent)))


def _line(text: str) -> str:
    return first_line(prose(text))
