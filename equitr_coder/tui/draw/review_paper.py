"""What review shows of a plan: its values, head and tabs, and what the first `a` says."""

from collections.abc import Mapping
from enum import StrEnum

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.figures import limit
from equitr_coder.presentation.review import (
    DocumentName,
    Mark,
    MarkKind,
    Piece,
    Place,
    blocking,
    pieces_of,
    requirements_of,
)
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.presentation.text import plural, shown_on_one_line
from equitr_coder.tui.draw.documents import mark_rows
from equitr_coder.tui.draw.frame import head, paragraph, tabs


class ReviewTab(StrEnum):
    REQUIREMENTS = "requirements"
    DESIGN = "design"
    TODOS = "todos"
    GRAPH = "graph"
    CHECKS = "checks"
    RISKS = "risks"

    @property
    def document(self) -> DocumentName:
        """The one that a change of what it shows is a change of."""
        match self:
            case ReviewTab.REQUIREMENTS:
                return "requirements"
            case ReviewTab.DESIGN:
                return "design"
            case _:
                return "todos"


@frozen
class Paper:
    """All that review shows."""

    view: RunView
    marks: tuple[Mark, ...] = ()
    notes: Mapping[Place, str] | None = None
    """What the person wants changed, not sent yet."""

    @property
    def plan(self) -> Plan | None:
        return self.view.plan

    def note(self, place: Place | None) -> str:
        return (self.notes or {}).get(place, "") if place is not None else ""


@frozen
class Entry:
    """A line of the list: what it says, what a note on it is about, and where a jump to it leads."""

    line: Row
    place: Place | None = None
    task: TaskId | None = None
    piece: Piece | None = None
    mark: Mark | None = None


def review_head(paper: Paper, width: int) -> Row:
    view, plan = paper.view, paper.plan
    todos = view.documents.get("todos")
    version = f" · plan v{todos.revision}" if todos is not None else ""
    about = row(shown_on_one_line(plan.title) if plan is not None else "no plan yet", Span(version, Ink.DIM))
    if view.is_approved:
        return head("review", about, row(Span("approved", Ink.OK)), width)
    at = f"@{view.base_commit[:7]}" if view.base_commit else ""
    workers = plural(view.options.max_workers, "worker")
    branch = f", branch {view.base_branch}{at}" if view.base_branch else ""
    binds = f"approve binds: cap {limit(view.options.budget)}, {workers}, these checks{branch}"
    return head("review", about, row(Span(binds, Ink.DIM)), width)


def review_tabs(paper: Paper, chosen: ReviewTab, width: int) -> Row:
    """With what each holds; the word is capital where something blocks."""
    plan, documents = paper.plan, paper.view.documents
    waiting = {mark.kind for mark in blocking(paper.marks)}
    requirements = requirements_of(documents["requirements"].content) if "requirements" in documents else ()
    design = sections_of(documents["design"].content) if "design" in documents else ()
    todos = sum(len(task.todos) for task in plan.tasks) if plan is not None else 0
    tasks = plural(len(plan.tasks), "task") if plan is not None else "no tasks"
    unchecked = sum(mark.kind is MarkKind.UNCHECKED for mark in paper.marks)
    labels = {
        ReviewTab.REQUIREMENTS: (f" {len(requirements)}", MarkKind.UNCOVERED in waiting),
        ReviewTab.DESIGN: (f" {plural(len(design), 'part')}", False),
        ReviewTab.TODOS: (f" {tasks}, {plural(todos, 'todo')}", False),
        ReviewTab.GRAPH: ("", MarkKind.OVERLAP in waiting),
        ReviewTab.CHECKS: (f" {unchecked} missing" if unchecked else "", MarkKind.UNCHECKED in waiting),
        ReviewTab.RISKS: (f" {len(paper.marks)}" if paper.marks else "", bool(waiting)),
    }
    return tabs(
        [
            row(tab.value, Span(count, Ink.DIM), *([Span(" !", Ink.ASK, bold=True)] if is_waiting else []))
            for tab, (count, is_waiting) in labels.items()
        ],
        list(ReviewTab).index(chosen),
        width,
    )


def sections_of(content: str) -> tuple[Piece, ...]:
    """The headings of a document."""
    return tuple(piece for piece in pieces_of(content) if piece.level)


def approval_rows(paper: Paper, width: int) -> list[Row]:
    """What the first `a` shows when something stands in the way; nothing when nothing does."""
    waiting = blocking(paper.marks)
    if not waiting:
        return []
    head_ = row(Span(f" {plural(len(waiting), 'mark')} before you approve:", Ink.ASK, bold=True))
    rows = [head_, *(drawn for mark in waiting for drawn in mark_rows(mark, width))]
    said = f"{len(paper.notes)} of your notes are not sent; approval drops them. " if paper.notes else ""
    return [
        *rows,
        (),
        *paragraph(f"{said}a approves all the same, Esc goes back.", width, first=(Span(" "),), bold=True),
    ]


def notes_row(paper: Paper, width: int) -> Row:
    """How many notes wait, and how they are sent; empty without any."""
    if not paper.notes:
        return ()
    count = len(paper.notes)
    words = f" {plural(count, 'note')} not sent yet: R sends {'it' if count == 1 else 'them together'}"
    return fit(row(Span(words, Ink.ACCENT)), width, padded=False)


def why_empty(tab: ReviewTab) -> tuple[str, str]:
    match tab:
        case ReviewTab.REQUIREMENTS | ReviewTab.DESIGN:
            return f"{tab.value}.md has nothing to list.", "e edits it in $EDITOR, r asks the supervisor to change it."
        case ReviewTab.RISKS:
            return "Nothing stands in the way.", "a approves the plan."
        case ReviewTab.TODOS | ReviewTab.GRAPH | ReviewTab.CHECKS:
            return "There is no plan yet.", "It comes when the supervisor has what it needs; F2 shows the documents."
