"""A plan as a graph: layers left to right, who takes turns, what is promised, and whether many workers pay."""

from collections.abc import Sequence

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.task_graph import serial_advice, unordered_collisions
from equitr_coder.presentation.review import (
    critical_path,
    waves,
)
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.presentation.text import prose, shown_on_one_line
from equitr_coder.tui.draw.documents import estimate_rows
from equitr_coder.tui.draw.frame import nothing, paragraph
from equitr_coder.tui.draw.review_paper import Paper, ReviewTab, why_empty

_CELL = 22


def graph_rows(paper: Paper, width: int, *, selected: TaskId | None = None) -> list[Row]:
    """Layers left to right with who needs whom; where they do not fit, one layer under the other."""
    plan = paper.plan
    if plan is None:
        return nothing(*why_empty(ReviewTab.GRAPH), width)
    path = critical_path(plan)
    rows = [
        *paragraph(f"critical path {' > '.join(path)}", width, first=(Span(" "),), ink=Ink.ACCENT),
        (),
        *_layers(plan, width, selected, set(path)),
        (),
    ]
    clashes = unordered_collisions(plan)
    rows += [
        drawn
        for (one, other), what in clashes.items()
        for drawn in paragraph(
            f"{one} and {other} take turns: both claim {prose(what)}", width, first=(Span(" ! ", Ink.ASK, bold=True),)
        )
    ]
    if advice := serial_advice(plan):
        rows += paragraph(advice, width, first=(Span(" "),), ink=Ink.DIM)
    for point in plan.sync_points:
        to = ", ".join(point.consumers) or "nobody"
        words = prose(point.description or point.id)
        rows += paragraph(
            f'{point.producer} ──> {to}  "{words}" ({point.type.value})', width, first=(Span(" sync  ", Ink.DIM),)
        )
    return rows + estimate_rows(paper.view, width)


def _layers(plan: Plan, width: int, selected: TaskId | None, path: set[TaskId]) -> list[Row]:
    layers = waves(plan)
    if width < 60 or len(layers) * _CELL > width:
        return _stacked(plan, layers, width, selected, path)
    cell = min(40, width // len(layers))
    heads = [
        Span(f" {'start' if not number else f'then {number}':<{cell - 1}}", Ink.DIM) for number in range(len(layers))
    ]
    rows: list[Row] = [tuple(heads)]
    for line in range(max(map(len, layers))):
        spans: list[Span] = []
        for number, layer in enumerate(layers):
            if line >= len(layer):
                spans.append(Span(" " * cell))
                continue
            spans += _cell(plan, layer[line], cell, selected, path, has_arrow=number > 0)
        rows.append(tuple(spans))
    return rows


def _cell(
    plan: Plan, task: TaskId, cell: int, selected: TaskId | None, path: set[TaskId], *, has_arrow: bool
) -> Sequence[Span]:
    needs = ",".join(plan.task(task).needs)
    arrow = f"{needs} ──> " if has_arrow else " "
    if len(arrow) > cell // 2:
        arrow = f"{len(plan.task(task).needs)} tasks ──> "
    name = f"{task} {shown_on_one_line(plan.task(task).title)}"
    ink = Ink.ACCENT if task in path else Ink.TEXT
    body = fit(row(Span(arrow, Ink.DIM), Span(name, ink, bold=task == selected, reverse=task == selected)), cell - 1)
    return (*body, Span(" "))


def _stacked(
    plan: Plan, layers: Sequence[Sequence[TaskId]], width: int, selected: TaskId | None, path: set[TaskId]
) -> list[Row]:
    rows: list[Row] = []
    for number, layer in enumerate(layers):
        rows.append(row(Span(f" {'start' if not number else f'then {number}'}", Ink.DIM)))
        for task in layer:
            needs = plan.task(task).needs
            arrow = f"{', '.join(needs)} ──> " if needs else ""
            ink = Ink.ACCENT if task in path else Ink.TEXT
            name = Span(f"{task} {shown_on_one_line(plan.task(task).title)}", ink, reverse=task == selected)
            rows.append(fit(row("   ", Span(arrow, Ink.DIM), name), width, padded=False))
    return rows
