"""What the host demands of a submitted plan beyond a sound task graph, and the tidy form it keeps. Pure."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from equitr_coder.domain.epic import ArtifactType, Plan, SyncPoint, Task, plan_problems
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.checks import cannot_fail
from equitr_coder.planning.coverage import tidy_covers

_BULLET = re.compile(r"^(?:[-*+]\s+)?(?:\[[ xX]?\]\s*)?(?:\d+[.)]\s+)?")
_DRIVE = re.compile(r"^[A-Za-z]:")
_SYMBOL = re.compile(r"^(?P<path>[^:*?\[\]]+)::(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)$")
_RESOURCE = re.compile(r"^[a-z][a-z0-9_-]*(?::[\w.@/-]+)?$")
_LAST_PORT = 65535


MIN_KEY = "collaboration.planning.min_subtasks"


@frozen
class PlanRules:
    """`collaboration.planning` and `collaboration.sync_points.types`."""

    auto_split: bool = True
    min_subtasks: int = 2
    """Fewer is refused only where the planner itself decides (`few_tasks`)."""
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


def few_tasks(plan: Plan, rules: PlanRules, *, is_small: bool) -> str:
    """What the planner is told when it split too little; empty when it did not. A small request may be one task."""
    count = len(plan.tasks)
    if not rules.auto_split or count >= rules.min_subtasks or (is_small and count == 1):
        return ""
    return (
        f"the plan has {_counted(count)}; at least {rules.min_subtasks} are wanted ({MIN_KEY}): "
        "split it along the parts of the design, each task with its own files and check"
    )


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
            "symbols": _unique(symbol for text in task.symbols if (symbol := _tidy_symbol(text))),
            "resources": _unique(name for text in task.resources if (name := _tidy_resource(text))),
            "covers": tidy_covers(task.covers),
            "commands": _unique(command for text in task.commands if (command := text.strip())),
            "todos": tuple(todos.values()) or (tidy_todo(title),),
            "check": check or None,
            "check_reason": _one_line(task.check_reason),
        }
    )


def _tidy_symbol(text: str) -> str:
    """The path in its one form, no brackets of a call."""
    path, separator, name = text.partition("::")
    return f"{_tidy_path(path)}{separator}{name.strip().removesuffix('()').rstrip()}"


def _tidy_resource(text: str) -> str:
    """`Port: 8080` -> `port:8080`."""
    kind, separator, name = text.partition(":")
    return f"{kind.strip().lower()}{separator}{name.strip()}"


def _tidy_path(text: str) -> str:
    """`./a//b` -> `a/b`; a folder is everything in it."""
    path = re.sub(r"/{2,}", "/", text.strip())
    while path.startswith("./"):
        path = path[2:].lstrip()
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
    problems += [
        f"a command of task {task.id} has several lines: name each as one of its own"
        for command in task.commands
        if "\n" in command or "\r" in command
    ]
    for path in task.files:
        if reason := _path_problem(path):
            problems.append(f"task {task.id} names the file {path!r}, {reason}")
    problems += [
        f"task {task.id} names the symbol {symbol!r}, {reason}"
        for symbol in task.symbols
        if (reason := _symbol_problem(symbol, task))
    ]
    problems += [
        f"task {task.id} names the resource {name!r}, {reason}"
        for name in task.resources
        if (reason := _resource_problem(name))
    ]
    return problems


def _symbol_problem(symbol: str, task: Task) -> str:
    match = _SYMBOL.match(symbol)
    if match is None:
        return "which is not of the form path/to/file.py::Name or path/to/file.py::Class.method"
    if not any(fnmatchcase(match["path"], pattern) for pattern in task.files):
        return f"but {match['path']} is not among its files: add it there"
    return ""


def _resource_problem(name: str) -> str:
    if not _RESOURCE.match(name):
        return "which is not of the form kind or kind:name, such as port:8080, db:test or cpu"
    kind, _, value = name.partition(":")
    if kind == "port" and not (value.isdecimal() and 0 < int(value) <= _LAST_PORT):
        return "but a port is a number, such as port:8080"
    return ""


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


def _counted(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _one_line(text: str) -> str:
    return " ".join(text.split())
