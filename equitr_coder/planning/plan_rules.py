"""What the host demands of a submitted plan beyond a sound task graph, and the tidy form it keeps. Pure."""

import re
from collections.abc import Iterable

from equitr_coder.domain.epic import ArtifactType, Plan, SyncPoint, Task, plan_problems
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.checks import cannot_fail

_BULLET = re.compile(r"^(?:[-*+]\s+)?(?:\[[ xX]?\]\s*)?(?:\d+[.)]\s+)?")
_DRIVE = re.compile(r"^[A-Za-z]:")


@frozen
class PlanRules:
    """`collaboration.planning` and `collaboration.sync_points.types`."""

    auto_split: bool = True
    min_subtasks: int = 2
    """Fewer is a note for review, never a refusal: a small job may be one task."""
    max_subtasks: int = 8
    sync_point_types: tuple[ArtifactType, ...] = tuple(ArtifactType)
    detect_sync_points: bool = False
    """`collaboration.sync_points.auto_detect`."""

    @property
    def most_tasks(self) -> int:
        return self.max_subtasks if self.auto_split else 1


def validate(plan: Plan, rules: PlanRules) -> tuple[Plan, tuple[str, ...]]:
    """The plan in its tidy form, and everything that is wrong with it, in words for the planner or the user."""
    tidy_plan = tidy(plan)
    problems = [*plan_problems(tidy_plan), *_count_problems(tidy_plan, rules)]
    for task in tidy_plan.tasks:
        problems += _task_problems(task)
    problems += _sync_point_problems(tidy_plan.sync_points, rules)
    return tidy_plan, tuple(problems)


def tidy(plan: Plan) -> Plan:
    """One-line texts, canonical paths, nothing twice; a task without todos has its title as the one todo."""
    return plan.model_copy(
        update={
            "title": _one_line(plan.title),
            "tasks": tuple(_tidy_task(task) for task in plan.tasks),
            "sync_points": tuple(
                point.model_copy(update={"id": point.id.strip(), "consumers": _unique(point.consumers)})
                for point in plan.sync_points
            ),
        }
    )


def tidy_todo(text: str) -> str:
    """One line without the bullet, checkbox or number a model may have put before it."""
    plain = _one_line(text)
    while (bare := _BULLET.sub("", plain, count=1).strip()) and bare != plain:
        plain = bare
    return plain


def _tidy_task(task: Task) -> Task:
    title = _one_line(task.title)
    todos: dict[str, str] = {}
    for text in task.todos:
        if todo := tidy_todo(text):
            todos.setdefault(todo.casefold(), todo)
    check = task.check.replace("\r\n", "\n").strip() if task.check else None
    return task.model_copy(
        update={
            "title": title,
            "description": task.description.strip(),
            "type": _one_line(task.type).lower() or "code",
            "specialization": _one_line(task.specialization),
            "needs": _unique(TaskId(need.strip()) for need in task.needs),
            "files": _unique(path for text in task.files if (path := _tidy_path(text))),
            "todos": tuple(todos.values()) or (tidy_todo(title),),
            "check": check or None,
        }
    )


def _tidy_path(text: str) -> str:
    """`./a//b` -> `a/b`; a folder is everything in it."""
    path = re.sub(r"/{2,}", "/", text.strip())
    while path.startswith("./"):
        path = path[2:]
    if path == ".":
        return "**"
    return f"{path}**" if path.endswith("/") and path != "/" else path


def _count_problems(plan: Plan, rules: PlanRules) -> list[str]:
    count = len(plan.tasks)
    if count <= rules.most_tasks:
        return []
    if not rules.auto_split:
        return [
            f"the plan has {count} tasks, but splitting is off (collaboration.planning.auto_split): "
            "make it one task with all the todos"
        ]
    return [
        f"the plan has {count} tasks; at most {rules.max_subtasks} are allowed (collaboration.planning.max_subtasks): "
        "join tasks that one worker can do together"
    ]


def _task_problems(task: Task) -> list[str]:
    problems: list[str] = []
    if not task.title:
        problems.append(f"task {task.id} has no title")
    if task.check is not None and (reason := cannot_fail(task.check)):
        problems.append(
            f"the check of task {task.id} proves nothing: {reason}; use a command that fails when the work is wrong"
        )
    for path in task.files:
        if reason := _path_problem(path):
            problems.append(f"task {task.id} names the file {path!r}, {reason}")
    return problems


def _path_problem(path: str) -> str:
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return "which is not relative to the repository's root"
    if ".." in path.split("/"):
        return "which leads out of the repository"
    if "\\" in path:
        return "which has a backslash; separate folders with `/`"
    if "\n" in path or "\r" in path:
        return "which is more than one line; give one path per entry"
    if path == ".git" or path.startswith(".git/"):
        return "which belongs to git"
    return ""


def _sync_point_problems(points: Iterable[SyncPoint], rules: PlanRules) -> list[str]:
    problems: list[str] = []
    seen: set[str] = set()
    for point in points:
        if not point.id:
            problems.append(f"a sync point of task {point.producer} has no id")
        elif point.id in seen:
            problems.append(f"sync point id {point.id} is used more than once")
        seen.add(point.id)
        if point.type not in rules.sync_point_types:
            allowed = ", ".join(rules.sync_point_types) or "none"
            problems.append(
                f"sync point {point.id} is of type {point.type}; "
                f"allowed are {allowed} (collaboration.sync_points.types)"
            )
        if point.producer in point.consumers:
            problems.append(f"sync point {point.id} names {point.producer} as producer and as consumer")
    return problems


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _one_line(text: str) -> str:
    return " ".join(text.split())
