"""Whether a plan's order holds: the database before the API, the frontend after the API's contract, tests after what
they test. Pure.

A problem is only what is plain from the tasks' own types; everything else is a note for review. A test task that is
written first, so that others need it, is in order. So is whoever waits for a contract instead of the code behind it.
"""

import re
from collections.abc import Iterable, Mapping

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.keywords import keywords, share_covered

TEST_WORDS = frozenset({"test", "tests", "testing", "tester", "qa", "e2e", "verification"})
_DATABASE = frozenset({"database", "databases", "db"})
_API = frozenset({"api", "apis"})
_FRONTEND = frozenset({"frontend", "ui"})
_LAYERS = ((_API, _DATABASE, "the database"), (_FRONTEND, _API, "the API"))
_CONTRACT = frozenset({"contract", "contracts", "interface", "interfaces", "types", "schema", "schemas", "openapi"})
_PATH = re.compile(r"[\w./-]+")


def order_problems(plan: Plan) -> list[str]:
    """What the planner must mend, in words for it. The plan has no cycle and needs only tasks it has."""
    reach = prerequisites(plan)
    return [*_tests_without_order(plan, reach), *_layers_out_of_order(plan, reach)]


def order_notes(plan: Plan) -> list[str]:
    """What review should look at: tests need what they name, or when they name nothing, at least one task."""
    reach = prerequisites(plan)
    notes: list[str] = []
    work = [task for task in plan.tasks if not is_test(task)]
    for test in (task for task in plan.tasks if is_test(task)):
        missing = [task.id for task in _named(test, work) if not _are_ordered(test, task, reach)]
        if missing:
            notes.append(
                f"{test.id} tests {', '.join(missing)} but does not need {'it' if len(missing) == 1 else 'them'}"
            )
        elif work and _stands_alone(test, reach):
            notes.append(f"{test.id} is for tests, but needs no task: it may run before what it tests")
    return [*notes, *_layers_out_of_order(plan, reach)]


def is_test(task: Task) -> bool:
    return bool(areas(task) & TEST_WORDS)


def areas(task: Task) -> set[str]:
    """The words of its type and specialization."""
    return _words(f"{task.type} {task.specialization}")


def prerequisites(plan: Plan) -> Mapping[TaskId, set[TaskId]]:
    """Everything each task waits for, directly or through others. The plan has no cycle."""
    needs = {task.id: set(task.needs) for task in plan.tasks}
    reach: dict[TaskId, set[TaskId]] = {}

    def collect(task_id: TaskId) -> set[TaskId]:
        if task_id not in reach:
            reach[task_id] = set()
            direct = needs.get(task_id, set())
            reach[task_id] = direct.union(*(collect(need) for need in direct))
        return reach[task_id]

    for task_id in needs:
        collect(task_id)
    return reach


def _tests_without_order(plan: Plan, reach: Mapping[TaskId, set[TaskId]]) -> list[str]:
    problems: list[str] = []
    work = [task for task in plan.tasks if not is_test(task)]
    for test in (task for task in plan.tasks if _words(task.type) & TEST_WORDS):
        missing = [task.id for task in _named(test, work) if not _are_ordered(test, task, reach)]
        if missing:
            problems.append(
                f"{test.id} ({test.type}) tests {_listed(missing)}, but may run before: "
                f"add {_listed(missing)} to its needs"
            )
        elif work and _stands_alone(test, reach):
            problems.append(
                f"{test.id} ({test.type}) needs no task, so it may run before what it tests: add what it tests to its "
                "needs, or give it another type when it only tests what the repository has already"
            )
    return problems


def _layers_out_of_order(plan: Plan, reach: Mapping[TaskId, set[TaskId]]) -> list[str]:
    problems: list[str] = []
    contracts = {task.id for task in plan.tasks if areas(task) & _CONTRACT or _words(task.title) & _CONTRACT}
    promised = {task for point in plan.sync_points for task in point.consumers}
    for later, earlier, name in _LAYERS:
        first = [task for task in plan.tasks if _words(task.type) & earlier]
        for task in plan.tasks:
            if not first or not _words(task.type) & later or task in first:
                continue
            is_ordered = any(_are_ordered(task, other, reach) for other in first)
            if not is_ordered and not reach[task.id] & contracts and task.id not in promised:
                problems.append(
                    f"{task.id} ({task.type}) may run before {name}: let it need {_listed([one.id for one in first])}, "
                    "or the task that writes the contract between them"
                )
    return problems


def _named(test: Task, work: Iterable[Task]) -> list[Task]:
    """The tasks whose whole title the test's words hold, or one of whose files it names."""
    text = text_of(test)
    words = keywords(text)
    paths = set(_PATH.findall("\n".join((test.description, *test.todos, test.check or ""))))
    return [task for task in work if share_covered(keywords(task.title), words) == 1.0 or paths & set(task.files)]


def text_of(task: Task) -> str:
    return "\n".join((task.title, task.description, task.specialization, *task.todos, *task.files))


def _are_ordered(one: Task, other: Task, reach: Mapping[TaskId, set[TaskId]]) -> bool:
    return other.id in reach[one.id] or one.id in reach[other.id]


def _stands_alone(task: Task, reach: Mapping[TaskId, set[TaskId]]) -> bool:
    return not reach[task.id] and not any(task.id in needed for needed in reach.values())


def _words(text: str) -> set[str]:
    return set(re.split(r"[\s_/-]+", text.lower()))


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
