"""The right side of review: what the chosen line stands for, and what it means for the others."""

from equitr_coder.domain.epic import Task, agent_names
from equitr_coder.domain.footprint import claim_of
from equitr_coder.domain.planned_commands import Standing, commands_of
from equitr_coder.presentation.figures import dollars
from equitr_coder.presentation.review import (
    DocumentName,
    Mark,
    MarkKind,
    company,
    covering,
    forecast_of,
    pieces_of,
)
from equitr_coder.presentation.rows import Ink, Row, Span, apart, row, width_of
from equitr_coder.presentation.states import sync_state
from equitr_coder.presentation.text import plural, prose, shown_on_one_line, visible
from equitr_coder.tui.draw.documents import mark_rows, text_rows
from equitr_coder.tui.draw.frame import labelled, nothing, paragraph
from equitr_coder.tui.draw.review_paper import Entry, Paper, ReviewTab, why_empty


def review_detail(paper: Paper, tab: ReviewTab, entry: Entry | None, width: int) -> list[Row]:
    """What the chosen line stands for; with nothing chosen, why there is nothing."""
    if entry is None:
        return nothing(*why_empty(tab), width)
    rows: list[Row] = []
    if note := paper.note(entry.place):
        rows += paragraph(prose(note), width, first=(Span(" note (you)  ", Ink.ACCENT),), indent=3)
        rows.append(())
    plan = paper.plan
    match tab:
        case ReviewTab.REQUIREMENTS | ReviewTab.DESIGN:
            return rows + _part(paper, tab.document, entry, width)
        case ReviewTab.RISKS if entry.mark is not None:
            rows += [*mark_rows(entry.mark, width), ()]
            rows += paragraph(_why(entry.mark), width, first=(Span(" "),), ink=Ink.DIM)
    if plan is not None and entry.task is not None:
        rows += [()] if rows and rows[-1] else []
        return rows + task_rows(paper, plan.task(entry.task), width)
    return rows


def task_rows(paper: Paper, task: Task, width: int) -> list[Row]:
    """One task in full: its place among the others, its todos with their numbers, its cost, and why it waits."""
    plan = paper.plan
    assert plan is not None
    around, claim = company(plan, task), claim_of(task)
    who = f"{agent_names(plan)[task.id]} · {task.priority.value}"
    rows = paragraph(f" {task.id}  {shown_on_one_line(task.title)}", width, bold=True, indent=2)
    if len(rows) == 1 and width_of(rows[0]) + len(who) < width:
        rows = [apart(rows[0], row(Span(who, Ink.DIM)), width)]
    else:
        rows += labelled("worker", who, width)
    if task.description.strip():
        rows += paragraph(prose(task.description.strip()), width, first=(Span(" "),))
    rows += labelled("needs", ", ".join(task.needs) or "nothing: it starts at once", width)
    rows += labelled("unlocks", ", ".join(around.unlocks) or "nothing", width)
    rows += labelled("files", ", ".join(map(prose, claim.shown)) or "not said: nothing keeps others away", width)
    if claim.resources:
        rows += labelled("alone", ", ".join(map(prose, claim.resources.values())), width)
    rows += _sync_rows(paper, task, width)
    rows += labelled(
        "check",
        prose(task.check or "none: its result will be unchecked"),
        width,
        ink=Ink.TEXT if task.check else Ink.ASK,
    )
    if task.check_reason:
        rows += labelled("why", prose(task.check_reason), width, ink=Ink.DIM)
    rows += _command_rows(paper, task, width)
    for number, (todo, count) in enumerate(zip(task.todos, plan.todo_numbers[task.id], strict=True)):
        rows += paragraph(
            f"[ ] {count}. {prose(todo)}", width, first=(Span(f" {'todos' if not number else '':<8}", Ink.DIM),)
        )
    if task.covers:
        rows += labelled("covers", ", ".join(map(prose, task.covers)), width)
    rows += _cost_rows(paper, task, width)
    rows += labelled("beside", ", ".join(around.beside) or "nothing: it runs alone", width)
    for other, what in around.turns:
        rows += paragraph(
            f"overlaps {other} in {prose(what)}: they run one after the other",
            width,
            first=(Span(" ! ", Ink.ASK, bold=True),),
        )
    for mark in paper.marks:
        if task.id in mark.tasks and mark.kind is not MarkKind.OVERLAP:
            rows += mark_rows(mark, width)
    return rows


def _command_rows(paper: Paper, task: Task, width: int) -> list[Row]:
    """What the approval lets run for it without another question, beside the check that is shown above."""
    standing = paper.view.standing or Standing()
    own = [visible(command) for command in commands_of(task, standing) if command != task.check]
    rows: list[Row] = []
    if standing.setup is not None:
        rows += labelled("set-up", visible(standing.setup), width)
    for number, command in enumerate(own):
        rows += labelled("runs" if not number else "", command, width)
    for glob, command in standing.after_edit:
        rows += labelled("edits", f"{visible(command)} after one of {visible(glob)}", width)
    return rows


def _sync_rows(paper: Paper, task: Task, width: int) -> list[Row]:
    plan = paper.plan
    assert plan is not None
    rows: list[Row] = []
    for point in plan.produced_by(task.id):
        to = ", ".join(point.consumers) or "nobody"
        rows += labelled(
            "sync",
            f'produces "{prose(point.description or point.id)}" for {to} ({sync_state(point, paper.view)})',
            width,
        )
    for point in plan.consumed_by(task.id):
        state = sync_state(point, paper.view)
        rows += labelled(
            "sync", f'consumes "{prose(point.description or point.id)}" from {point.producer} ({state})', width
        )
    return rows


def _cost_rows(paper: Paper, task: Task, width: int) -> list[Row]:
    forecast = forecast_of(paper.view, task.id)
    if forecast is None:
        return labelled("est.", "unknown", width)
    basis = f"{plural(forecast.past_tasks, 'past task')}" if forecast.past_tasks else "a prior, not experience"
    cost = forecast.cost
    return labelled(
        "est.", f"{dollars(cost.low)} - {dollars(cost.high)}, likely {dollars(cost.likely)} ({basis})", width
    )


def _part(paper: Paper, document: DocumentName, entry: Entry, width: int) -> list[Row]:
    """The requirement or section with what follows it up to the next one, and who takes care of it."""
    assert entry.piece is not None
    content = paper.view.documents[document].content
    level = entry.piece.level
    later = [
        piece.line
        for piece in pieces_of(content)
        if piece.line > entry.piece.line and (piece.level if level else True) and (piece.level or 1) <= (level or 6)
    ]
    lines = content.splitlines()[entry.piece.line - 1 : later[0] - 1 if later else None]
    while lines and not lines[-1].strip():
        lines.pop()
    rows = text_rows([(" ", line) for line in lines], width)
    if document == "requirements" and paper.plan is not None:
        tasks = covering(paper.plan, entry.piece.number)
        named = ", ".join(f"{task} {shown_on_one_line(paper.plan.task(task).title)}" for task in tasks)
        rows += [(), *labelled("tasks", named or "none names its number", width)]
    if entry.mark is not None:
        rows += [(), *mark_rows(entry.mark, width)]
    for problem in paper.view.documents[document].problems:
        rows += paragraph(prose(problem), width, first=(Span(" ! ", Ink.BAD, bold=True),))
    return rows


def _why(mark: Mark) -> str:
    match mark.kind:
        case MarkKind.UNCOVERED:
            return "Nobody would build it. r asks for a task, e edits todos.md: a task may say `Covers:`."
        case MarkKind.OVERLAP:
            return (
                "They are correct one after the other, and slower than side by side. A narrower `Files:` lets both run."
            )
        case MarkKind.UNCHECKED:
            return "Its result would be unchecked, which is never shown as done with a receipt. Give it a `Check:`."
        case MarkKind.UNPRICED:
            return "A call without a known price is refused under a budget. F7 shows the line to add to the settings."
        case MarkKind.NOTE:
            return "Worth a look; approval does not wait for it."
