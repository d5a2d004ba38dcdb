"""The commands that go with a plan: who approves it has seen each of them. Pure."""

from collections.abc import Mapping

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.value import Value


class Standing(Value):
    """What the configuration has run for every task, as it was when the plan was shown."""

    default_check: str | None = None
    gate: tuple[str, ...] = ()
    setup: str | None = None
    """Prepares a worktree (`.equitr/worktree.yaml`)."""
    after_edit: tuple[tuple[str, str], ...] = ()
    """Glob of the edited file, and the command."""


def commands_of(task: Task, standing: Standing) -> tuple[str, ...]:
    """What the task's agent may run itself without another question, to the letter: what proves the task, and what the
    plan says that it runs.
    """
    own = task.check or standing.default_check
    return tuple(dict.fromkeys(text.strip() for text in (own or "", *standing.gate, *task.commands) if text.strip()))


def approved_with(plan: Plan, standing: Standing) -> Mapping[TaskId, tuple[str, ...]]:
    return {task.id: commands_of(task, standing) for task in plan.tasks}
