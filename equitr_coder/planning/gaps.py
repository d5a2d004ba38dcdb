"""What review should look at before a plan is approved: coverage, service boundaries, integration points, order. Pure.

How a requirement counts as covered: a numbered one by `covers` alone where tasks use that; else by its number (`R3`,
`FR-2`, `R1-R4`) when the plan uses such numbers; by a dotted number (`2.1.3`, or `2.1` for all below it); else when
some task names at least half of its keywords (see `keywords`).
A service belongs to the task whose title, files and todos name all its words, the title weighing most. All of this is
a reading aid: it may ask about something that is covered in other words.
"""

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.task_graph import unordered_collisions
from equitr_coder.planning.coverage import (
    DOTTED,
    NUMBER,
    coverage_problems,
    is_named,
    named_numbers,
    read_requirements,
)
from equitr_coder.planning.keywords import keywords, share_covered
from equitr_coder.planning.order import TEST_WORDS, areas, order_notes, prerequisites, text_of
from equitr_coder.planning.plan_rules import MIN_KEY, PlanRules
from equitr_coder.planning.services import read_edges, read_services, service_names, service_words

_COVERED = 0.5
_MOST = 40
_AROUND_SERVICES = TEST_WORDS | {"frontend", "ui", "docs", "documentation", "infrastructure", "devops", "deployment"}
"""Areas whose tasks speak of services without building them, unless their title says so."""


def find_gaps(
    plan: Plan, *, requirements: str, design: str, rules: PlanRules, has_default_check: bool = False
) -> tuple[str, ...]:
    """Every finding in words, most telling first; empty when nothing stands out."""
    found = [
        *_uncovered_requirements(plan, requirements),
        *_service_gaps(plan, requirements=requirements, design=design),
        *_unfollowed_edges(plan, design),
        *order_notes(plan),
        *_sync_gaps(plan),
        *_shared_files(plan),
        *([] if has_default_check else _unchecked(plan)),
        *_size_notes(plan, rules),
    ]
    unique = list(dict.fromkeys(found))
    return (*unique[:_MOST], f"and {len(unique) - _MOST} more") if len(unique) > _MOST else tuple(unique)


# ---------------------------------------------------------------- coverage


def _uncovered_requirements(plan: Plan, requirements: str) -> list[str]:
    uses_covers = any(task.covers for task in plan.tasks)
    texts = [text_of(task) for task in plan.tasks]
    named = {number for text in texts for number in named_numbers(text)}
    words = [keywords(text) for text in texts]
    uses_letters = any(number[0].isalpha() for number in named)
    gaps = coverage_problems(plan, requirements)
    for requirement in read_requirements(requirements):
        if uses_covers and requirement.number:
            continue
        is_covered = is_named(requirement.number, named)
        if not is_covered and not (uses_letters and requirement.number[:1].isalpha()):
            needles = keywords(DOTTED.sub(" ", NUMBER.sub(" ", requirement.text)))
            is_covered = any(share_covered(needles, task_words) >= _COVERED for task_words in words)
        if not is_covered:
            gaps.append(
                f"requirement without a task: {shortened(requirement.text)} (requirements.md, line {requirement.line})"
            )
    return gaps


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
        is_named = share_covered(words, keywords(text_of(task))) == 1.0
        if is_named and (in_title == 1.0 or not areas(task) & _AROUND_SERVICES):
            scores[task] = 3 * in_title + 2 * in_paths
    return max(scores, key=lambda task: scores[task], default=None)


# ---------------------------------------------------------------- order and integration points


def _unfollowed_edges(plan: Plan, design: str) -> list[str]:
    services = read_services(design)
    owners = {service.name: _owner(service.name, plan) for service in services}
    reach = prerequisites(plan)
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


def _sync_gaps(plan: Plan) -> list[str]:
    reach = prerequisites(plan)
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
    """Tasks that could run at the same time, but for what both claim."""
    return [
        f"{one} and {other} run one after the other: both claim {what}"
        for (one, other), what in unordered_collisions(plan).items()
    ]


# ---------------------------------------------------------------- checks and size


def _unchecked(plan: Plan) -> list[str]:
    return [f"{task.id} has no check: its result will be unchecked" for task in plan.tasks if task.check is None]


def _size_notes(plan: Plan, rules: PlanRules) -> list[str]:
    if rules.auto_split and len(plan.tasks) < rules.min_subtasks:
        count = "1 task" if len(plan.tasks) == 1 else f"{len(plan.tasks)} tasks"
        return [f"the plan has {count}, fewer than {MIN_KEY} ({rules.min_subtasks})"]
    return []


def shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
