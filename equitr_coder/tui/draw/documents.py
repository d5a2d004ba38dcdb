"""The three planning documents as they fill: changed lines, problems, coverage, and what building them may cost."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from equitr_coder.domain.events import DocumentWritten
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.task_graph import serial_advice
from equitr_coder.presentation.cost_forecast import rests_on, with_what_is_left
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.review import (
    DOCUMENTS,
    DocumentName,
    Mark,
    blocking,
    critical_path,
    marks,
    pieces_of,
)
from equitr_coder.presentation.rows import Ink, Row, Span, apart, row
from equitr_coder.presentation.text import plural, prose
from equitr_coder.tui.draw.frame import nothing, paragraph, tabs

_HEADING = re.compile(r"^#{1,6}\s")
_FENCE = re.compile(r"^\s*(```|~~~)")
_INKS = {"+": Ink.OK, "-": Ink.BAD, " ": Ink.TEXT}
_NAMED = 6


def changed_lines(before: str | None, now: str) -> list[tuple[str, str]]:
    """Each line with `+`, `-` or a space. What nobody has looked at yet has no changes."""
    after = now.splitlines()
    if before is None:
        return [(" ", line) for line in after]
    lines: list[tuple[str, str]] = []
    old = before.splitlines()
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, after, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [(" ", line) for line in after[j1:j2]]
        else:
            lines += [("+", line) for line in after[j1:j2]] + [("-", line) for line in old[i1:i2]]
    return lines


def document_tabs(view: RunView, chosen: DocumentName, seen: Mapping[str, str], width: int) -> Row:
    """The names; `*` marks one that has changed since it was last looked at, a dim one is not written yet."""
    labels = []
    for name in DOCUMENTS:
        document = view.documents.get(name)
        if document is None:
            labels.append(row(Span(name, Ink.DIM)))
        else:
            is_new = name != chosen and seen.get(name) != document.content
            labels.append(row(name, *([Span(" *", Ink.ACCENT)] if is_new else [])))
    return tabs(labels, DOCUMENTS.index(chosen), width)


def document_rows(view: RunView, chosen: DocumentName, seen: Mapping[str, str], width: int) -> list[Row]:
    """The chosen document with a gutter of one column, and below it what review should know of it."""
    document = view.documents.get(chosen)
    if document is None:
        return nothing(f"{chosen}.md is not written yet.", _when(chosen), width)
    before = seen.get(chosen)
    lines = changed_lines(before, document.content)
    rows = [_title(document, lines, width), *_body(lines, width)]
    if changed := _changed_parts(document.content, lines):
        rows += [(), *paragraph(f"changed since you last looked: {changed}", width, first=(Span(" "),), ink=Ink.ACCENT)]
    if document.problems:
        rows.append(())
        for problem in document.problems:
            rows += paragraph(prose(problem), width, first=(Span(" ! ", Ink.BAD, bold=True),))
    if chosen == "todos":
        rows += planned_rows(view, width)
    return rows


def planned_rows(view: RunView, width: int) -> list[Row]:
    """What the plan amounts to, what it may cost, and what stands in the way of approval."""
    if view.plan is None:
        return []
    path = critical_path(view.plan)
    tasks, points = plural(len(view.plan.tasks), "task"), plural(len(view.plan.sync_points), "sync point")
    rows: list[Row] = [(), row(Span(" estimate", Ink.DIM), f"  {tasks}, {points}")]
    rows += paragraph(f"longest chain {len(path)}: {' > '.join(path)}", width, first=(Span("   "),))
    if (advice := serial_advice(view.plan)) != "":
        rows += paragraph(advice, width, first=(Span("   "),), ink=Ink.DIM)
    rows += estimate_rows(view, width)
    if found := marks(view):
        rows += [(), *(drawn for mark in found for drawn in mark_rows(mark, width))]
        waiting = len(blocking(found))
        if waiting:
            rows += paragraph(
                f"{plural(waiting, 'mark')} to look at before you approve (F4 reviews)",
                width,
                first=(Span(" "),),
                ink=Ink.DIM,
            )
    return rows


def estimate_rows(view: RunView, width: int) -> list[Row]:
    """`$1.10 - $1.90 (cap $5.00)`, and what that rests on."""
    forecast = with_what_is_left(view)
    if forecast is None:
        return []
    total = forecast.total
    ink = {"short": Ink.BAD, "tight": Ink.ASK}.get(forecast.verdict, Ink.TEXT)
    words = {"short": "not enough", "tight": "tight", "enough": "enough", "unlimited": "no limit"}[forecast.verdict]
    range_ = f"{dollars(total.low)} - {dollars(total.high)}, likely {dollars(total.likely)}"
    cap = f"  cap {limit(view.options.budget)}: {words}"
    rows = paragraph(range_ + cap, width, first=(Span("   "),), ink=ink)
    return rows + paragraph(rests_on(forecast), width, first=(Span("   "),), ink=Ink.DIM)


def mark_rows(mark: Mark, width: int) -> list[Row]:
    """`! no task  requirement without a task: ...`; the kind is a word too."""
    sign = Span(" ! ", Ink.ASK, bold=True) if mark.is_blocking else Span(" - ", Ink.DIM)
    kind = Span(f"{mark.kind.value}: ", Ink.ASK if mark.is_blocking else Ink.DIM)
    return paragraph(prose(mark.text), width, first=(sign, kind), indent=3)


def text_rows(lines: Sequence[tuple[str, str]], width: int) -> list[Row]:
    """Lines of Markdown with their gutter, for whoever shows a part of a document."""
    return list(_body(lines, width))


def _title(document: DocumentWritten, lines: Sequence[tuple[str, str]], width: int) -> Row:
    added, removed = sum(sign == "+" for sign, _ in lines), sum(sign == "-" for sign, _ in lines)
    change = (Span(f" +{added}", Ink.OK), Span(f" -{removed}", Ink.BAD)) if added or removed else ()
    by = "you" if document.by == "user" else document.by
    return apart(
        row(Span(f" {document.name}.md", Ink.DIM)), row(Span(f"v{document.revision} by {by}", Ink.DIM), *change), width
    )


def _body(lines: Sequence[tuple[str, str]], width: int) -> Iterator[Row]:
    is_code = False
    for sign, text in lines:
        is_fence = _FENCE.match(text) is not None
        ink = _INKS[sign]
        if sign == " " and (is_code or is_fence):
            ink = Ink.DIM
        if is_fence:
            is_code = not is_code
        is_heading = not is_code and _HEADING.match(text) is not None
        first = (Span(sign, _INKS[sign], bold=sign != " "),)
        yield from paragraph(prose(text), width, first=first, ink=ink, bold=is_heading)


def _changed_parts(content: str, lines: Sequence[tuple[str, str]]) -> str:
    """Numbers of the requirements, or else the headings, in which a line was added or left."""
    touched: set[int] = set()
    number = 0
    for sign, _ in lines:
        number += sign != "-"
        if sign != " ":
            touched.add(max(1, number))
    pieces = pieces_of(content)
    named: list[str] = []
    for line in sorted(touched):
        before = [piece for piece in pieces if piece.line <= line and (piece.number or piece.level)]
        if before:
            named.append(before[-1].number or before[-1].text)
    unique = list(dict.fromkeys(named))
    more = f" and {len(unique) - _NAMED} more" if len(unique) > _NAMED else ""
    return f"{', '.join(unique[:_NAMED])}{more}"


def _when(name: DocumentName) -> str:
    match name:
        case "requirements":
            return "The supervisor writes it when it knows enough; answer its questions on the left."
        case "design":
            return "It follows the requirements."
        case "todos":
            return "It is made of the plan, which comes last."
