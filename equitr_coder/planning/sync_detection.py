"""Sync points that a plan implies without naming them: a data layer promises its schema to the API on top of it, an API
its contract to the front end. Pure and cautious: only by type and specialization of tasks, only along `needs`.
"""

import re
from collections.abc import Iterable, Mapping

from equitr_coder.domain.epic import ArtifactType, Plan, SyncPoint, Task

_LAYERS: Mapping[str, frozenset[str]] = {
    "data": frozenset({"database", "db", "schema", "schemas", "data", "datamodel", "model", "models", "migration"})
    | {"migrations", "persistence", "storage", "sql", "orm"},
    "api": frozenset(
        {"api", "apis", "rest", "graphql", "grpc", "backend", "server", "endpoint", "endpoints", "service"}
    )
    | {"services", "microservice"},
    "front": frozenset(
        {"frontend", "ui", "web", "webapp", "client", "mobile", "gui", "spa", "react", "vue", "angular"}
    ),
}
_PROMISES = (
    ("data", "api", ArtifactType.SCHEMAS, "data schema"),
    ("api", "front", ArtifactType.CONTRACTS, "API contract"),
)
MARK = "Detected from the plan:"
"""How the description of a detected sync point begins."""


def with_detected(plan: Plan, types: Iterable[ArtifactType]) -> Plan:
    """With the sync points it implies between tasks that share none yet; a plan that has them stays as it is."""
    found = detect(plan, types)
    return plan.model_copy(update={"sync_points": (*plan.sync_points, *found)}) if found else plan


def detect(plan: Plan, types: Iterable[ArtifactType]) -> tuple[SyncPoint, ...]:
    """One for each task that others build on, in plan order."""
    allowed = set(types)
    shared = {(point.producer, consumer) for point in plan.sync_points for consumer in point.consumers}
    taken = {point.id.casefold() for point in plan.sync_points}
    found: list[SyncPoint] = []
    for task in plan.tasks:
        for below, above, kind, words in _PROMISES:
            consumers = tuple(
                other.id
                for other in plan.tasks
                if task.id in other.needs and layer(other) == above and (task.id, other.id) not in shared
            )
            if layer(task) != below or not consumers or kind not in allowed:
                continue
            number = next(n for n in range(1, len(taken) + 2) if f"s{n}" not in taken)
            taken.add(f"s{number}")
            found.append(
                SyncPoint(
                    id=f"S{number}",
                    type=kind,
                    description=f"{MARK} the {words} of {task.id} ({task.title})",
                    producer=task.id,
                    consumers=consumers,
                    detected=True,
                )
            )
    return tuple(found)


def layer(task: Task) -> str:
    """By its type, which says more than who does it; empty when neither tells."""
    for text in (task.type, task.specialization):
        words = set(re.split(r"[^a-z]+", text.lower()))
        fitting = [name for name, known in _LAYERS.items() if words & known]
        if len(fitting) == 1:
            return fitting[0]
    return ""
