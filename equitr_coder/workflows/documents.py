"""Where the planning documents stand on the integration branch, what becomes of older ones, and the host's two commits
of them: the same however often they are made.
"""

import re
from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from itertools import accumulate, count
from pathlib import Path

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.ids import CommitId, EpicId, RunId, TaskId
from equitr_coder.domain.run_view import RunView
from equitr_coder.planning.documents import render_todos, todos_of
from equitr_coder.ports import Repository

NAMES = ("requirements", "design", "todos")
_MARK = re.compile(rb"\A<!-- equitr: (epic-\d+) -->\n")
_BESIDE = "equitr-docs"
"""Where `docs` is none of ours to write in."""


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

    `docs/` unless something of the user's stands in the way: a file of the same name that we did not write, or what is
    no folder at all; then `docs/equitr/`, then one beside it. Documents of an earlier epic move to
    `docs/archive/epic-NNN/`. `at` is the folder when it was chosen before.
    """
    for folder in _folders() if at is None else (at,):
        old = {name: await repository.show_file(base, f"{folder}/{name}.md") for name in documents}
        if at is not None or await _is_free(repository, checkout, base, folder, old):
            break
    root = folder if folder.startswith(_BESIDE) else "docs"
    files: dict[str, bytes | None] = {}
    for name, content in old.items():
        mark = _MARK.match(content) if content is not None else None
        if mark is not None and mark.group(1).decode() != epic:
            files[f"{root}/archive/{mark.group(1).decode()}/{name}.md"] = content
    files.update({f"{folder}/{name}.md": marked(epic, content) for name, content in documents.items()})
    return folder, files


def _folders() -> Iterator[str]:
    yield from ("docs", "docs/equitr", _BESIDE)
    yield from (f"{_BESIDE}-{number}" for number in count(2))


async def _is_free(
    repository: Repository, checkout: Path, base: CommitId, folder: str, old: Mapping[str, bytes | None]
) -> bool:
    """Nothing that we did not write would be overwritten there, in the commit or in the checkout."""
    for part in accumulate(folder.split("/"), "{}/{}".format):
        place = checkout / part
        if await repository.show_file(base, part) is not None or place.is_symlink():
            return False
        if place.exists() and (not place.is_dir() or (place / ".git").exists()):
            return False
    untracked = any(content is None and _stands(checkout / folder / f"{name}.md") for name, content in old.items())
    return not untracked and all(content is None or _MARK.match(content) for content in old.values())


def _stands(path: Path) -> bool:
    return path.is_symlink() or path.exists()


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
