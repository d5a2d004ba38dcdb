"""The list on the left of review: requirements, sections, tasks, checks or risks, one a line."""

from equitr_coder.domain.epic import Task
from equitr_coder.presentation.review import (
    DocumentName,
    Mark,
    MarkKind,
    Piece,
    Place,
    blocking,
    covering,
    requirements_of,
)
from equitr_coder.presentation.rows import Ink, Span, apart, fit, row
from equitr_coder.presentation.text import shorten, shown_on_one_line
from equitr_coder.tui.draw.review_paper import Entry, Paper, ReviewTab, sections_of


def review_entries(paper: Paper, tab: ReviewTab, width: int) -> list[Entry]:
    """One for each line of the list; `width` is that of the list."""
    plan, documents = paper.plan, paper.view.documents
    room = max(10, width - 3)
    match tab:
        case ReviewTab.REQUIREMENTS:
            content = documents["requirements"].content if "requirements" in documents else ""
            return [_requirement(paper, piece, room) for piece in requirements_of(content)]
        case ReviewTab.DESIGN:
            content = documents["design"].content if "design" in documents else ""
            return [_section(paper, piece) for piece in sections_of(content)]
        case ReviewTab.TODOS | ReviewTab.GRAPH:
            return [_task(paper, task, room) for task in plan.tasks] if plan is not None else []
        case ReviewTab.CHECKS:
            return [_check(paper, task, room) for task in plan.tasks] if plan is not None else []
        case ReviewTab.RISKS:
            return [_risk(mark) for mark in paper.marks]


def _requirement(paper: Paper, piece: Piece, room: int) -> Entry:
    place = Place("requirements", piece.number or shorten(piece.text, 60))
    mark = _mark_at(paper, "requirements", piece)
    tasks = covering(paper.plan, piece.number) if paper.plan is not None else ()
    covered = Span("no task !", Ink.ASK) if mark is not None else Span(" ".join(tasks), Ink.DIM)
    line = apart(row(_noted(paper, place), shown_on_one_line(piece.text)), row(covered), room)
    return Entry(line, place, tasks[0] if tasks else None, piece, mark)


def _section(paper: Paper, piece: Piece) -> Entry:
    place = Place("design", piece.text)
    return Entry(row(_noted(paper, place), "  " * (piece.level - 1), shown_on_one_line(piece.text)), place, piece=piece)


def _task(paper: Paper, task: Task, room: int) -> Entry:
    place = Place("todos", task.id)
    flags = [mark for mark in blocking(paper.marks) if task.id in mark.tasks]
    right = row(Span(task.specialization, Ink.DIM), *([Span(" !", Ink.ASK, bold=True)] if flags else []))
    title = row(_noted(paper, place), f"{task.id} {shown_on_one_line(task.title)}")
    return Entry(apart(title, right, room), place, task.id, mark=flags[0] if flags else None)


def _check(paper: Paper, task: Task, room: int) -> Entry:
    place = Place("todos", task.id)
    check = (
        Span(shown_on_one_line(task.check))
        if task.check
        else Span("none", Ink.ASK if not task.check_waived else Ink.DIM)
    )
    return Entry(fit(row(_noted(paper, place), f"{task.id:<4} ", check), room, padded=False), place, task.id)


def _risk(mark: Mark) -> Entry:
    ink = Ink.ASK if mark.is_blocking else Ink.DIM
    sign = "!" if mark.is_blocking else "-"
    place = Place(mark.document or "todos", mark.tasks[0] if mark.tasks else shorten(mark.text, 60))
    line = row(
        Span(f"{sign} ", ink, bold=mark.is_blocking), Span(f"{mark.kind.value}: ", ink), shown_on_one_line(mark.text)
    )
    return Entry(line, place, mark.tasks[0] if mark.tasks else None, mark=mark)


def _noted(paper: Paper, place: Place) -> Span:
    return Span("r ", Ink.ACCENT, bold=True) if paper.note(place) else Span("")


def _mark_at(paper: Paper, document: DocumentName, piece: Piece) -> Mark | None:
    for mark in paper.marks:
        if mark.kind is MarkKind.UNCOVERED and mark.document == document:
            is_here = mark.line == piece.line if mark.line is not None else _names(mark.text, piece.number)
            if is_here:
                return mark
    return None


def _names(text: str, number: str) -> bool:
    return bool(number) and f"requirement {number}:" in text
