"""Conflicts as lines and as data: the alerts of a status, a list, one with both sides."""

from typing import Any

from equitr_coder.domain.conflicts import ConflictStage, ConflictState
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.overlaps import overlaps
from equitr_coder.domain.queries import ConflictAnswer
from equitr_coder.domain.run_view import ConflictView, RunView
from equitr_coder.presentation.sharing import conflict_words, resolved_words, voice_words
from equitr_coder.presentation.text import Line, Tone, prose, visible


def alert_lines(view: RunView) -> list[Line]:
    """The open ones, and what was decided where reviewers disagreed; nothing when there are none."""
    found = [Line(f"  ! {_what(one)} - {_waits_for(view, one)}", Tone.WARN) for one in _open(view)]
    decided = [one for one in view.conflicts.values() if one.conflict.kind == "finding" and not one.is_open]
    found += [Line(f"    {_what(one)} - {_how(one)}", Tone.DIM) for one in decided]
    return [Line("Conflicts:"), *found] if found else []


def conflicts_lines(view: RunView | None, *, several: bool = False) -> list[Line]:
    """With `several` other runs are listed as well: the commands name this one."""
    if view is None or not view.conflicts:
        return [Line("No conflicts." if view is None else f"No conflicts in {view.epic or view.run}.")]
    lines = [Line(f"{view.epic or view.run}:", Tone.STRONG)]
    named = f" --run {view.epic or view.run}" if several else ""
    lines += [Line(f"! {_what(one)} - {_waits_for(view, one, named)}", Tone.WARN) for one in _open(view)]
    settled = [one for one in view.conflicts.values() if one.resolved is not None]
    return lines + [Line(f"  {_what(one)} - {_how(one)}", Tone.DIM) for one in settled]


def conflict_page(view: RunView, found: ConflictView, answer: ConflictAnswer) -> list[Line]:
    conflict = found.conflict
    state = _how(found) if found.resolved is not None else _waits_for(view, found)
    lines = [Line(_what(found), Tone.STRONG), Line(f"State: {state}")]
    if conflict.kind == "finding":
        return [*lines, *_finding_lines(view, found), *_diff_lines("The change:", answer.theirs)]
    mine, *others = conflict.tasks
    is_foreseen = conflict.stage is ConflictStage.FORECAST
    for task in conflict.tasks:
        title = view.plan.task(task).title if view.plan is not None else ""
        part = "at work" if is_foreseen else "handed in (theirs)" if task == mine else "has landed (ours)"
        lines.append(Line(f"  {task} {prose(title)} - {part}"))
    if conflict.detail:
        lines.append(Line(prose(conflict.detail)))
    if found.detail and found.state is not ConflictState.ESCALATED:  # else the state above says the same
        lines.append(Line(prose(found.detail)))
    if found.state is ConflictState.ESCALATED and found.resolved is None:
        lines += _ways(found)
    landed = ", ".join(others)
    for head, text in (
        (f"What has landed ({landed}):" if landed else "What has landed:", answer.ours),
        (f"What was handed in ({mine}):", answer.theirs),
        ("The proposed merge:" if found.state is ConflictState.PROPOSED else "The merge:", answer.merged),
    ):
        lines += _diff_lines(head, text)
    return lines


def _diff_lines(head: str, text: str) -> list[Line]:
    if not text.strip():
        return []
    return [Line(""), Line(head, Tone.STRONG), *(Line(visible(line)) for line in text.rstrip().split("\n"))]


def _finding_lines(view: RunView, found: ConflictView) -> list[Line]:
    """Who said what; how it was decided, and who was against that."""
    task = found.conflict.tasks[0]
    title = view.plan.task(task).title if view.plan is not None else ""
    lines = [Line(f"  {task} {prose(title)} - attempt {found.conflict.attempt}")]
    lines += [Line(f"  {voice_words(voice)}") for voice in found.conflict.voices]
    resolved = found.resolved
    if found.detail:
        lines.append(Line(f"The supervisor hands it on to you: {prose(found.detail)}"))
    if resolved is not None and resolved.detail:
        lines += [Line(f"Why: {prose('; '.join(filter(None, resolved.detail.split(chr(10)))))}")]
    if resolved is not None and resolved.dissent:
        lines += [Line("Dissent:"), *(Line(f"  {voice_words(voice)}") for voice in resolved.dissent)]
    return lines


def settled_lines(view: RunView, found: ConflictView) -> list[Line]:
    lines = [Line(f"{found.conflict.id}: {_how(found)}.", Tone.GOOD)]
    return [*lines, Line(f"Next: {view.hint}")] if view.hint else lines


def conflicts_data(view: RunView) -> list[dict[str, Any]]:
    return [conflict_data(found) for found in view.conflicts.values()]


def overlaps_data(view: RunView) -> list[dict[str, Any]]:
    """Pairs of tasks that changed the same files though nothing orders them, whether or not it merged."""
    if view.plan is None:
        return []
    changed = {task.id: task.files for task in view.tasks.values()}
    return [{"tasks": list(found.tasks), "files": list(found.files)} for found in overlaps(view.plan, changed)]


def conflict_data(found: ConflictView) -> dict[str, Any]:
    conflict, resolved = found.conflict, found.resolved
    data: dict[str, Any] = {
        "id": conflict.id,
        "kind": conflict.kind,
        "stage": conflict.stage.value,
        "state": found.state.value,
        "tasks": list(conflict.tasks),
        "files": list(conflict.paths),
        "detail": found.detail or conflict.detail,
        "worktree": found.worktree if resolved is None else None,
        "how": resolved.how if resolved is not None else None,
    }
    if conflict.kind == "finding":
        data["voices"] = [voice.model_dump(mode="json") for voice in conflict.voices]
        data["approved"] = resolved.approved if resolved is not None else None
        data["why"] = resolved.detail if resolved is not None else ""
        data["dissent"] = [voice.model_dump(mode="json") for voice in resolved.dissent] if resolved is not None else []
    return data


def _open(view: RunView) -> list[ConflictView]:
    return [found for found in view.conflicts.values() if found.resolved is None]


def _what(found: ConflictView) -> str:
    return conflict_words(found.conflict)


def _how(found: ConflictView) -> str:
    return resolved_words(found.resolved) if found.resolved is not None else "open"


def _ways(found: ConflictView) -> list[Line]:
    number = found.conflict.id
    ways = [(f"conflict resolve {number}", "takes the files as you have edited them")]
    if found.conflict.stage is ConflictStage.MERGE:
        ways += [
            (f"conflict resolve {number} --ours", "takes what has landed"),
            (f"conflict resolve {number} --theirs", "takes what was handed in"),
        ]
    ways.append((f"conflict abort {number}", "lets the worker do it again on what has landed"))
    longest = max(len(command) for command, _ in ways)
    return [Line(f"  equitrcoder {command:<{longest}}  {words}") for command, words in ways]


def _waits_for(view: RunView, found: ConflictView, named: str = "") -> str:
    """`named` is the option that names the run, where its conflicts alone are not told from another's."""
    conflict = found.conflict
    if conflict.stage is ConflictStage.FORECAST:
        return "both workers know"
    if conflict.kind == "finding":
        is_yours = found.state is ConflictState.ESCALATED
        return "waits for your yes or no" if is_yours else "the supervisor decides"
    task = view.tasks.get(conflict.tasks[0])
    is_still = task is not None and task.state is TaskState.REVIEW and task.attempt == conflict.attempt
    if found.state is ConflictState.ESCALATED and is_still:
        where = f" (files: {found.worktree})" if found.worktree else ""
        return f"waits for you{where}: equitrcoder conflict resolve {conflict.id}{named}"
    if not is_still:
        return f"{conflict.tasks[0]} is to merge it"
    return "a merge is proposed" if found.state is ConflictState.PROPOSED else "open"
