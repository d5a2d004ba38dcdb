"""A plan for review: its tasks with count, order, checks and footprints, its sync points and its gaps."""

from collections.abc import Sequence
from textwrap import wrap

from equitr_coder.domain.epic import Plan, Task, agent_names
from equitr_coder.domain.footprint import claim_of
from equitr_coder.domain.forecasts import Forecast
from equitr_coder.domain.planned_commands import Standing, commands_of
from equitr_coder.domain.task_graph import serial_advice, unordered_collisions
from equitr_coder.presentation.cost_forecast import forecast_lines
from equitr_coder.presentation.footprint import unsaid_lines
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, plural, prose, visible
from equitr_coder.presentation.wrapping import chunked

_UNASKED = "Approving it lets these run in the sandbox without asking, as they stand:"
_MARGIN = "      "
_TURNS = 8
"""Pairs of tasks that are named."""


def plan_lines(
    plan: Plan,
    *,
    gaps: Sequence[str] = (),
    forecast: Forecast | None = None,
    standing: Standing | None = None,
    width: int | None = None,
) -> list[Line]:
    """The overview: one row per task, sync points, what will run unasked, what review should look at, and what it may
    cost.
    """
    names = agent_names(plan)
    header = ("task", "title", "priority", "agent", "needs", "check")
    rows = [
        (task.id, prose(task.title), task.priority.value, names[task.id], _needs(task), prose(task.check or "none"))
        for task in plan.tasks
    ]
    head, *body = table(rows, header=header, width=width, spare=(3, 2))
    lines = [
        Line(f"Plan: {prose(plan.title)}", Tone.STRONG),
        Line(f"Created {plural(len(plan.tasks), 'task')}"),
        Line(head, Tone.DIM),
        *(Line(row) for row in body),
    ]
    for point in plan.sync_points:
        consumers = ", ".join(point.consumers) or "nobody"
        words = f": {prose(point.description)}" if point.description else ""
        lines.append(Line(f"  sync {point.id} ({point.type.value}) {point.producer} -> {consumers}{words}"))
    lines += [
        Line(f"  {one} and {other} take turns: both claim {prose(what)}")
        for (one, other), what in list(unordered_collisions(plan).items())[:_TURNS]
    ]
    lines += unsaid_lines(plan)
    if advice := serial_advice(plan):
        lines.append(Line(f"{advice[0].upper()}{advice[1:]}"))
    lines += command_lines(plan, standing or Standing(), width=width)
    lines += [Line(f"! look at: {prose(gap)}", Tone.WARN) for gap in gaps]
    return lines + (forecast_lines(forecast) if forecast is not None else [])


def command_lines(plan: Plan, standing: Standing, *, width: int | None = None) -> list[Line]:
    """What approving the plan lets run in the sandbox without another question: exactly these, for exactly these tasks.
    Every character of them shows.
    """
    rows = [("each worktree", standing.setup)] if standing.setup is not None else []
    rows += [(task.id, command) for task in plan.tasks for command in commands_of(task, standing)]
    rows += [(f"after an edit of {visible(glob)}", command) for glob, command in standing.after_edit]
    if not rows:
        return []
    lines = [Line(text) for text in wrap(_UNASKED, width or len(_UNASKED))]
    for what, command in rows:
        text = f"  {what}  {visible(command)}"
        first, *rest = chunked(text, width) if width is not None else [text]
        lines.append(Line(first))
        if rest and width is not None:
            lines += [Line(f"{_MARGIN}{part}") for part in chunked("".join(rest), width - len(_MARGIN))]
    return lines


def task_lines(plan: Plan, task: Task) -> list[Line]:
    """One task in full, with the continuous numbers of its todos."""
    numbers = plan.todo_numbers[task.id]
    lines = [Line(f"{task.id} {prose(task.title)} ({task.priority.value}, {task.type})", Tone.STRONG)]
    lines += [Line(f"  {text}") for text in prose(task.description).splitlines()]
    lines.append(Line(f"  needs  {_needs(task)}"))
    claim = claim_of(task)
    lines.append(Line(f"  files  {', '.join(claim.shown) or 'not said'}"))
    if claim.resources:
        lines.append(Line(f"  alone  {', '.join(claim.resources.values())}"))
    lines.append(Line(f"  check  {prose(task.check or 'none')}"))
    more = (
        ("why this check", task.check_reason),
        ("runs unasked", "; ".join(map(visible, task.commands))),
        ("symbols", ", ".join(task.symbols)),
        ("resources", ", ".join(task.resources)),
        ("covers", ", ".join(task.covers)),
    )
    lines += [Line(f"  {name}  {prose(value)}") for name, value in more if value]
    lines += [Line(f"  {number:>3}. {prose(todo)}") for number, todo in zip(numbers, task.todos, strict=True)]
    return lines


def _needs(task: Task) -> str:
    return ", ".join(task.needs) or "-"
