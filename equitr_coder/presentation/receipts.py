"""Receipts checked again, and what finished runs have left, in words."""

from equitr_coder.domain.queries import CheckedAgain, Prunable, PruneAnswer, VerifyAnswer
from equitr_coder.presentation.figures import duration, size_text
from equitr_coder.presentation.text import Line, Tone, plural, visible

_SHORT = 10
_SHOWN = 10


def verify_lines(answer: VerifyAnswer) -> list[Line]:
    """One line for each check, what differs below it, and what was not proven at all."""
    lines: list[Line] = []
    for check in answer.checks:
        lines += _check_lines(check)
    if answer.without:
        lines.append(Line(f"Without a receipt: {', '.join(answer.without)}", Tone.WARN))
    green = sum(check.is_green for check in answer.checks)
    name = answer.epic or answer.run
    if not answer.checks:
        lines.append(Line(f"{name} has no receipt to verify", Tone.WARN))
    else:
        tone = Tone.GOOD if answer.is_green else Tone.BAD
        lines.append(Line(f"{name}: {green} of {plural(len(answer.checks), 'check')} green again", tone))
    return lines


def _check_lines(check: CheckedAgain) -> list[Line]:
    state, tone = ("green", Tone.GOOD) if check.is_green else ("RED", Tone.BAD)
    code = "not run" if check.exit_code is None else f"exit {check.exit_code}, {duration(check.duration_ms / 1000)}"
    tests = f", {plural(check.tests, 'test')}" if check.tests is not None else ""
    head = f"{check.task} {state}: `{visible(check.command)}` {code}{tests}, commit {check.commit[:_SHORT]}"
    lines = [Line(head, tone)]
    lines += [Line(f"  differs: {visible(words)}", Tone.WARN) for words in check.differs]
    return lines + [Line(f"  | {visible(text)}") for text in check.output_tail.splitlines()[-_SHOWN:]]


def prune_lines(answer: PruneAnswer) -> list[Line]:
    """What would go, or went; which commits nothing else keeps; and which runs are left alone."""
    lines: list[Line] = []
    for run in answer.runs:
        lines += _run_lines(run, is_gone=answer.deleted)
    for spared in answer.spared:
        lines.append(Line(f"{spared.epic or spared.run} is left alone: {spared.why}", Tone.DIM))
    if not answer.runs:
        return [*lines, Line("There is nothing to prune.")]
    refs = sum(len(run.refs) for run in answer.runs)
    places = sum(len(run.worktrees) for run in answer.runs)
    what = f"{plural(refs, 'ref')} and {plural(places, 'worktree')} of {plural(len(answer.runs), 'run')}"
    logs = sum(bool(run.records) for run in answer.runs)
    if logs:
        what += f", {plural(logs, 'log')} whose tombstones stay"
    size = f", {size_text(answer.size)} in git" if answer.size is not None else ""
    verb = "Deleted" if answer.deleted else "Would delete"
    lines.append(Line(f"{verb} {what}{size}", Tone.STRONG))
    if answer.deleted:
        lines.append(Line("git frees the space at its next garbage collection: git gc --prune=now", Tone.DIM))
    return lines


def _run_lines(run: Prunable, *, is_gone: bool) -> list[Line]:
    counts = f"{plural(len(run.refs), 'ref')}, {plural(len(run.worktrees), 'worktree')}"
    if run.records:
        counts += f", a log of {plural(run.records, 'record')}"
    lines = [Line(f"{run.epic or run.run} ({run.state.value}): {counts}")]
    if run.lost:
        verb = "are on no branch" if is_gone else "are on no branch and would become unreachable"
        lines.append(Line(f"  {plural(len(run.lost), 'commit')} {verb}:", Tone.WARN))
        lines += [Line(f"    {lost.commit[:_SHORT]} {visible(lost.subject)}") for lost in run.lost[:_SHOWN]]
        if len(run.lost) > _SHOWN:
            lines.append(Line(f"    and {len(run.lost) - _SHOWN} more"))
    return lines
