"""The list of runs, and what is known of the chosen one."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.models import AssistantMessage, UserMessage
from equitr_coder.domain.queries import RunSummary
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.presentation.figures import dollars, limit, since
from equitr_coder.presentation.rows import Ink, Row, Span, beside, fit, row
from equitr_coder.presentation.text import first_line, plural, prose, shown_on_one_line
from equitr_coder.tui.draw.frame import head, labelled, nothing, paragraph

_INKS = {
    RunState.COMPLETED: Ink.OK,
    RunState.FAILED: Ink.BAD,
    RunState.CANCELLED: Ink.DIM,
    RunState.PAUSED: Ink.ACCENT,
}
_YESTERDAY = timedelta(days=1)
_WEEK = timedelta(days=7)


def sessions_head(typed: str, shown: int, known: int, width: int, *, is_everywhere: bool, is_typing: bool) -> Row:
    """` SESSIONS  filter: csv_      2 of 41     this workspace | all`."""
    cursor = Span("_", Ink.ACCENT) if is_typing else Span("")
    about = (
        row(Span("filter: ", Ink.DIM), shown_on_one_line(typed), cursor)
        if typed or is_typing
        else row(Span("/ filters", Ink.DIM))
    )
    here = Span("this workspace", Ink.DIM if is_everywhere else Ink.TEXT, underline=not is_everywhere)
    all_ = Span("all", Ink.TEXT if is_everywhere else Ink.DIM, underline=is_everywhere)
    count = f"{shown} of {known}   " if shown != known else f"{plural(known, 'run')}   "
    return head("sessions", about, row(Span(count, Ink.DIM), here, Span(" | ", Ink.DIM), all_), width)


def wanted(runs: Sequence[RunSummary], typed: str) -> list[RunSummary]:
    """Those in whose names, title, state or phase every typed word stands; newest use first."""
    words = typed.casefold().split()
    kept = [run for run in runs if all(word in _searched(run) for word in words)]
    return sorted(kept, key=lambda run: run.last, reverse=True)


def _searched(run: RunSummary) -> str:
    return f"{run.run} {run.epic or ''} {run.title} {run.kind} {run.state} {run.phase} {run.workspace}".casefold()


def sessions_rows(
    runs: Sequence[RunSummary], now: datetime, width: int, *, is_everywhere: bool = False, typed: str = ""
) -> list[Row]:
    """One a run: name, title, state in words, tasks, cost, age. Narrow screens keep name, title, state and age."""
    if not runs:
        if typed:
            return nothing(f"No run has {typed!r} in its name, title or state.", "Esc clears the filter.", width)
        return nothing("No runs here yet.", "Say what you want built: the prompt is below.", width)
    return [_session_row(run, now, width, is_everywhere=is_everywhere) for run in runs]


def _session_row(run: RunSummary, now: datetime, width: int, *, is_everywhere: bool) -> Row:
    name = row(str(run.epic or run.run))
    state = row(_state(run))
    tasks = row(f"{run.done}/{run.tasks}" if run.tasks else "-")
    cost = row(f"{dollars(run.usd)} of {limit(run.budget)}")
    age = row(Span(when(run.last, now), Ink.DIM))
    title = row(shown_on_one_line(run.title))
    if width < 60:
        return beside([(name, 9), (title, max(8, width - 9 - 19 - 2)), (state, 19)], gap=" ")
    columns = [(name, 12), (state, 20), (age, 12)]
    if width >= 76:
        columns.insert(2, (tasks, 7))
    if width >= 96:
        columns.insert(3, (cost, 20))
    if is_everywhere and width >= 110:
        columns.append((row(Span(prose(run.workspace), Ink.DIM)), 26))
    room = width - sum(size for _, size in columns) - len(columns)
    columns.insert(1, (title, max(8, room)))
    return beside(columns, gap=" ")


def _state(run: RunSummary) -> Span:
    if run.is_broken_off:
        return Span("! broken off", Ink.ASK)
    if run.alive:
        return Span(f"> {run.phase}", Ink.ACCENT)
    glyph = {RunState.COMPLETED: "+", RunState.FAILED: "x", RunState.CANCELLED: "-", RunState.PAUSED: "="}
    ink = Ink.ASK if run.phase == "awaiting approval" else _INKS.get(run.state, Ink.TEXT)
    return Span(f"{glyph.get(run.state, '.')} {run.phase}", ink)


def when(then: datetime, now: datetime) -> str:
    """`12 min ago`, `yesterday`, `Mon`, `3 Feb`: as short as it can be told."""
    gap = now - then
    if gap < _YESTERDAY:
        return since(gap)
    if gap < 2 * _YESTERDAY:
        return "yesterday"
    return f"{then:%a}" if gap < _WEEK else f"{then.day} {then:%b}" + (f" {then.year}" if then.year != now.year else "")


def session_detail(run: RunSummary | None, view: RunView | None, width: int, *, here: str = "") -> list[Row]:
    """The last words of the run, what is kept, and what resuming would do. `view` is None while it is being read."""
    if run is None:
        return []
    rows = [row(" ", Span(f"{run.epic or run.run}  {shown_on_one_line(run.title)}", bold=True))]
    if run.epic:
        rows += labelled("run", run.run, width)
    if here and run.workspace and run.workspace != here:
        rows += labelled("where", prose(run.workspace), width)
        rows += paragraph(
            f"another workspace: cd {prose(run.workspace)} && equitrcoder resume {run.epic or run.run}",
            width,
            first=(Span(" "),),
            ink=Ink.DIM,
        )
    if view is None:
        return [*rows, row(Span(" reading...", Ink.DIM))]
    who, words = last_words(view)
    if words:
        rows += labelled("last", f'{who}: "{words}"', width)
    if view.detail:
        rows += labelled("why", prose(view.detail), width)
    rows += labelled("models", _models(view), width)
    if view.tasks:
        counts = [f"{view.count(state)} {state.value}" for state in TaskState if view.count(state)]
        rows += labelled("tasks", ", ".join(counts), width)
    kept = [task.worktree for task in view.tasks.values() if task.worktree and task.state is not TaskState.DONE]
    if kept and not view.state.is_final:
        rows += labelled("kept", plural(len(set(kept)), "worktree"), width)
    rows += labelled("Enter", _resuming(run, view), width)
    return rows


def last_words(view: RunView) -> tuple[str, str]:
    """Who spoke last, and the first line of that."""
    if view.content.strip():
        return "result", first_line(prose(view.content))
    for session in reversed(list(view.sessions.values())):
        for message in reversed(session.messages):
            if isinstance(message, AssistantMessage) and message.text.strip():
                return session.agent, first_line(prose(message.text))
            if isinstance(message, UserMessage) and session.agent != "worker" and view.kind is RunKind.CHAT:
                return "you", first_line(prose(message.text))
    return "you", first_line(prose(view.request))


def _models(view: RunView) -> str:
    names = [("supervisor", view.supervisor_model), ("worker", view.worker_model)]
    return ", ".join(f"{role} {prose(name)}" for role, name in names if name) or "not known"


def _resuming(run: RunSummary, view: RunView) -> str:
    if run.alive:
        return "shows it: it is at work"
    if view.kind is RunKind.CHAT:
        return "goes on with the conversation"
    if view.state.is_final and not view.can_be_tried_again:
        return "shows it: it is finished"
    left = [task.id for task in view.tasks.values() if task.state is not TaskState.DONE]
    if not view.tasks:
        return "goes on with planning; pays nothing twice"
    if not view.is_approved:
        return "opens the review of its plan; pays nothing twice"
    again = "tries again" if view.can_be_tried_again else "continues"
    return f"{again} {', '.join(left)}; pays nothing twice"


def delete_rows(run: RunSummary, refs: Collection[str], worktrees: Collection[str], lost: int, width: int) -> list[Row]:
    """What the first `d` shows: what would go, and what would be lost with it."""
    what = f"{plural(len(refs), 'ref')} and {plural(len(worktrees), 'worktree')} of {run.epic or run.run}"
    rows = paragraph(f"delete {what}? Its log and its cost stay.", width, first=(Span(" ! ", Ink.ASK, bold=True),))
    if lost:
        rows += paragraph(f"{plural(lost, 'commit')} on no branch would be lost", width, first=(Span(" ! ", Ink.BAD),))
    return [*rows, fit(row(Span(" d deletes, Esc keeps", bold=True)), width, padded=False)]
