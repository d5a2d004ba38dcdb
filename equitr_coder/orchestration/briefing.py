"""What agents of an epic are told first: the worker, the supervisor who advises, the reviewer. Pure: values to text.

What repeats in many messages comes first and in the same bytes, so that provider caches hit: the planning documents
open the message of every worker. (The planner is briefed by `planning`.)
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from equitr_coder.domain.artifacts import Artifact
from equitr_coder.domain.epic import Plan, SyncPoint, Task
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.footprint import claim_of
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import normal
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.panel import Voice, tally
from equitr_coder.domain.receipts import CheckResult

_DOCUMENT = 20_000
_NOTE = 4_000
_NOTES = 3
_HELD = 8
_DIFF = 60_000
_SIDES = 60_000
"""Characters of the diffs of either side of a merge, of all that have landed together."""
_FILE = 16_000
_FILES = 48_000
_TREE = 200
_CHECK_OUTPUT = 2_000
_ARTIFACT = 20_000
_ARTIFACTS = 60_000
_RESULT = 1_500
_RESULTS = 6_000
_REFUSED = 400
_REFUSALS = 10

HAND_IN_NUDGE = (
    "You answered in plain text, and the task is still open: only hand_in ends it. Go on with the work, or call "
    "hand_in now with a summary of what is done and what is open. Another plain answer ends this attempt as failed."
)
REVIEW_NUDGE = (
    "You gave no verdict. Call review now, with approve, or with reject and concrete reasons. Without a verdict the "
    "change counts as rejected."
)
ARBITER_NUDGE = "You gave no verdict. Call review now, or pass_on. Without either the user decides."
MERGE_NUDGE = (
    "The merge is not finished: edit the files until no conflict marker is left, then call hand_in with a line that "
    "says how you kept both. Without that the work goes back to its worker."
)

_REASONS: Mapping[StopReason, str] = {
    StopReason.CHECK_FAILED: "the check failed",
    StopReason.CHECK_TIMEOUT: "the check took too long",
    StopReason.CHECK_UNPROVEN: "the check proved nothing about these files",
    StopReason.CONTRACT_BROKEN: "it broke a contract that others build on",
    StopReason.CHECK_EDITED: "what proves the task was changed",
    StopReason.NO_TESTS: "no test proved the change",
    StopReason.REVIEW_REJECTED: "the review rejected it",
    StopReason.FOOTPRINT_LEFT: "it changed what is not its own",
    StopReason.MERGE_CONFLICT: "it clashed with what others have finished",
    StopReason.NO_HAND_IN: "it ended without hand_in",
    StopReason.NO_CHANGE: "no file was changed",
    StopReason.NO_PROGRESS: "it repeated itself without progress",
    StopReason.MAX_ITERATIONS: "it used up its model calls",
    StopReason.WORKER_TIMEOUT: "it used up its time",
    StopReason.CONTEXT_OVERFLOW: "the conversation grew too long",
    StopReason.MODEL_ERROR: "the model failed",
    StopReason.INTERRUPTED: "its files were lost",
}


@frozen
class Sharing:
    """A task's sync points as they stand when its session begins."""

    arrived: tuple[tuple[SyncPoint, Artifact], ...] = ()
    """What it consumes and what has been published."""
    pending: tuple[SyncPoint, ...] = ()
    """What it consumes and what nobody has published yet."""
    promised: tuple[tuple[SyncPoint, Artifact | None], ...] = ()
    """What it must publish itself, with the newest version there is."""

    def is_shown(self, artifact: Artifact) -> bool:
        """Whether it stands whole in the first message: what is short enough, as long as there is room for all, and
        cannot be taken for the end of an artifact.
        """
        left = _ARTIFACTS
        for _, other in self.arrived:
            fits = len(other.content) <= min(_ARTIFACT, left) and "</artifact" not in other.content
            if other == artifact:
                return fits
            left -= len(other.content) if fits else 0
        return False


@frozen
class AttemptNote:
    """What became of an earlier attempt at a task."""

    number: int
    reason: StopReason | None
    detail: str


def worker_message(
    *,
    plan: Plan,
    task: Task,
    documents: Mapping[str, str],
    request: str = "",
    previous: Sequence[AttemptNote] = (),
    guidance: str | None = None,
    check_commands: Sequence[str] = (),
    others_holding: Mapping[TaskId, Sequence[str]] | None = None,
    documents_at: str = "docs",
    sharing: Sharing | None = None,
    results: Mapping[TaskId, str] | None = None,
    held: Collection[str] = (),
    refused: Sequence[str] = (),
) -> str:
    """The first message of a worker. `results` are the summaries of the done tasks that it needs, `held` files that
    prove the task, `refused` what earlier attempts asked leave for where no person answered.

    With `documents` (name -> content) they open the message, the same bytes for every task of the plan. Without, the
    task is direct: its request stands first, verbatim, with no plan around it.
    """
    checks = tuple(dict.fromkeys([*([task.check] if task.check else []), *check_commands]))
    sharing = sharing or Sharing()
    from_others = [_results_block(results or {}), _artifacts_block(sharing)]
    if documents:
        parts = [_documents_block(plan, documents, documents_at), *from_others, _task_block(plan, task)]
    elif len(plan.tasks) > 1:
        parts = [*from_others, _task_block(plan, task)]
    else:
        parts = [request or task.description or task.title, f"(This is task {task.id}.)"]
    parts += [
        _promises_block(sharing),
        _checks_block(checks),
        _commands_block(task.commands),
        _held_block(held),
        _holders_block(others_holding or {}),
        _attempts_block(previous),
        _refused_block("# What earlier attempts were not allowed", refused),
        f"# Guidance of the supervisor\n\n{guidance.strip()}" if guidance and guidance.strip() else "",
    ]
    return "\n\n".join(part for part in parts if part)


def failure_question(task: Task, previous: Sequence[AttemptNote]) -> str:
    """What the host asks the supervisor before the last attempt at a task."""
    return "\n\n".join(
        [
            f"The attempts at task {task.id} ({task.title}) have failed: {len(previous)} so far, and one more is left. "
            "Find the cause in the worker's files, which are as the last attempt left them, and tell the worker what "
            "to do differently. If the task or its check is wrong, say so.",
            _attempts(previous),
        ]
    )


def opening_question(task: Task) -> str:
    """What the host asks the supervisor before the first attempt at a task that is hard by its own words."""
    return (
        f"A worker is about to start on task {task.id} ({task.title}), which looks hard. Before it does, tell it how "
        "to go about it: which files and parts, with the names and signatures that matter, in which order, what is "
        "likely to go wrong, and how it will see that it works."
    )


def doubt_question(task: Task, summary: str, confidence: float, changed: Mapping[str, str]) -> str:
    """What the host asks the supervisor when a worker is unsure of the work that it hands in."""
    files = "\n".join(f"- {path} ({change})" for path, change in changed.items()) or "None."
    return (
        f"The worker would hand in task {task.id} ({task.title}), and is unsure of it: confidence {confidence:g} of 1. "
        "Look at its files. If the work is right, say so in one line; else say what is wrong and what to do before it "
        f"hands in.\n\nIts summary:\n{_ends(summary.strip(), _NOTE)}\n\nFiles it changed:\n{files}"
    )


def advice_message(
    *,
    task: Task,
    question: str,
    files: Mapping[str, str],
    tree: Sequence[str],
    git_status: str,
    documents_at: str | None = None,
    code_map: str = "",
    refused: Sequence[str] = (),
) -> str:
    """The first message of a supervisor's session that answers a worker: the question first, verbatim. `code_map` is
    the map of the worker's files drawn for it, `refused` what it asked leave for where no person answered.

    `documents_at` is the folder of the planning documents on the branch; None for a direct task, which has none.
    """
    left = _FILES
    shown: list[str] = []
    for path, content in files.items():
        text = (
            _capped(content, min(_FILE, left), f"read_file opens all of {path}")
            if left > 0
            else "[left out: read_file]"
        )
        left -= len(text)
        shown.append(f'<file path="{path}">\n{text.rstrip()}\n</file>')
    parts = [
        question.strip(),
        f"# The worker's task: {task.id} {task.title}\n\n{_about(task)}",
        _refused_block("# What it was not allowed", refused),
        _documents_note(documents_at),
        "# Files it chose\n\n" + "\n".join(shown) if shown else "",
        f"# Files of the repository\n\n{tree_text(tree)}",
        f"# Definitions that matter most for the question, as far as names tell\n\n{code_map}" if code_map else "",
        f"# git status\n\n{_capped(git_status.strip(), 4_000, 'cut') or 'clean'}",
    ]
    return "\n\n".join(part for part in parts if part)


def review_message(
    *,
    task: Task,
    diff: str,
    results: Sequence[CheckResult],
    requirements: str,
    documents_at: str | None = None,
    story: str = "",
) -> str:
    """The first message of a reviewer. `documents_at` as in `advice_message`; `story` as in `merge_story`."""
    cut = "the rest of the diff is left out; read the files"
    parts = [
        f"# Task {task.id}: {task.title}\n\n{_about(task)}",
        f"# Requirements\n\n<document>\n{_capped(requirements.strip(), _DOCUMENT, 'the rest is left out')}\n</document>"
        if requirements.strip()
        else "",
        _documents_note(documents_at),
        "# Checks on the merged result\n\n" + ("\n\n".join(_result(result) for result in results) or "None were run."),
        story,
        f"# The change\n\n<diff>\n{_capped(diff.rstrip(), _DIFF, cut) or 'No file was changed.'}\n</diff>",
        "Give your verdict with review.",
    ]
    return "\n\n".join(part for part in parts if part)


def merge_message(
    *,
    mine: tuple[Task, str],
    landed: Sequence[tuple[Task, str]],
    files: Mapping[str, bytes | None],
    paths: Sequence[str],
    detail: str = "",
    documents_at: str | None = None,
) -> str:
    """The first message of the supervisor's session that merges: what each task was to do and what it did, as diffs,
    and the files with their markers. `detail` says what is wrong where git saw no clash.
    """
    task, change = mine
    others = ", ".join(other.id for other, _ in landed) or "what has landed"
    listed = "\n".join(f"- {path}" for path in paths)
    if detail:
        what = (
            f"{task.id} merges cleanly with {others}, and together they fail, while each was green alone.\n\n{detail}"
        )
    else:
        what = (
            f"{task.id} does not merge with {others}. In the files, the upper part between markers is what has landed, "
            f"the lower part is {task.id}'s."
        )
    parts = [
        f"{what}\n\nFiles it is about:\n{listed}",
        *(_side(other, diff, "has landed", _SIDES // max(2, len(landed))) for other, diff in landed),
        _side(task, change, "was handed in and is to be merged", _SIDES // 2),
        _documents_note(documents_at),
        *_merged_files(files),
        "Merge them now, and call hand_in.",
    ]
    return "\n\n".join(part for part in parts if part)


def merge_story(paths: Sequence[str], tasks: Sequence[Task], summary: str) -> str:
    """For the reviewer of a proposed merge: what clashed, what both sides wanted, what the supervisor says it did."""
    mine, *others = tasks
    wants = "\n\n".join(f"## {task.id}: {task.title}\n\n{_about(task)}" for task in others)
    return (
        f"# A proposed merge\n\nThe work of {mine.id} clashed with what had landed, in: {', '.join(paths)}. The "
        f"supervisor merged them and says: {summary.strip() or 'nothing'}\n\nThe merge must keep what both sides were "
        f"to do. Reject it when it drops or breaks something of either.\n\n{wants}"
    ).strip()


def disagreement_story(voices: Sequence[Voice], *, may_pass_on: bool, is_attended: bool) -> str:
    """For whoever decides between reviewers: what each said. `is_attended`: a person is there to be asked."""
    said = "\n\n".join(_said(voice) for voice in voices)
    parts = [
        f"# The reviewers disagree\n\n{tally(voices)}. Weigh their reasons against the change, not their number, and "
        f"decide. If you reject, the worker gets your reasons and those of who rejected.\n\n{said}"
    ]
    if may_pass_on:
        alone = "" if is_attended else " Nobody is there now, so that rejects it."
        parts.append(f"What only the user can decide you hand on with pass_on, in place of a verdict.{alone}")
    return "\n\n".join(parts)


def tree_text(paths: Sequence[str]) -> str:
    """The paths, or when they are many, how many there are in each folder."""
    if not paths:
        return "No files."
    if len(paths) <= _TREE:
        return "\n".join(paths)
    counts = Counter("/".join(path.split("/")[:-1][:2]) or "." for path in paths)
    rows = [f"{folder}/: {count}" for folder, count in sorted(counts.items())]
    more = [f"[and {len(rows) - _TREE} more folders]"] if len(rows) > _TREE else []
    return "\n".join([f"[{len(paths)} files; per folder:]", *rows[:_TREE], *more])


def _said(voice: Voice) -> str:
    words = {True: "approves", False: "rejects", None: "gave no verdict"}[voice.approved]
    reasons = "\n".join(f"- {_capped(reason, _NOTE, 'cut')}" for reason in voice.reasons) or "- no remarks"
    return f"## {voice.agent} {words}\n\n{reasons}"


def _side(task: Task, diff: str, state: str, limit: int) -> str:
    cut = "the rest of the diff is left out"
    shown = _capped(diff.rstrip(), limit, cut) or "No change in these files."
    return f"# {task.id}: {task.title} ({state})\n\n{_about(task)}\n\n<diff>\n{shown}\n</diff>"


def _merged_files(files: Mapping[str, bytes | None]) -> list[str]:
    left = _FILES
    shown: list[str] = []
    for path, content in files.items():
        if content is None or b"\0" in content:
            shown.append(f'<file path="{path}">[{"deleted" if content is None else "binary"}]</file>')
            continue
        text = content.decode("utf-8", "replace")
        whole = _capped(text, min(_FILE, left), f"read_file opens all of {path}") if left > 0 else "[read_file]"
        left -= len(whole)
        shown.append(f'<file path="{path}">\n{whole.rstrip()}\n</file>')
    return shown


def _refused_block(heading: str, refused: Sequence[str]) -> str:
    if not refused:
        return ""
    rows = "\n".join(f"- {_capped(words, _REFUSED, 'cut')}" for words in refused[-_REFUSALS:])
    return f"{heading}\n\nNobody was there to say yes to this:\n{rows}"


def _documents_block(plan: Plan, documents: Mapping[str, str], folder: str) -> str:
    parts = [f"# Planning documents of the whole project ({plan.title})"]
    for name in ("requirements", "design"):
        if content := documents.get(name, "").strip():
            path = f"{folder}/{name}.md"
            parts.append(_document(path, _capped(content, _DOCUMENT, f"read_file opens all of {path}")))
    parts.append(_document(f"{folder}/todos.md", _pointer(plan, folder)))
    return "\n\n".join(parts)


def _documents_note(folder: str | None) -> str:
    """Exact paths: who must look for a file may read another."""
    return f"Planning documents (read_file): {folder}/requirements.md, {folder}/design.md" if folder else ""


def _document(path: str, content: str) -> str:
    return f'<document path="{path}">\n{content}\n</document>'


def _pointer(plan: Plan, folder: str) -> str:
    """Not the todos themselves: another task's are not this worker's business."""
    count = len(plan.tasks)
    tasks = "1 task" if count == 1 else f"{count} tasks"
    return f"The work is split into {tasks}; yours follows below. read_file opens the whole plan: {folder}/todos.md."


def _task_block(plan: Plan, task: Task) -> str:
    numbers = plan.todo_numbers.get(task.id, ())
    todos = [f"{number}. {todo}" for number, todo in zip(numbers, task.todos, strict=False)]
    parts = [
        f"# Your task: {task.id} {task.title}",
        task.description,
        "Todos (tick each by its number):\n" + "\n".join(todos) if todos else "",
        "Footprint (the only files you may change):\n" + "\n".join(_footprint_rows(task)) if task.files else "",
    ]
    return "\n\n".join(part for part in parts if part.strip())


def _results_block(results: Mapping[TaskId, str]) -> str:
    rows, left = [], _RESULTS
    for task_id, summary in results.items():
        text = _capped(summary.strip(), min(_RESULT, left), "the rest is left out")
        left = max(0, left - len(text))
        rows.append(f"{task_id}: {text or 'done'}")
    said = "# Done before, in the words of those who did it\n\nTheir files are in your copy.\n\n"
    return said + "\n\n".join(rows) if rows else ""


def _artifacts_block(sharing: Sharing) -> str:
    """What the task builds on. Words of others: they are marked as such."""
    rows = []
    for point, artifact in sharing.arrived:
        head = (
            f'<artifact sync_point="{point.id}" type="{point.type.value}" version="{artifact.version}" '
            f'from="{point.producer}">'
        )
        if sharing.is_shown(artifact):
            rows.append(f"{head}\n{artifact.content.rstrip()}\n</artifact>")
        else:
            size = f"{len(artifact.content)} characters"
            rows.append(f'{head}\n[{size}: read_artifact("{point.id}") gives all of it]\n</artifact>')
    for point in sharing.pending:
        rows.append(
            f"{_point(point)}, from {point.producer}, is not there yet. Begin with what does not depend on it; a "
            f'message comes when it can be read with read_artifact("{point.id}").'
        )
    if not rows:
        return ""
    return "# What others have promised you (build against it exactly)\n\n" + "\n\n".join(rows)


def _promises_block(sharing: Sharing) -> str:
    rows = []
    for point, artifact in sharing.promised:
        to = ", ".join(point.consumers) or "nobody"
        there = f" Published already: version {artifact.version}." if artifact is not None else ""
        rows.append(f"- {_point(point)}, for {to}.{there}")
    if not rows:
        return ""
    return (
        "Sync points you have promised (publish_artifact as soon as the shape is decided, before the rest of your "
        "work: others wait for it. The host compares your files with it before they are merged):\n" + "\n".join(rows)
    )


def _point(point: SyncPoint) -> str:
    words = f": {point.description.strip()}" if point.description.strip() else ""
    return f"{point.id} ({point.type.value}{words})"


def _footprint_rows(task: Task) -> list[str]:
    """Of a file that tasks share, only the parts that are this task's."""
    parts = claim_of(task).symbols
    return [
        f"- {path} (only {', '.join(sorted(names))}, and imports)"
        if (names := parts.get(normal(path)))
        else f"- {path}"
        for path in task.files
    ]


def _checks_block(checks: Sequence[str]) -> str:
    if not checks:
        return "Check: none is set. Prove your work with what the project has, and say in the summary what you ran."
    if len(checks) == 1:
        return f"Check (run on the merged result; must exit 0):\n{checks[0]}"
    return "Checks (run on the merged result; each must exit 0):\n" + "\n".join(f"- {check}" for check in checks)


def _commands_block(commands: Sequence[str]) -> str:
    if not commands:
        return ""
    rows = "\n".join(f"- {command}" for command in commands)
    return f"Commands approved for this task (they run unasked exactly as they stand here):\n{rows}"


def _held_block(held: Collection[str]) -> str:
    if not held:
        return ""
    named = sorted(held)
    more = f", and {len(named) - _HELD} more" if len(named) > _HELD else ""
    return f"What proves the task (not yours to change; new tests go into new files): {', '.join(named[:_HELD])}{more}"


def _holders_block(holding: Mapping[TaskId, Sequence[str]]) -> str:
    rows = [f"- {task}: {', '.join(files)}" for task, files in holding.items() if files]
    return (
        "Files that other workers are changing now; you may read them, not change them:\n" + "\n".join(rows)
        if rows
        else ""
    )


def _attempts_block(previous: Sequence[AttemptNote]) -> str:
    if not previous:
        return ""
    clashed = previous[-1].reason is StopReason.MERGE_CONFLICT
    start = "Your copy holds the files as the last attempt left them, merged with what others have finished since."
    if clashed:
        start += (
            " Where the two clashed the files hold conflict markers (<<<<<<<, =======, >>>>>>>): keep what both sides "
            "meant, remove every marker, and run the check."
        )
    todo = "Read again what you change, mend what was wrong, and do not start over."
    if previous[-1].reason is StopReason.INTERRUPTED:
        start = "The files of the last attempt are lost: your copy holds only what has been finished before."
        todo = "Begin from what is there."
    return f"# Earlier attempts at this task\n\n{start} {todo}\n\n{_attempts(previous)}"


def _attempts(previous: Sequence[AttemptNote]) -> str:
    """The last attempts in full; the reasons alone of those before."""
    rows: list[str] = []
    for index, note in enumerate(previous):
        reason = _REASONS.get(note.reason, note.reason.value) if note.reason is not None else "it was interrupted"
        row = f"Attempt {note.number}: {reason}."
        if index >= len(previous) - _NOTES and note.detail.strip():
            row += f"\n{_ends(note.detail.strip(), _NOTE)}"
        rows.append(row)
    return "\n\n".join(rows)


def _about(task: Task) -> str:
    parts = [
        task.description,
        "Todos:\n" + "\n".join(f"- {todo}" for todo in task.todos) if task.todos else "",
        f"Files: {', '.join(task.files)}" if task.files else "",
        f"Check: {task.check}" if task.check else "",
    ]
    return "\n\n".join(part for part in parts if part.strip()) or "No description."


def _result(result: CheckResult) -> str:
    ended = "timed out" if result.timed_out else f"exit {result.exit_code}"
    tail = result.output_tail.strip()
    shown = f"\n{tail[-_CHECK_OUTPUT:]}" if tail else ""
    return f"`{result.command}`: {ended}{shown}"


def _capped(text: str, limit: int, cut: str) -> str:
    """The beginning, cut at a line's end, with a line that says so."""
    if len(text) <= limit:
        return text
    kept = text[:limit]
    kept = kept[: kept.rfind("\n")] if "\n" in kept else kept
    return f"{kept}\n[... {len(text) - len(kept)} more characters; {cut} ...]"


def _ends(text: str, limit: int) -> str:
    """Beginning and end: what failed stands first in one report, last in another."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
