"""What review should look at before a plan is approved: coverage, service boundaries, integration points, order. Pure.

How a requirement counts as covered: by its number (`R3`, `FR-2`, `R1-R4`) when the plan uses such numbers; by a dotted
number (`2.1.3`, or `2.1` for all below it); else when some task names at least half of its keywords (see `keywords`).
A service belongs to the task whose title, files and todos name all its words, the title weighing most. All of this is
a reading aid: it may ask about something that is covered in other words.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import combinations

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.keywords import keywords, share_covered
from equitr_coder.planning.markdown import items, read_sections
from equitr_coder.planning.plan_rules import PlanRules
from equitr_coder.planning.services import read_edges, read_services, service_names, service_words
from equitr_coder.planning.structure import find_features

_COVERED = 0.5
_MOST = 40
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?P<kind>R|FR|NFR|REQ)[- ]?(?P<number>\d+(?:\.\d+)*)(?!\w)")
_RANGE = re.compile(
    r"(?<![A-Za-z0-9.])(?P<kind>R|FR|NFR|REQ|)[- ]?(?P<stem>(?:\d+\.)*)(?P<first>\d+)"
    r"\s*(?:-|–|—|to|through|\.\.\.?)\s*(?:(?P=kind)[- ]?)(?P=stem)(?P<last>\d+)(?![\w.])"
)
_DOTTED = re.compile(r"(?<![\w.])\d+(?:\.\d+)+(?!\w)")
_MOST_IN_RANGE = 100
_TEST_WORDS = frozenset({"test", "tests", "testing", "tester", "qa", "e2e", "verification"})
_AROUND_SERVICES = _TEST_WORDS | {"frontend", "ui", "docs", "documentation", "infrastructure", "devops", "deployment"}
"""Areas whose tasks speak of services without building them, unless their title says so."""


@frozen
class Requirement:
    number: str
    """Canonical, such as `R3` or `2.1.3`; empty when the document gives none."""
    text: str
    line: int


def find_gaps(
    plan: Plan, *, requirements: str, design: str, rules: PlanRules, has_default_check: bool = False
) -> tuple[str, ...]:
    """Every finding in words, most telling first; empty when nothing stands out."""
    found = [
        *_uncovered_requirements(plan, requirements),
        *_service_gaps(plan, requirements=requirements, design=design),
        *_unfollowed_edges(plan, design),
        *_untested_order(plan),
        *_sync_gaps(plan),
        *_shared_files(plan),
        *([] if has_default_check else _unchecked(plan)),
        *_size_notes(plan, rules),
    ]
    unique = list(dict.fromkeys(found))
    return (*unique[:_MOST], f"and {len(unique) - _MOST} more") if len(unique) > _MOST else tuple(unique)


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """The list items of the feature sections, and every item with a number of its own elsewhere."""
    features = set(find_features(text))
    found: list[Requirement] = []
    for section in read_sections(text):
        for item in items(section):
            text = item.text.replace("**", "")
            match, dotted = _NUMBER.search(text[:20]), _DOTTED.match(text)
            if match or section in features:
                number = f"{match['kind']}{match['number']}" if match else dotted[0] if dotted else ""
                found.append(Requirement(number, text, item.number))
    return tuple(found)


# ---------------------------------------------------------------- coverage


def _uncovered_requirements(plan: Plan, requirements: str) -> list[str]:
    texts = [_text_of(task) for task in plan.tasks]
    named = {number for text in texts for number in _named_numbers(text)}
    words = [keywords(text) for text in texts]
    uses_letters = any(number[0].isalpha() for number in named)
    gaps: list[str] = []
    for requirement in read_requirements(requirements):
        is_covered = _is_named(requirement.number, named)
        if not is_covered and not (uses_letters and requirement.number[:1].isalpha()):
            needles = keywords(_DOTTED.sub(" ", _NUMBER.sub(" ", requirement.text)))
            is_covered = any(share_covered(needles, task_words) >= _COVERED for task_words in words)
        if not is_covered:
            gaps.append(
                f"requirement without a task: {shortened(requirement.text)} (requirements.md, line {requirement.line})"
            )
    return gaps


def _named_numbers(text: str) -> set[str]:
    named = {f"{match['kind']}{match['number']}" for match in _NUMBER.finditer(text)} | set(_DOTTED.findall(text))
    for match in _RANGE.finditer(text):
        first, last = int(match["first"]), int(match["last"])
        if (match["kind"] or match["stem"]) and first < last <= first + _MOST_IN_RANGE:
            named |= {f"{match['kind']}{match['stem']}{number}" for number in range(first, last + 1)}
    return named


def _is_named(number: str, named: set[str]) -> bool:
    """By itself or, for a dotted number, by a section it stands in."""
    parts = number.split(".")
    return bool(number) and any(".".join(parts[:length]) in named for length in range(1, len(parts) + 1))


def _service_gaps(plan: Plan, *, requirements: str, design: str) -> list[str]:
    services = read_services(design)
    designed = [service.name for service in services]
    required = service_names(requirements)
    parts = {service.name for service in services if service.is_part}
    gaps = [
        f"{'part' if name in parts else 'service'} without a task: {name}"
        for name in designed or required
        if _owner(name, plan) is None
    ]
    if designed:
        gaps += [
            f"the requirements name {name}, the design does not"
            for name in required
            if not any(share_covered(service_words(name), service_words(other)) == 1.0 for other in designed)
        ]
    return gaps


def _owner(service: str, plan: Plan) -> Task | None:
    """The task that builds the service: its words count three times in a title, twice in paths, once elsewhere."""
    words = service_words(service)
    scores: dict[Task, float] = {}
    for task in plan.tasks:
        in_title = share_covered(words, keywords(task.title))
        in_paths = share_covered(words, keywords(" ".join(task.files)))
        is_named = share_covered(words, keywords(_text_of(task))) == 1.0
        if is_named and (in_title == 1.0 or not _areas(task) & _AROUND_SERVICES):
            scores[task] = 3 * in_title + 2 * in_paths
    return max(scores, key=lambda task: scores[task], default=None)


# ---------------------------------------------------------------- order and integration points


def _unfollowed_edges(plan: Plan, design: str) -> list[str]:
    services = read_services(design)
    owners = {service.name: _owner(service.name, plan) for service in services}
    reach = _prerequisites(plan)
    edges = {(edge.service, edge.needs) for edge in read_edges(services)}
    gaps: list[str] = []
    for service, needs in sorted(edges):
        user, provider = owners[service], owners[needs]
        if user is None or provider is None or user.id == provider.id or provider.id in reach[user.id]:
            continue
        if (needs, service) in edges:
            if service < needs:
                gaps.append(
                    f"{service} and {needs} depend on each other in the design, but are different tasks "
                    f"({user.id}, {provider.id})"
                )
        else:
            gaps.append(f"{user.id} does not need {provider.id}, though in the design {service} depends on {needs}")
    return gaps


def _untested_order(plan: Plan) -> list[str]:
    """Tests need what they test: the tasks they name, or when they name none, at least one task."""
    reach = _prerequisites(plan)
    gaps: list[str] = []
    work = [task for task in plan.tasks if not _is_test(task)]
    for test in (task for task in plan.tasks if _is_test(task)):
        words = keywords(_text_of(test))
        named = [task for task in work if share_covered(keywords(task.title), words) == 1.0]
        missing = [task.id for task in named if task.id not in reach[test.id]]
        if missing:
            gaps.append(
                f"{test.id} tests {', '.join(missing)} but does not need {'it' if len(missing) == 1 else 'them'}"
            )
        elif work and not reach[test.id]:
            gaps.append(f"{test.id} is for tests, but needs no task: it may run before what it tests")
    return gaps


def _sync_gaps(plan: Plan) -> list[str]:
    reach = _prerequisites(plan)
    gaps: list[str] = []
    for point in plan.sync_points:
        if not point.consumers:
            gaps.append(f"sync point {point.id} has no consumers")
        gaps += [
            f"sync point {point.id}: {consumer} uses it but does not need {point.producer}, which produces it"
            for consumer in point.consumers
            if consumer in reach and point.producer not in reach[consumer]
        ]
    return gaps


def _shared_files(plan: Plan) -> list[str]:
    """Tasks that may run at the same time and say that they touch the same file."""
    reach = _prerequisites(plan)
    gaps: list[str] = []
    for one, other in combinations(plan.tasks, 2):
        if one.id in reach[other.id] or other.id in reach[one.id]:
            continue
        shared = sorted({mine for mine in one.files for theirs in other.files if _overlap(mine, theirs)})
        if shared:
            gaps.append(f"{one.id} and {other.id} may run at the same time, and both touch {', '.join(shared)}")
    return gaps


def _overlap(one: str, other: str) -> bool:
    return one == other or fnmatchcase(one, other) or fnmatchcase(other, one)


# ---------------------------------------------------------------- checks and size


def _unchecked(plan: Plan) -> list[str]:
    return [f"{task.id} has no check: its result will be unchecked" for task in plan.tasks if task.check is None]


def _size_notes(plan: Plan, rules: PlanRules) -> list[str]:
    if rules.auto_split and len(plan.tasks) < rules.min_subtasks:
        count = "1 task" if len(plan.tasks) == 1 else f"{len(plan.tasks)} tasks"
        return [f"the plan has {count}, fewer than collaboration.planning.min_subtasks ({rules.min_subtasks})"]
    return []


def _is_test(task: Task) -> bool:
    return bool(_areas(task) & _TEST_WORDS)


def _areas(task: Task) -> set[str]:
    return set(re.split(r"[\s_/-]+", f"{task.type} {task.specialization}".lower()))


def _prerequisites(plan: Plan) -> dict[TaskId, set[TaskId]]:
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


def _text_of(task: Task) -> str:
    return "\n".join(_parts(task))


def _parts(task: Task) -> Iterable[str]:
    return (task.title, task.description, task.specialization, *task.todos, *task.files)


def shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
