"""Where the planning documents stand on the integration branch, what becomes of older ones, and the host's two commits
of them: the same however often they are made.
"""

import re
from collections.abc import Mapping, Set
from datetime import datetime
from pathlib import Path

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.ids import CommitId, EpicId, RunId, TaskId
from equitr_coder.domain.run_view import RunView
from equitr_coder.planning.documents import render_todos, todos_of
from equitr_coder.ports import Repository

NAMES = ("requirements", "design", "todos")
_MARK = re.compile(rb"\A<!-- equitr: (epic-\d+) -->\n")
_FOLDERS = ("docs", "docs/equitr")


def marked(epic: EpicId, content: str) -> bytes:
    """The document with the first line that says it is ours."""
    return f"<!-- equitr: {epic} -->\n{content.rstrip()}\n".encode()


async def place_documents(
    repository: Repository,
    checkout: Path,
    base: CommitId,
    epic: EpicId,
    documents: Mapping[str, str],
    *,
    at: str | None = None,
) -> tuple[str, dict[str, bytes | None]]:
    """The folder that takes the documents, and the files to put into the base's tree.

    `docs/` unless a file of the same name stands there that we did not write; then `docs/equitr/`. Documents of an
    earlier epic move to `docs/archive/epic-NNN/`. `at` is the folder when it was chosen before.
    """
    for folder in _FOLDERS if at is None else (at,):
        old = {name: await repository.show_file(base, f"{folder}/{name}.md") for name in documents}
        untracked = any(
            content is None and (checkout / folder / f"{name}.md").exists() for name, content in old.items()
        )
        is_ours = all(content is None or _MARK.match(content) for content in old.values())
        if (is_ours and not untracked) or folder == _FOLDERS[-1]:
            break
    files: dict[str, bytes | None] = {}
    for name, content in old.items():
        mark = _MARK.match(content) if content is not None else None
        if mark is not None and mark.group(1).decode() != epic:
            files[f"docs/archive/{mark.group(1).decode()}/{name}.md"] = content
    files.update({f"{folder}/{name}.md": marked(epic, content) for name, content in documents.items()})
    return folder, files


def planned_message(epic: EpicId, plan: Plan, run: RunId) -> str:
    return f"{epic}: planning documents\n\n{plan.title}\n\nRun: {run}\n"


def planned_at(view: RunView) -> datetime | None:
    return max((row.ended for row in view.ledger.values() if row.ended), default=None)


def ticked(epic: EpicId, plan: Plan, done: Set[TaskId]) -> bytes:
    """The list of todos when these tasks are done."""
    return marked(epic, render_todos(plan, todos_of(plan, done)))


def ticks_message(epic: EpicId, done: Set[TaskId], run: RunId) -> str:
    return f"{epic}: tick the todos of {', '.join(sorted(done))}\n\nRun: {run}\n"


def ticked_at(view: RunView) -> datetime | None:
    return max((task.ended for task in view.tasks.values() if task.ended), default=None)
