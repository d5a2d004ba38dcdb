"""What the product has left on a machine, in words."""

from equitr_coder.domain.queries import UninstallAnswer, UninstalledWorkspace
from equitr_coder.presentation.figures import size_text
from equitr_coder.presentation.text import Line, Tone, plural, visible

_SHOWN = 10


def uninstall_lines(answer: UninstallAnswer) -> list[Line]:
    """Workspace by workspace, then the home folder; the last two lines sum up and say how the program itself goes."""
    if answer.is_empty:
        return [Line(f"There is nothing to remove in {visible(answer.home)}.")]
    lines: list[Line] = []
    for workspace in answer.workspaces:
        lines += _workspace_lines(workspace)
    lines.append(Line(f"{visible(answer.home)}:"))
    lines += [Line(f"  {visible(entry.path)}  {size_text(entry.size)}") for entry in answer.state]
    lines += [Line(f"  {visible(path)} stays: it is yours", Tone.DIM) for path in answer.left]
    refs = sum(len(workspace.refs) for workspace in answer.workspaces)
    places = sum(len(workspace.worktrees) for workspace in answer.workspaces)
    size = size_text(sum(entry.size for entry in answer.state))
    verb = "Removed" if answer.deleted else "Would remove"
    what = f"{plural(places, 'worktree')}, {plural(refs, 'ref')} and {size} of state, logs and outputs included"
    return [
        *lines,
        Line(f"{verb} {what}; no branch", Tone.STRONG),
        Line(
            "The program itself goes with the tool that installed it, for example: pip uninstall equitrcoder", Tone.DIM
        ),
    ]


def _workspace_lines(workspace: UninstalledWorkspace) -> list[Line]:
    counts = f"{plural(len(workspace.worktrees), 'worktree')}, {plural(len(workspace.refs), 'ref')}"
    note = f" ({visible(workspace.note)})" if workspace.note else ""
    lines = [Line(f"{visible(workspace.path)}: {counts}{note}")]
    for names in (workspace.worktrees, workspace.refs):
        lines += [Line(f"  {visible(name)}") for name in names[:_SHOWN]]
        if len(names) > _SHOWN:
            lines.append(Line(f"  and {len(names) - _SHOWN} more", Tone.DIM))
    if workspace.branches:
        lines.append(Line(f"  stays: {', '.join(workspace.branches)}", Tone.DIM))
    return lines
