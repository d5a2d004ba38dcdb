"""Where the planning documents stand on the integration branch, and what becomes of older ones."""

import re
from collections.abc import Mapping
from pathlib import Path

from equitr_coder.domain.ids import CommitId, EpicId
from equitr_coder.ports import Repository

NAMES = ("requirements", "design", "todos")
_MARK = re.compile(rb"\A<!-- equitr: (epic-\d+) -->\n")
_FOLDERS = ("docs", "docs/equitr")


def marked(epic: EpicId, content: str) -> bytes:
    """The document with the first line that says it is ours."""
    return f"<!-- equitr: {epic} -->\n{content.rstrip()}\n".encode()


async def place_documents(
    repository: Repository, checkout: Path, base: CommitId, epic: EpicId, documents: Mapping[str, str]
) -> tuple[str, dict[str, bytes | None]]:
    """The folder that takes the documents, and the files to put into the base's tree.

    `docs/` unless a file of the same name stands there that we did not write; then `docs/equitr/`. Documents of an
    earlier epic move to `docs/archive/epic-NNN/`.
    """
    for folder in _FOLDERS:
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
