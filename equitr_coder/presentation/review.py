"""What stands between a plan and its approval, and what its parts mean for each other. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Literal

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.forecasts import TaskForecast
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.queries import ModelsAnswer
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.task_graph import chain_lengths, collisions, prerequisites, unordered_collisions

DocumentName = Literal["requirements", "design", "todos"]
DOCUMENTS: tuple[DocumentName, ...] = ("requirements", "design", "todos")
UNCOVERED = ("requirement without a task", "no task covers requirement")
"""How a gap about a requirement that no task fulfils begins."""
UNCHECKED = "has no check"
"""In a gap about a task that nothing proves."""
_TAKES_TURNS = "run one after the other"
_ITEM = re.compile(
    r"^\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]?\]\s+)?(?P<text>\S.*)$|^(?P<bare>(?:FR|NFR|REQ|R)[- ]?\d\S*\s.+)$"
)
_NUMBER = re.compile(r"^\**(?P<number>(?:FR|NFR|REQ|R)[- ]?\d+(?:\.\d+)*|\d+(?:\.\d+)+)\b")
_HEADING = re.compile(r"^(?P<level>#{1,6})\s+(?P<text>.*?)\s*#*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


class MarkKind(StrEnum):
    UNCOVERED = "uncovered"
    OVERLAP = "overlap"
    UNCHECKED = "unchecked"
    UNPRICED = "unpriced"
    NOTE = "note"
    """Worth a look, and nothing that holds up approval."""


@frozen
class Mark:
    kind: MarkKind
    text: str
    tasks: tuple[TaskId, ...] = ()
    """Whom it concerns, first the one to jump to."""
    document: DocumentName | None = None
    line: int | None = None
    """In the document, from 1."""

    @property
    def is_blocking(self) -> bool:
        """Approval needs a second word."""
        return self.kind is not MarkKind.NOTE


@frozen
class Piece:
    """A heading or an item of a document."""

    line: int
    level: int
    """Of a heading; 0 of an item."""
    text: str
    number: str = ""
    """Of a requirement, as it is written."""


def marks(view: RunView, models: ModelsAnswer | None = None) -> tuple[Mark, ...]:
    """Blocking ones first: requirements without a task, overlaps, tasks without a check, unknown prices."""
    plan = view.plan
    if plan is None:
        return ()
    found = [_of_gap(gap, plan) for gap in view.gaps if _TAKES_TURNS not in gap]
    found += [
        Mark(MarkKind.OVERLAP, f"{one} and {other} both claim {what}: they run one after the other", (one, other))
        for (one, other), what in unordered_collisions(plan).items()
    ]
    if models is not None and view.options.budget is not None:
        unpriced = dict.fromkeys(
            model.name for model in models.configured if model.name is not None and model.price is None
        )
        found += [
            Mark(MarkKind.UNPRICED, f"the price of {name} is unknown: its calls are refused") for name in unpriced
        ]
    order = list(MarkKind)
    return tuple(sorted(found, key=lambda mark: order.index(mark.kind)))


def _of_gap(gap: str, plan: Plan) -> Mark:
    named = tuple(task.id for task in plan.tasks if re.search(rf"(?<![\w.-]){re.escape(task.id)}(?![\w-])", gap))
    if gap.startswith(UNCOVERED):
        line = re.search(r"requirements\.md, line (\d+)", gap)
        return Mark(MarkKind.UNCOVERED, gap, named, "requirements", int(line[1]) if line else None)
    if UNCHECKED in gap:
        return Mark(MarkKind.UNCHECKED, gap, named)
    return Mark(MarkKind.NOTE, gap, named)


def pieces_of(content: str) -> tuple[Piece, ...]:
    """Headings and items of a Markdown document in order; nothing inside fenced code."""
    found: list[Piece] = []
    is_code = False
    for line, text in enumerate(content.splitlines(), 1):
        if _FENCE.match(text):
            is_code = not is_code
        elif is_code:
            continue
        elif heading := _HEADING.match(text):
            found.append(Piece(line, len(heading["level"]), heading["text"]))
        elif item := _ITEM.match(text):
            said = (item["text"] or item["bare"]).strip()
            number = _NUMBER.match(said)
            found.append(Piece(line, 0, said, number["number"] if number else ""))
    return tuple(found)


def requirements_of(content: str) -> tuple[Piece, ...]:
    """The items that are requirements: the numbered ones where there are any, else all."""
    items = [piece for piece in pieces_of(content) if not piece.level]
    return tuple([piece for piece in items if piece.number] or items)


def covering(plan: Plan, number: str) -> tuple[TaskId, ...]:
    """Tasks that say they fulfil the requirement, by its own number or that of a section it stands in."""
    parts = number.split(".")
    names = {_folded(".".join(parts[:length])) for length in range(1, len(parts) + 1)} if number else set()
    return tuple(task.id for task in plan.tasks if names & {_folded(covered) for covered in task.covers})


def _folded(number: str) -> str:
    return re.sub(r"[- ]", "", number).upper()


# ---------------------------------------------------------------- one task among the others


@frozen
class Company:
    """What a task means for the others, and they for it."""

    needs: tuple[TaskId, ...]
    unlocks: tuple[TaskId, ...]
    beside: tuple[TaskId, ...]
    """Those that may be at work at the same time."""
    turns: tuple[tuple[TaskId, str], ...]
    """Those that may not though nothing orders them, each with what both claim."""
    chain: int
    """Todos, or tasks without any, on the longest way from it to the end."""


def company(plan: Plan, task: Task) -> Company:
    before = prerequisites(plan)
    unordered = unordered_collisions(plan)
    together = collisions(plan)
    others = [
        other.id
        for other in plan.tasks
        if other.id != task.id and other.id not in before[task.id] and task.id not in before[other.id]
    ]
    return Company(
        needs=task.needs,
        unlocks=tuple(other.id for other in plan.tasks if task.id in other.needs),
        beside=tuple(other for other in others if _pair(plan, task.id, other) not in together),
        turns=tuple((other, unordered[pair]) for other in others if (pair := _pair(plan, task.id, other)) in unordered),
        chain=chain_lengths(plan)[task.id],
    )


def _pair(plan: Plan, one: TaskId, other: TaskId) -> tuple[TaskId, TaskId]:
    order = [task.id for task in plan.tasks]
    return (one, other) if order.index(one) < order.index(other) else (other, one)


def waves(plan: Plan) -> list[tuple[TaskId, ...]]:
    """Tasks by how many others must be done before them at least: what stands in one wave could start together."""
    depth: dict[TaskId, int] = {}
    left = list(plan.tasks)
    while left:
        ready = [task for task in left if all(need in depth for need in task.needs)]
        if not ready:
            break  # a cycle is refused before a plan is ever shown
        for task in ready:
            depth[task.id] = 1 + max((depth[need] for need in task.needs), default=-1)
        left = [task for task in left if task.id not in depth]
    return [
        tuple(task.id for task in plan.tasks if depth.get(task.id) == level)
        for level in range(max(depth.values(), default=-1) + 1)
    ]


def critical_path(plan: Plan) -> tuple[TaskId, ...]:
    """The longest chain of tasks by their todos, first to last."""
    lengths = chain_lengths(plan)
    path: list[TaskId] = []
    candidates: Iterable[TaskId] = [task.id for task in plan.tasks if not task.needs]
    while candidates := list(candidates):
        longest = max(candidates, key=lambda task: lengths[task])
        path.append(longest)
        candidates = [task.id for task in plan.tasks if longest in task.needs]
    return tuple(path)


def forecast_of(view: RunView, task: TaskId) -> TaskForecast | None:
    tasks = view.forecast.tasks if view.forecast is not None else ()
    return next((forecast for forecast in tasks if forecast.task == task), None)


# ---------------------------------------------------------------- notes


@frozen
class Place:
    """What a note is about."""

    document: DocumentName
    about: str
    """As the planner can find it: a task id, the number or the words of a requirement, a heading."""


def revisions(notes: Mapping[Place, str]) -> list[tuple[DocumentName, str]]:
    """One request for each document that has notes, in the order in which documents follow from each other."""
    found: list[tuple[DocumentName, str]] = []
    for name in DOCUMENTS:
        mine = [(place.about, " ".join(text.split())) for place, text in notes.items() if place.document == name]
        if mine:
            found.append((name, "\n".join(_note(about, text, is_only=len(mine) == 1) for about, text in mine)))
    return found


def _note(about: str, text: str, *, is_only: bool) -> str:
    said = f"{about}: {text}" if about else text
    return said if is_only else f"- {said}"


def blocking(found: Sequence[Mark]) -> tuple[Mark, ...]:
    """Those that need a second word."""
    return tuple(mark for mark in found if mark.is_blocking)
